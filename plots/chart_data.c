/* SPDX-License-Identifier: MIT */

/* The numbers of a chart, in blocks. */

#include <math.h>

#include "chart.h"

enum { IDEAL_STEPS = 80 };

/* Opens a block; gnuplot tells blocks apart by two empty lines. */
int chart_begin_block(struct chart *chart, const char *title, const char *columns)
{
    fprintf(chart->data, "%s# %s\n# %s\n", chart->blocks > 0 ? "\n\n" : "", title, columns);
    return chart->blocks++;
}

/* Variants stand side by side, so that error bars do not hide each other. */
static double shift(const struct chart *chart, size_t variant)
{
    double before = 0;
    double drawn = 0;
    for (size_t v = 0; v < chart->n_variants; v++) {
        before += v < variant && chart_is_drawn(chart, chart->variants[v]);
        drawn += chart_is_drawn(chart, chart->variants[v]);
    }
    return (before - (drawn - 1) / 2) * 0.006;
}

/* Writes the values of a variant over the sweep. The block's number, or -1 when it would be empty.
 */
int chart_write_values(struct chart *chart, size_t variant)
{
    const struct workload *w = chart->workload;
    int block = -1;
    for (size_t i = 0; i < w->n_points; i++) {
        const struct measured *c = results_find(w, chart->variants[variant], w->points[i]);
        struct interval value;
        if (!chart_value_of(chart, c, &value))
            continue;
        if (block < 0)
            block = chart_begin_block(
                chart, chart->variants[variant], "point, place on the axis, median, low, high");
        fprintf(chart->data, "%lld %.6f %.6g %.6g %.6g\n", (long long)w->points[i],
            chart_place(chart, (double)w->points[i]) + shift(chart, variant), value.value,
            value.low, value.high);
    }
    return block;
}

int chart_write_outliers(struct chart *chart)
{
    const struct workload *w = chart->workload;
    int block = -1;
    for (size_t v = 0; v < chart->n_variants; v++)
        for (size_t i = 0; chart_is_drawn(chart, chart->variants[v]) && i < w->n_points; i++) {
            const struct measured *c = results_find(w, chart->variants[v], w->points[i]);
            struct interval value;
            if (!chart_value_of(chart, c, &value))
                continue;
            for (size_t j = 0; j < c->n; j++) {
                if (!chart_is_outlier(c, c->rounds[j]))
                    continue;
                if (block < 0)
                    block = chart_begin_block(
                        chart, "rounds that are outliers", "point, place on the axis, value");
                double x = w->sweep == NULL
                               ? (double)v
                               : chart_place(chart, (double)w->points[i]) + shift(chart, v);
                fprintf(chart->data, "%lld %.6f %.6g\n", (long long)w->points[i], x,
                    chart_value_of_round(chart, c, c->rounds[j]));
            }
        }
    return block;
}

/* A straight line on one kind of axis is a curve on another, so it is drawn in many steps. */
int chart_write_ideal(struct chart *chart)
{
    const struct workload *w = chart->workload;
    double first = chart_axis(chart, (double)w->points[0]);
    double last = chart_axis(chart, (double)w->points[w->n_points - 1]);
    int block = chart_begin_block(chart, "ideal", "point, place on the axis, speedup");
    for (int i = 0; i <= IDEAL_STEPS; i++) {
        double at = first + (last - first) * i / IDEAL_STEPS;
        double point = chart->logarithmic_x ? exp(at) : at;
        fprintf(chart->data, "%.6g %.6f %.6g\n", point, (double)i / IDEAL_STEPS,
            chart_ideal_at(
                chart, chart_sweeps_workers(chart) ? point : chart_fixed_workers(chart)));
    }
    return block;
}
