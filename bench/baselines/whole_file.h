/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_WHOLE_FILE_H
#define BENCH_BASELINES_WHOLE_FILE_H

/*
 * A result file: there is the old one, or none, until the new one is complete. It is written beside
 * its place, and then put into it; the file that a symbolic link leads to is replaced and not the
 * link. A pipe or a device cannot be replaced: it is written to.
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the file could be written, to be asked before the work: 0, or the code of errno. */
int whole_file_check(const char *path);

/* Writes it: 0, or the code of errno. */
int whole_file_write(const char *path, const char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
