/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_PAGE_PARTS_H
#define PLOTS_PAGE_PARTS_H

/* The parts of the page, as Markdown, and the words they are made of. */

#include <stdio.h>

#include "claims.h"
#include "results.h"

/* ---- page_words.c ---- */

/* Text as it is: what Markdown or HTML would take for a sign of their own is escaped. */
void page_put(FILE *out, const char *text);

/* A coloured word. */
void page_put_tag(FILE *out, const char *class, const char *text);

/* A value and its interval. */
void page_put_ratio(FILE *out, const struct interval *value);
void page_put_time(FILE *out, double value, double low, double high);

/* ---- page_claims.c, page_machine.c, page_patterns.c ---- */

void page_put_claims(
    FILE *out, const struct results *results, const struct answer *answers, size_t n);
void page_put_machine(FILE *out, const struct results *results);
void page_put_patterns(FILE *out, const struct results *results);

#endif
