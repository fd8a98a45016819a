/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_CHART_H
#define PLOTS_CHART_H

/* One chart while it is being drawn: what charts.c and the chart_*.c files share. */

#include <stdio.h>

#include "charts.h"

enum { CHART_VARIANTS = 12 };

/* Places on the x axis are ours: gnuplot sees an axis from 0 to 1 with labels, so that a sweep over
 * decades, one with a zero in it and one without numbers look alike. */
struct chart {
    const struct pattern *pattern;
    const struct workload *workload;
    enum chart_kind kind;
    const char *variants[CHART_VARIANTS]; /* in the order of the file */
    size_t n_variants;
    bool logarithmic_x;
    bool logarithmic_y;
    double low; /* of all that is drawn, intervals and outliers included */
    double high;
    double unit; /* nanoseconds of one unit of the y axis, for a cost */
    FILE *data;
    FILE *script;
    int blocks; /* written to data so far */
};

/* ---- chart_values.c: what is drawn ---- */

/* Fills in the variants, and the range of all that is drawn. */
void chart_find_variants(struct chart *chart);
void chart_find_range(struct chart *chart);

/* The value of a case in this chart, with its interval; false: the case has none. */
bool chart_value_of(const struct chart *chart, const struct measured *c, struct interval *value);

/* What one round would have been in this chart. */
double chart_value_of_round(const struct chart *chart, const struct measured *c, double round);

bool chart_is_outlier(const struct measured *c, double round);

/* Whether a variant is drawn. In a chart of speedups the baseline is the line at 1. */
bool chart_is_drawn(const struct chart *chart, const char *variant);

/* The best possible speedup, for workloads that have one. */
bool chart_has_ideal(const struct chart *chart);
double chart_ideal_at(const struct chart *chart, double workers);

bool chart_sweeps_workers(const struct chart *chart);

/* Workers of a workload that does not sweep over them. */
double chart_fixed_workers(const struct chart *chart);

/* ---- chart_axes.c ---- */

/* A point as the axis measures it, and its place on it from 0 to 1. */
double chart_axis(const struct chart *chart, double point);
double chart_place(const struct chart *chart, double point);

void chart_write_x_tics(struct chart *chart);
void chart_write_y_axis(struct chart *chart);

/* ---- chart_data.c: blocks of numbers ---- */

/* Opens a block and gives its number, by which a script refers to it. */
int chart_begin_block(struct chart *chart, const char *title, const char *columns);

/* Each writes a block. The block's number, or -1: there was nothing to write. */
int chart_write_values(struct chart *chart, size_t variant);
int chart_write_outliers(struct chart *chart);
int chart_write_ideal(struct chart *chart);

/* ---- chart_script.c ---- */

/* Writes the script of the chart called `name`, and its data with it. */
void chart_write_script(struct chart *chart, const char *name);

#endif
