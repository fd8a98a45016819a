/* SPDX-License-Identifier: MIT */

/* conc-gantt TRACE.json OUT.svg: draws a trace, one row a task, in the order in which they began.
 */

#include "gantt.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gnuplot.h"

enum { MOST_ROWS = 40, MOST_SLICES = 5000, PATH_SIZE = 600, LONGEST_OUT = 400 };

static size_t rows_drawn(const struct gantt *g)
{
    return g->n_rows < MOST_ROWS ? g->n_rows : MOST_ROWS;
}

/* Slices of one kind, as boxes. Where a trace has more slices than a picture has room for, those
 * closer than two pixels are drawn as one. Returns how many boxes were written. */
static size_t write_boxes(const struct gantt *g, FILE *out, bool waiting)
{
    size_t all = 0;
    size_t written = 0;
    for (size_t i = 0; i < rows_drawn(g); i++)
        all += g->rows[i].n;
    double gap = all > MOST_SLICES ? (g->end - g->begin) / 600 : 0;
    double half = waiting ? 0.09 : 0.36;
    fprintf(out, "# milliseconds, row, begin, end, low, high\n");
    for (size_t i = 0; i < rows_drawn(g); i++) {
        const struct row *row = &g->rows[i];
        for (size_t j = 0; j < row->n; j++) {
            if (row->slices[j].waiting != waiting)
                continue;
            double begin = row->slices[j].begin;
            double end = row->slices[j].end;
            while (gap > 0 && j + 1 < row->n && row->slices[j + 1].begin - end < gap) {
                j++;
                if (row->slices[j].waiting == waiting)
                    end = fmax(end, row->slices[j].end);
                else if (row->slices[j].end - row->slices[j].begin >= gap)
                    break;
            }
            begin = (begin - g->begin) / 1000;
            end = (end - g->begin) / 1000;
            fprintf(out, "%.6f %zu %.6f %.6f %.2f %.2f\n", begin, i, begin, end, (double)i - half,
                (double)i + half);
            written++;
        }
    }
    return written;
}

/* Several tasks may run the same function and so have the same name: their numbers tell them apart.
 */
static void write_names(const struct gantt *g, FILE *out)
{
    fprintf(out, "set ytics (");
    for (size_t i = 0; i < rows_drawn(g); i++) {
        const struct row *row = &g->rows[i];
        bool twice = row->name == NULL;
        for (size_t j = 0; !twice && j < g->n_rows; j++)
            twice = j != i && g->rows[j].name != NULL && strcmp(g->rows[j].name, row->name) == 0;
        char label[64];
        if (row->name == NULL)
            snprintf(label, sizeof label, "task %lld", (long long)row->tid);
        else if (twice)
            snprintf(label, sizeof label, "%.31s %lld", row->name, (long long)row->tid);
        else
            snprintf(label, sizeof label, "%.31s", row->name);
        fprintf(out, "%s", i > 0 ? ", " : "");
        gnuplot_string(out, label);
        fprintf(out, " %zu", i);
    }
    fprintf(out, ") nomirror scale 0\n");
}

static void write_script(const struct gantt *g, FILE *out, bool png, bool runs, bool waits)
{
    size_t rows = rows_drawn(g);
    double height = 150 + 22 * (double)rows;
    char title[200];
    double span = (g->end - g->begin) / 1000;
    if (rows < g->n_rows)
        snprintf(title, sizeof title, "Tasks over time: the first %zu of %zu tasks, %.*f ms", rows,
            g->n_rows, span < 10 ? 2 : 0, span);
    else
        snprintf(title, sizeof title, "Tasks over time: %zu task%s, %.*f ms", rows,
            rows == 1 ? "" : "s", span < 10 ? 2 : 0, span);
    fprintf(out,
        "set encoding utf8\nset terminal %s size 1100,%.0f noenhanced font 'sans,%d' "
        "background '#ffffff'\nset output 'chart'\n",
        png ? "pngcairo" : "svg", height, png ? 11 : 13);
    fprintf(out, "set label 1 ");
    gnuplot_string(out, title);
    fprintf(out,
        " at screen 0.5, screen %.4f center font ',15'\n"
        "set key at screen 0.5, screen %.4f center center horizontal samplen 2\n"
        "set tmargin at screen %.4f\nset bmargin at screen %.4f\n",
        1 - 24 / height, 1 - 54 / height, 1 - 74 / height, 60 / height);
    fprintf(out,
        "set border 1 linecolor rgb '#444444'\n"
        "set grid xtics linecolor rgb '#dddddd' linetype 1\nset xtics nomirror\n"
        "set xlabel 'time (ms)'\nset xrange [0:%.6f]\nset yrange [%.1f:-0.6]\n",
        span > 0 ? span * 1.01 : 1, (double)rows - 0.4);
    write_names(g, out);
    fprintf(out, "plot ");
    if (waits)
        fprintf(out,
            "'wait' using 1:2:3:4:5:6 with boxxyerror fill solid 1 noborder linecolor rgb '%s' "
            "title 'waiting'",
            COLOUR_LIGHT_ORANGE);
    if (runs)
        fprintf(out,
            "%s'run' using 1:2:3:4:5:6 with boxxyerror fill solid 1 border linewidth 0.6 "
            "linecolor rgb '%s' title 'running'",
            waits ? ", \\\n     " : "", COLOUR_BLUE);
    fprintf(out, "\nunset output\n");
}

