/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_MERGE_H
#define PLOTS_MERGE_H

/* results.json: all result files in one document, every round kept, with the statistics and the
 * verdicts that the report shows, for programs to read. */

#include "claims.h"
#include "results.h"

/* Writes the file. 0, or 1 after one line on stderr. */
int merge_write(
    const struct results *results, const struct answer *answers, size_t n, const char *path);

#endif
