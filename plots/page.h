/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_PAGE_H
#define PLOTS_PAGE_H

/* The report as a page: written as Markdown, which is kept in data/index.md, turned into HTML by
 * md4c and put into a template that needs no other file but the charts. */

#include <stdbool.h>

#include "claims.h"
#include "results.h"

/* Writes dir/index.html and dir/data/index.md; `pitfalls`: there is a pitfalls.html beside it. 0,
 * or 1 after one line on stderr. */
int page_write(const struct results *results, const struct answer *answers, size_t n, bool pitfalls,
    const char *dir);

/* Writes dir/pitfalls.html from the scoreboard of the pitfalls, a Markdown file (./conc pitfall
 * verify --scoreboard). 0, or 1 after one line on stderr. */
int page_write_pitfalls(const char *scoreboard, const char *dir);

#endif
