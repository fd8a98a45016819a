# SPDX-License-Identifier: MIT
# The harness (google-benchmark behind a C face) and the textbook versions the patterns are compared
# with. Makes `bench_shared`, which every bench/NN_slug.c links.

file(GLOB shim_sources CONFIGURE_DEPENDS bench/shim/*.cc bench/shim/*.c)
file(GLOB baseline_sources CONFIGURE_DEPENDS bench/baselines/*.c)

add_library(bench_shared INTERFACE)
target_include_directories(bench_shared INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(bench_shared INTERFACE conc)

if(shim_sources)
    enable_language(CXX)
    find_package(benchmark REQUIRED)
    add_library(bench_shim STATIC ${shim_sources})
    target_include_directories(bench_shim PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(bench_shim PRIVATE PkgConfig::JANSSON benchmark::benchmark)
    target_link_libraries(bench_shared INTERFACE bench_shim)
endif()

if(baseline_sources)
    add_library(baselines STATIC ${baseline_sources})
    target_include_directories(baselines PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(baselines PUBLIC conc)
    target_link_libraries(bench_shared INTERFACE baselines)
endif()
