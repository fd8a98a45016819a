/* SPDX-License-Identifier: MIT */

/* The axes of a chart: places, labels, ranges. */

#include <math.h>
#include <string.h>

#include "chart.h"
#include "format.h"
#include "gnuplot.h"

/* A point as the axis measures it. On a logarithmic axis zero lies one step before the first. */
double chart_axis(const struct chart *chart, double point)
{
    if (!chart->logarithmic_x)
        return point;
    if (point > 0)
        return log(point);
    const int64_t *points = chart->workload->points;
    return 2 * log((double)points[1]) - log((double)points[2]);
}

/* The place of a point, from 0 to 1. */
double chart_place(const struct chart *chart, double point)
{
    const struct workload *w = chart->workload;
    double first = chart_axis(chart, (double)w->points[0]);
    double last = chart_axis(chart, (double)w->points[w->n_points - 1]);
    return last > first ? (chart_axis(chart, point) - first) / (last - first) : 0.5;
}

/* Labels the points, leaving out those that would run into the one before. */
void chart_write_x_tics(struct chart *chart)
{
    const struct workload *w = chart->workload;
    double free_from = -1;
    fprintf(chart->script, "set xtics (");
    for (size_t i = 0; i < w->n_points; i++) {
        char label[FORMAT_SIZE];
        double x = chart_place(chart, (double)w->points[i]);
        format_point(label, w->sweep, w->points[i]);
        double half = 0.006 * (double)strlen(label) + 0.004;
        if (x - half < free_from)
            label[0] = '\0';
        else
            free_from = x + half;
        fprintf(chart->script, "%s'%s' %.6f", i > 0 ? ", " : "", label, x);
    }
    fprintf(chart->script, ") nomirror\n");
}

void chart_write_y_axis(struct chart *chart)
{
    FILE *out = chart->script;
    const struct workload *w = chart->workload;
    char label[300];
    if (chart->kind == CHART_SPEEDUP)
        snprintf(label, sizeof label, "speedup: times as fast as %s", w->baseline);
    else if (chart->logarithmic_y)
        snprintf(label, sizeof label, "time per %s", w->unit);
    else
        snprintf(label, sizeof label, "time per %s (%s)", w->unit,
            chart->unit >= 1e6   ? "ms"
            : chart->unit >= 1e3 ? "µs"
                                 : "ns");
    fprintf(out, "set ylabel ");
    gnuplot_string(out, label);
    fputc('\n', out);
    if (!chart->logarithmic_y) {
        fprintf(out, "set yrange [0:%g]\n", chart->high * 1.12);
        return;
    }

    /* One, two and five of every decade, or the decades alone where there are many. */
    double low = chart->low / 1.5;
    double high = chart->high * 1.5;
    bool decades_only = high / low > 2e4;
    fprintf(out, "set logscale y\nset yrange [%g:%g]\nset ytics (", low, high);
    const char *comma = "";
    for (double decade = pow(10, floor(log10(low))); decade <= high; decade *= 10)
        for (int step = 1; step <= (decades_only ? 1 : 5); step += step == 1 ? 1 : 3) {
            double value = decade * step;
            if (value < low || value > high)
                continue;
            char text[FORMAT_SIZE];
            if (chart->kind == CHART_COST)
                format_point(text, "_cost_ns", (int64_t)llround(value * chart->unit));
            else
                snprintf(text, sizeof text, "%g", value);
            fprintf(out, "%s'%s' %g", comma, text, value);
            comma = ", ";
        }
    fprintf(out, ")\n");
}
