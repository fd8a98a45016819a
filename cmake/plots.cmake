# SPDX-License-Identifier: MIT
# The programs that read result files: conc-report (statistics, charts, HTML) and conc-gantt (a trace
# as a picture). They know the files alone and link nothing of conc.

pkg_check_modules(MD4C_HTML REQUIRED IMPORTED_TARGET md4c-html)
find_library(MATH_LIBRARY m REQUIRED)

file(GLOB plots_sources CONFIGURE_DEPENDS plots/*.c)
set(gantt_sources ${plots_sources})
list(FILTER gantt_sources INCLUDE REGEX "/gantt[^/]*[.]c$")
list(FILTER plots_sources EXCLUDE REGEX "/gantt[^/]*[.]c$")

if(gantt_sources)
    add_executable(conc_gantt ${gantt_sources})
    target_include_directories(conc_gantt PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(conc_gantt PRIVATE PkgConfig::JANSSON ${MATH_LIBRARY})
    set_target_properties(conc_gantt PROPERTIES
        OUTPUT_NAME conc-gantt RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plots)
    add_dependencies(demos conc_gantt)
endif()

if(plots_sources)
    add_executable(conc_report ${plots_sources})
    target_include_directories(conc_report PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(conc_report PRIVATE PkgConfig::JANSSON PkgConfig::MD4C_HTML ${MATH_LIBRARY})
    set_target_properties(conc_report PROPERTIES
        OUTPUT_NAME conc-report RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plots)
endif()
