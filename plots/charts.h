/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_CHARTS_H
#define PLOTS_CHARTS_H

/*
 * The charts: for each workload its speedup over the baseline and, where the question is what one
 * operation costs, that cost too. Each is an SVG and a PNG in charts/, and beside them in data/ the
 * numbers and the gnuplot script that drew it, to be run again with `gnuplot NAME.gp`.
 */

#include "results.h"

enum chart_kind { CHART_SPEEDUP, CHART_COST };

enum { CHART_NAME_SIZE = 160 };

/* Whether there is anything to draw. */
bool charts_has(const struct workload *workload, enum chart_kind kind);

/* The file name of a chart, without directory and ending. */
const char *charts_name(char name[CHART_NAME_SIZE], const struct results *results,
    const struct pattern *pattern, const struct workload *workload, enum chart_kind kind);

/* Draws all charts into dir/charts and dir/data, which exist. 0; 77: there is no gnuplot; 1: a file
 * could not be written or gnuplot failed. In the last two cases one line has gone to stderr. */
int charts_write(const struct results *results, const char *dir);

#endif
