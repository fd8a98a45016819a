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

# ---------------------------------------------------------------- ./conc bench targets

file(GLOB target_sources CONFIGURE_DEPENDS bench/targets/*.c)
add_executable(conc_targets ${target_sources})
# Or a loop of one nanosecond takes two where it happens to lie across two cache lines.
target_compile_options(conc_targets PRIVATE -falign-loops=64)
target_link_libraries(conc_targets PRIVATE baselines conc PkgConfig::JANSSON m)
set_target_properties(conc_targets PROPERTIES
    OUTPUT_NAME conc-targets RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
add_custom_target(bench_targets DEPENDS conc_targets)

# Its Go peer, against the system's x/sync and x/time, which are sources below one GOPATH.
set(CONC_GOPATH /usr/share/gocode)
find_program(GO go)
if(GO AND EXISTS ${CONC_GOPATH}/src/golang.org/x/sync/errgroup
        AND EXISTS ${CONC_GOPATH}/src/golang.org/x/time/rate)
    file(GLOB go_sources CONFIGURE_DEPENDS bench/peers/go/*.go)
    add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/bench/targets-go
        COMMAND ${CMAKE_COMMAND} -E env GO111MODULE=off GOPATH=${CONC_GOPATH} GOFLAGS=
            GOCACHE=${PROJECT_BINARY_DIR}/go-cache
            ${GO} build -o ${PROJECT_BINARY_DIR}/bench/targets-go ${go_sources}
        DEPENDS ${go_sources} VERBATIM)
    add_custom_target(targets_go ALL DEPENDS ${PROJECT_BINARY_DIR}/bench/targets-go)
    add_dependencies(bench_targets targets_go)
else()
    message(STATUS "Go, x/sync or x/time is missing: ./conc bench targets goes without Go")
endif()
