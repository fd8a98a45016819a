/* SPDX-License-Identifier: MIT */

/* The gnuplot script of a chart. */

#include <string.h>

#include "chart.h"
#include "format.h"
#include "gnuplot.h"

static const char *colour(const struct chart *chart, size_t variant)
{
    static const char *const others[] = {
        COLOUR_GREEN, COLOUR_PURPLE, COLOUR_ORANGE, COLOUR_SKY, "#000000"};
    const char *name = chart->variants[variant];
    if (strcmp(name, "conc") == 0)
        return COLOUR_BLUE;
    if (strcmp(name, "pthread") == 0)
        return COLOUR_VERMILION;
    if (strcmp(name, chart->workload->baseline) == 0)
        return COLOUR_GREY;
    size_t order = 0;
    for (size_t i = 0; i < variant; i++)
        order += strcmp(chart->variants[i], "conc") != 0 &&
                 strcmp(chart->variants[i], "pthread") != 0 &&
                 strcmp(chart->variants[i], chart->workload->baseline) != 0;
    return others[order % (sizeof others / sizeof others[0])];
}

static int marker(size_t variant)
{
    static const int markers[] = {7, 5, 9, 13, 11, 15};
    return markers[variant % 6];
}

static void write_caption(struct chart *chart)
{
    FILE *out = chart->script;
    const struct pattern *p = chart->pattern;
    const struct machine *m = &p->machine;
    char line[600];
    snprintf(line, sizeof line, "%lld × %.150s%s, %.100s, %.60s, governor %.40s",
        (long long)m->cores, m->cpu, m->is_virtual ? " (virtual machine)" : "", m->kernel,
        m->compiler, m->governor != NULL ? m->governor : "unknown");
    fprintf(out, "set label 1 ");
    gnuplot_string(out, line);
    fprintf(out, " at screen 0.012, screen 0.055 font ',10' textcolor rgb '#555555'\n");
    snprintf(line, sizeof line,
        "commit %.60s, %.30s engine, %.30s; %.10s run; medians with 95 %% intervals", p->commit,
        p->engine, p->date, p->mode);
    fprintf(out, "set label 2 ");
    gnuplot_string(out, line);
    fprintf(out, " at screen 0.012, screen 0.022 font ',10' textcolor rgb '#555555'\n");
}

static void write_frame(struct chart *chart)
{
    FILE *out = chart->script;
    char title[400];
    snprintf(title, sizeof title, "%.100s: %.200s%s", chart->pattern->title, chart->workload->title,
        chart->kind == CHART_COST ? ", cost" : "");
    fprintf(out, "reset\nset encoding utf8\nset label 3 ");
    gnuplot_string(out, title);
    fprintf(out, " at screen 0.5, screen 0.955 center font ',15'\n"
                 "set key at screen 0.5, screen 0.915 center top horizontal samplen 2\n"
                 "set border 3 linecolor rgb '#444444'\n"
                 "set grid ytics linecolor rgb '#dddddd' linetype 1\n"
                 "set tmargin 5\nset bmargin 7\nset ytics nomirror\n");
    write_caption(chart);
    chart_write_y_axis(chart);
    if (chart->kind == CHART_SPEEDUP)
        fprintf(out, "set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead "
                     "linecolor rgb '#666666' linewidth 1 front\n");
}