static FILE *open_in(const char *dir, const char *name)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%.500s/%s", dir, name);
    return fopen(path, "we");
}

static int close_whole(FILE *file)
{
    int rc = ferror(file) != 0;
    return fclose(file) != 0 || rc;
}

/* Writes what gnuplot needs into the work directory. 0, or not 0 when a file cannot be written. */
static int write_inputs(const struct gantt *g, const char *work, bool png)
{
    FILE *run = open_in(work, "run");
    FILE *wait = open_in(work, "wait");
    FILE *script = open_in(work, "script");
    int rc = run == NULL || wait == NULL || script == NULL;
    if (rc == 0) {
        bool runs = write_boxes(g, run, false) > 0;
        bool waits = write_boxes(g, wait, true) > 0;
        write_script(g, script, png, runs, waits);
    }
    rc |= run != NULL && close_whole(run) != 0;
    rc |= wait != NULL && close_whole(wait) != 0;
    rc |= script != NULL && close_whole(script) != 0;
    return rc;
}

/* The picture is made in a directory of its own beside the target and renamed when it is whole. */
static int draw(const struct gantt *g, const char *out, bool png)
{
    char work[PATH_SIZE];
    const char *slash = strrchr(out, '/');
    snprintf(
        work, sizeof work, "%.*s.gantt-XXXXXX", slash != NULL ? (int)(slash - out + 1) : 0, out);
    if (mkdtemp(work) == NULL) {
        fprintf(stderr, "conc-gantt: cannot write %s: %s\n", out, strerror(errno));
        return 1;
    }
    char chart[PATH_SIZE];
    char log[PATH_SIZE];
    snprintf(chart, sizeof chart, "%.500s/chart", work);
    snprintf(log, sizeof log, "%.500s/log", work);
    char *argv[] = {(char[]){"gnuplot"}, (char[]){"script"}, NULL};
    int rc = write_inputs(g, work, png);
    if (rc != 0)
        fprintf(stderr, "conc-gantt: cannot write into %s\n", work);
    if (rc == 0)
        rc = gnuplot_run("conc-gantt", work, log, argv);
    if (rc == 0 && rename(chart, out) != 0) {
        fprintf(stderr, "conc-gantt: cannot write %s: %s\n", out, strerror(errno));
        rc = 1;
    }

    static const char *const left[] = {"run", "wait", "script", "log", "chart"};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%.500s/%s", work, left[i]);
        unlink(path);
    }
    rmdir(work);
    return rc;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text);
    size_t tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts(
            "usage: conc-gantt TRACE.json OUT.svg\n"
            "\n"
            "Draws a trace (--trace FILE of a demo) as a chart of tasks over time. OUT may end in\n"
            ".svg or .png.\n"
            "\n"
            "exit code: 0 done, 1 the trace is bad or OUT cannot be written, 2 bad usage,\n"
            "77 no gnuplot");
        return 0;
    }
    if (argc != 3 || argv[1][0] == '-') {
        fprintf(stderr, "conc-gantt: usage: conc-gantt TRACE.json OUT.svg\n");
        return 2;
    }
    bool png = ends_with(argv[2], ".png");
    if ((!png && !ends_with(argv[2], ".svg")) || strlen(argv[2]) > LONGEST_OUT) {
        fprintf(stderr,
            "conc-gantt: '%s' must end in .svg or .png and have at most %d characters\n", argv[2],
            LONGEST_OUT);
        return 2;
    }

    struct gantt g = {.file = argv[1]};
    int rc = gantt_read(&g);
    if (rc == 0)
        rc = draw(&g, argv[2], png);
    gantt_free(&g);
    return rc;
}
