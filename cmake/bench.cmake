# SPDX-License-Identifier: MIT
# The harness (google-benchmark behind a C face) and the textbook versions the patterns are compared
# with. Makes `bench_shared`, which every bench/NN_slug.c links.

enable_language(CXX)
find_package(benchmark REQUIRED)
file(GLOB shim_sources CONFIGURE_DEPENDS bench/shim/*.cc bench/shim/*.c)
add_library(bench_shim STATIC ${shim_sources})
target_include_directories(bench_shim PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(bench_shim PRIVATE PkgConfig::JANSSON benchmark::benchmark)

file(GLOB baseline_sources CONFIGURE_DEPENDS bench/baselines/*.c)
add_library(baselines STATIC ${baseline_sources})
target_include_directories(baselines PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(baselines PUBLIC conc)

pkg_check_modules(URCU IMPORTED_TARGET liburcu-bp liburcu-cds)
if(URCU_FOUND)
    target_compile_definitions(baselines PUBLIC CONC_HAVE_URCU=1)
    target_link_libraries(baselines PUBLIC PkgConfig::URCU)
else()
    message(STATUS "liburcu is missing: benchmark 13_safe_map goes without its RCU variant")
endif()

add_library(bench_shared INTERFACE)
target_link_libraries(bench_shared INTERFACE bench_shim baselines conc)
