# SPDX-License-Identifier: MIT
# Runs at install time. Copies the headers below CONC_HEADER_ROOTS to CONC_HEADER_DESTINATION and turns
# #include "name.h" into #include <conc/name.h>. What only libconc's own sources share is called
# something_internal.h or runtime/fiber_something.h and stays at home.

set(destination ${CONC_HEADER_DESTINATION})
if(NOT IS_ABSOLUTE "${destination}")
    set(destination ${CMAKE_INSTALL_PREFIX}/${destination})
endif()

foreach(root IN LISTS CONC_HEADER_ROOTS)
    file(GLOB headers RELATIVE ${root} ${root}/*.h ${root}/sync/*.h ${root}/runtime/*.h)
    list(FILTER headers EXCLUDE REGEX "(_internal|^runtime/fiber_[a-z]+)[.]h$")
    foreach(header IN LISTS headers)
        file(READ ${root}/${header} text)
        string(REGEX REPLACE "(#[ \t]*include[ \t]+)\"([^\"\n]+)\"" "\\1<conc/\\2>" text "${text}")
        set(installed $ENV{DESTDIR}${destination}/${header})
        set(old "")
        if(EXISTS ${installed})
            file(READ ${installed} old)
        endif()
        if(text STREQUAL old)
            message(STATUS "Up-to-date: ${installed}")
        else()
            message(STATUS "Installing: ${installed}")
            file(WRITE ${installed} "${text}")
        endif()
        list(APPEND CMAKE_INSTALL_MANIFEST_FILES ${destination}/${header})
    endforeach()
endforeach()
