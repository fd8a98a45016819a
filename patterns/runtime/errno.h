/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_ERRNO_H
#define CONC_RUNTIME_ERRNO_H

/*
 * errno, looked up at each use. The C library says of the function behind errno that it always
 * returns the same, so a compiler calls it once in a function and keeps the address. But a task may
 * go on on another thread whenever it has waited, and would write into the errno of the old one.
 */

#include <errno.h>

#if defined(__GLIBC__)
int *conc_errno_location(void) __asm__("__errno_location");
#define conc_errno (*conc_errno_location())
#else
#define conc_errno errno
#endif

#endif
