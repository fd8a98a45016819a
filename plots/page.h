/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_PAGE_H
#define PLOTS_PAGE_H

/* The report as a page: written as Markdown, which is kept in data/index.md, turned into HTML by
 * md4c and put into a template that needs no other file but the charts. */

#include "claims.h"
#include "results.h"

/* Writes dir/index.html and dir/data/index.md. 0, or 1 after one line on stderr. */
int page_write(
    const struct results *results, const struct answer *answers, size_t n, const char *dir);

#endif
