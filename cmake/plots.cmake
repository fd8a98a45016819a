# SPDX-License-Identifier: MIT
# The programs that read result files: conc-report (statistics, charts, HTML) and conc-gantt (a trace
# as a picture). They know the files alone and link nothing of conc.

pkg_check_modules(MD4C_HTML REQUIRED IMPORTED_TARGET md4c-html)

function(conc_add_plotter target name)
    add_executable(${target} ${ARGN})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} PRIVATE PkgConfig::JANSSON m)
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plots)
endfunction()

file(GLOB report_sources CONFIGURE_DEPENDS plots/*.c)
set(gantt_sources ${report_sources})
list(FILTER gantt_sources INCLUDE REGEX "/gantt[^/]*[.]c$")
list(FILTER report_sources EXCLUDE REGEX "/gantt[^/]*[.]c$")

conc_add_plotter(conc_report conc-report ${report_sources})
target_link_libraries(conc_report PRIVATE PkgConfig::MD4C_HTML)
conc_add_plotter(conc_gantt conc-gantt ${gantt_sources})
add_dependencies(demos conc_gantt)
