# SPDX-License-Identifier: MIT
# cmake --install: libconc.a, libconc.so, the headers, conc.pc and a CMake package.

set_target_properties(conc PROPERTIES EXPORT_NAME conc_static)
set_target_properties(conc_shared PROPERTIES EXPORT_NAME conc)
install(TARGETS conc conc_shared EXPORT conc_targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

set(CONC_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/conc)
install(EXPORT conc_targets NAMESPACE conc:: DESTINATION ${CONC_PACKAGE_DIR})
configure_package_config_file(cmake/conc-config.cmake.in ${PROJECT_BINARY_DIR}/conc-config.cmake
    INSTALL_DESTINATION ${CONC_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/conc-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/conc-config.cmake ${PROJECT_BINARY_DIR}/conc-config-version.cmake
    DESTINATION ${CONC_PACKAGE_DIR})

# Relative to where conc.pc lies, so that an installed tree may be moved and DESTDIR needs no care.
file(RELATIVE_PATH CONC_PC_PREFIX
    /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/conc.pc.in ${PROJECT_BINARY_DIR}/conc.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/conc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# In the tree a header says "sync/chan.h", with patterns/ as the include root. Installed, that would
# need a second -I, and a program's own sync/ or runtime/ directory could come first. So installing
# turns every include of ours into <conc/sync/chan.h>, and one -I is enough.
install(CODE "
    set(CONC_HEADER_ROOTS [[${PROJECT_SOURCE_DIR}/patterns;${CONC_GENERATED}]])
    set(CONC_HEADER_DESTINATION [[${CMAKE_INSTALL_INCLUDEDIR}/conc]])")
install(SCRIPT cmake/install_headers.cmake)