/* Lines over a sweep. */
static void write_lines(struct chart *chart, const char *name)
{
    FILE *out = chart->script;
    char label[FORMAT_SIZE];
    fprintf(out, "set xlabel ");
    gnuplot_string(out, format_sweep(label, chart->workload->sweep));
    fprintf(out, "\nset xrange [-0.03:1.03]\n");
    chart_write_x_tics(chart);

    fprintf(out, "plot ");
    const char *comma = "";
    if (chart_has_ideal(chart)) {
        fprintf(out,
            "'%s.dat' index %d using 2:3 with lines linewidth 1.5 dashtype (9, 6) linecolor rgb "
            "'#888888' title 'ideal'",
            name, chart_write_ideal(chart));
        comma = ", \\\n     ";
    }
    for (size_t v = 0; v < chart->n_variants; v++) {
        int block = chart_is_drawn(chart, chart->variants[v]) ? chart_write_values(chart, v) : -1;
        if (block < 0)
            continue;
        fprintf(out,
            "%s'%s.dat' index %d using 2:3 with lines linewidth 2 linecolor rgb '%s' notitle",
            comma, name, block, colour(chart, v));
        fprintf(out,
            ", \\\n     '' index %d using 2:3:4:5 with yerrorbars pointtype %d pointsize 0.9 "
            "linewidth 1.5 linecolor rgb '%s' title ",
            block, marker(v), colour(chart, v));
        gnuplot_string(out, chart->variants[v]);
        comma = ", \\\n     ";
    }
}

/* Bars, one a variant, for a workload without a sweep. */
static void write_bars(struct chart *chart, const char *name)
{
    FILE *out = chart->script;
    const struct workload *w = chart->workload;
    fprintf(out, "set xlabel 'variant'\nset boxwidth 0.6\nset style fill solid 0.85 noborder\n"
                 "set key off\nset xtics (");
    double first = -1;
    double last = 0;
    for (size_t v = 0; v < chart->n_variants; v++) {
        if (!chart_is_drawn(chart, chart->variants[v]))
            continue;
        fprintf(out, "%s", first >= 0 ? ", " : "");
        gnuplot_string(out, chart->variants[v]);
        fprintf(out, " %zu", v);
        first = first < 0 ? (double)v : first;
        last = (double)v;
    }
    fprintf(out, ") nomirror\nset xrange [%g:%g]\nplot ", first - 0.8, last + 0.8);
    const char *comma = "";
    for (size_t v = 0; v < chart->n_variants; v++) {
        const struct measured *c = results_find(w, chart->variants[v], w->points[0]);
        struct interval value;
        if (!chart_is_drawn(chart, chart->variants[v]) || !chart_value_of(chart, c, &value))
            continue;
        char text[FORMAT_SIZE];
        if (chart->kind == CHART_COST)
            format_time(text, value.value * chart->unit);
        else
            format_ratio(text, value.value);
        int block = chart_begin_block(
            chart, chart->variants[v], "variant's number, median, low, high, median in words");
        fprintf(chart->data, "%zu %.6g %.6g %.6g \"%s\"\n", v, value.value, value.low, value.high,
            text);
        fprintf(out,
            "%s'%s.dat' index %d using 1:2 with boxes linecolor rgb '%s', \\\n"
            "     '' index %d using 1:3:(0):($4-$3) with vectors heads size screen 0.006,90 "
            "linewidth 1.5 linecolor rgb '#222222', \\\n"
            "     '' index %d using 1:4:5 with labels offset 0, 0.8 textcolor rgb '#222222'",
            comma, name, block, colour(chart, v), block, block);
        comma = ", \\\n     ";
    }
}

void chart_write_script(struct chart *chart, const char *name)
{
    FILE *out = chart->script;
    fprintf(out, "# Draws ../charts/%s.svg and .png; run it in this directory: gnuplot %s.gp\n",
        name, name);
    write_frame(chart);
    fprintf(out,
        "set terminal svg size 960,560 dynamic noenhanced font 'sans,13' background '#ffffff'\n"
        "set output '../charts/%s.svg'\n",
        name);
    if (chart->workload->sweep != NULL)
        write_lines(chart, name);
    else
        write_bars(chart, name);
    int outliers = chart_write_outliers(chart);
    if (outliers >= 0)
        fprintf(out,
            ", \\\n     '%s.dat' index %d using 2:3 with points pointtype 2 pointsize 0.6 "
            "linecolor rgb '#444444' title 'outlying round'",
            name, outliers);
    fprintf(out,
        "\nset terminal pngcairo size 960,560 noenhanced font 'sans,11' background '#ffffff'\n"
        "set output '../charts/%s.png'\nreplot\nunset output\n",
        name);
}
