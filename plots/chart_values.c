/* SPDX-License-Identifier: MIT */

/* What a chart shows: speedups or costs, of which variants, in what range. */

#include <math.h>
#include <string.h>

#include "chart.h"

/* The value of a case in this chart, with its interval; false: the case has none. */
bool chart_value_of(const struct chart *chart, const struct measured *c, struct interval *value)
{
    if (c == NULL || !c->usable)
        return false;
    if (chart->kind == CHART_COST) {
        *value = (struct interval){c->cost.median, c->cost.low, c->cost.high};
    } else {
        if (!c->has_speedup)
            return false;
        *value = c->speedup;
    }
    value->value /= chart->unit;
    value->low /= chart->unit;
    value->high /= chart->unit;
    return true;
}

/* What one round would have been in this chart. */
double chart_value_of_round(const struct chart *chart, const struct measured *c, double round)
{
    if (chart->kind == CHART_COST)
        return round / chart->unit;
    return c->speedup.value * c->cost.median / round;
}

bool chart_is_outlier(const struct measured *c, double round)
{
    return round < c->cost.fence_low || round > c->cost.fence_high;
}

/* In a chart of speedups the baseline is the line at 1. */
bool chart_is_drawn(const struct chart *chart, const char *variant)
{
    return chart->kind == CHART_COST || strcmp(variant, chart->workload->baseline) != 0;
}

void chart_find_variants(struct chart *chart)
{
    const struct workload *w = chart->workload;
    for (size_t i = 0; i < w->n_cases; i++) {
        size_t j = 0;
        while (j < chart->n_variants && strcmp(chart->variants[j], w->cases[i].variant) != 0)
            j++;
        if (j == chart->n_variants && j < CHART_VARIANTS)
            chart->variants[chart->n_variants++] = w->cases[i].variant;
    }
}

static void include(struct chart *chart, double value)
{
    if (value > 0 && value < chart->low)
        chart->low = value;
    if (value > chart->high)
        chart->high = value;
}

double chart_ideal_at(const struct chart *chart, double workers)
{
    double cores = (double)chart->pattern->machine.cores;
    return chart->workload->kind == KIND_CPU && workers > cores ? cores : workers;
}

bool chart_has_ideal(const struct chart *chart)
{
    return chart->kind == CHART_SPEEDUP && chart->workload->kind != KIND_MESSAGE;
}

bool chart_sweeps_workers(const struct chart *chart)
{
    return chart->workload->sweep != NULL && strcmp(chart->workload->sweep, "workers") == 0;
}

/* Workers of a workload that does not sweep over them. */
double chart_fixed_workers(const struct chart *chart)
{
    double most = 1;
    for (size_t i = 0; i < chart->workload->n_cases; i++)
        if ((double)chart->workload->cases[i].workers > most)
            most = (double)chart->workload->cases[i].workers;
    return most;
}

void chart_find_range(struct chart *chart)
{
    const struct workload *w = chart->workload;
    chart->low = INFINITY;
    chart->high = 0;
    for (size_t i = 0; i < w->n_cases; i++) {
        const struct measured *c = &w->cases[i];
        struct interval value;
        if (!chart_is_drawn(chart, c->variant) || !chart_value_of(chart, c, &value))
            continue;
        include(chart, value.low);
        include(chart, value.high);
        for (size_t j = 0; j < c->n; j++)
            if (chart_is_outlier(c, c->rounds[j]))
                include(chart, chart_value_of_round(chart, c, c->rounds[j]));
    }
    if (chart->kind == CHART_SPEEDUP)
        include(chart, 1);
    if (chart_has_ideal(chart))
        include(chart, chart_sweeps_workers(chart)
                           ? chart_ideal_at(chart, (double)w->points[w->n_points - 1])
                           : chart_ideal_at(chart, chart_fixed_workers(chart)));
    chart->logarithmic_y = chart->high / chart->low >= 20;
    const int64_t *points = w->points;
    double first = (double)(points[0] > 0 || w->n_points == 1 ? points[0] : points[1]);
    chart->logarithmic_x = (double)points[w->n_points - 1] >= 10 * first && w->n_points > 2;
}
