/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/targets/compare.h"
#include "bench/targets/row.h"
#include "runtime/engine.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* Of one row, and of a comparison. */
enum { MS = 50, ROUNDS = 11, QUICK_MS = 20, QUICK_ROUNDS = 3, MOST_MS = 60000 };

static const char help[] =
    "usage: conc-targets ROW [--engine fibers|threads|pthread] [--ms N]\n"
    "       conc-targets --all [--quick] [--json FILE] [ROW...]\n"
    "       conc-targets --list\n"
    "\n"
    "The first form measures one row once, checks its result and prints its figure. For "
    "profiling:\n"
    "  perf record conc-targets unbuffered --engine fibers --ms 2000\n"
    "  --engine E  an engine of conc (fibers without it), or pthread: the textbook's version\n"
    "  --ms N      about how long the part that is timed takes; 50 without it\n"
    "The second compares rows, all or those named, with the textbook and Go; ./conc bench targets\n"
    "is this. 11 rounds of 50 ms; --quick: 3 of 20 ms. The third prints the rows.\n";

static int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "conc-targets: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return USAGE;
}

static bool is_named(const struct row *row, const char *name)
{
    return strcmp(row->id, name) == 0 || (row->group && strcmp(row->group, name) == 0);
}

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < rows_n; i++)
        if (is_named(&rows[i], name))
            return &rows[i];
    return NULL;
}

static int list(void)
{
    for (size_t i = 0; i < rows_n; i++)
        printf("%-22s %-5s  %s\n", rows[i].id, rows[i].unit ? rows[i].unit : "ns", rows[i].title);
    return DONE;
}

/* ---- one row ---- */

static int one(const struct row *row, const char *engine, int64_t ms)
{
    bool textbook = strcmp(engine, "pthread") == 0;
    if (textbook && !row->textbook)
        return refuse("%s: there is no textbook version of it", row->id);
    if (strcmp(engine, "threads") == 0 && row->fibers_only)
        return refuse("%s: not on threads, which would need one for each task", row->id);
    if (!textbook && strcmp(engine, "fibers") != 0 && strcmp(engine, "threads") != 0)
        return refuse("--engine: '%s': fibers, threads or pthread", engine);
    OK(conc_engine_select(textbook ? "threads" : engine));
    double figures[ROW_FIGURES];
    trial_run(row, engine, ms, figures);
    const struct row *first = row;
    for (; row < rows + rows_n && row_same_run(row, first); row++)
        printf("%s %.4f\n", row->id, figures[row - first]);
    return DONE;
}

static int main_one(int argc, char **argv)
{
    const struct row *row = NULL;
    const char *engine = "fibers";
    int64_t ms = MS;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--engine") == 0 && i + 1 < argc) {
            engine = argv[++i];
        } else if (strcmp(argv[i], "--ms") == 0 && i + 1 < argc) {
            char *end;
            ms = strtol(argv[++i], &end, 10);
            if (end == argv[i] || *end != '\0' || ms < 1 || ms > MOST_MS)
                return refuse("--ms: '%s': a number from 1 to %d is needed", argv[i], MOST_MS);
        } else if (argv[i][0] == '-') {
            return refuse("unexpected '%s': ROW, --engine E, --ms N or --help", argv[i]);
        } else if (row) {
            return refuse("'%s': one row, or --all before them", argv[i]);
        } else if (!(row = find(argv[i]))) {
            return refuse("no row '%s': conc-targets --list prints them", argv[i]);
        }
    }
    return row ? one(row, engine, ms) : refuse("a row is needed: conc-targets --list prints them");
}

/* ---- all ---- */

static int compare_all(struct measured *results, bool quick, const char *json)
{
    int rounds = quick ? QUICK_ROUNDS : ROUNDS;
    bool go = false;
    if (json && !json_writable(json))
        return USAGE;
    double load = 0;
    OK(conc_engine_select("threads")); /* for its clock, whatever CONC_ENGINE says */
    if (getloadavg(&load, 1) != 1)
        load = 0;
    bool good = rounds_run(results, rounds, quick ? QUICK_MS : MS, &go);
    table_print(results, rounds, go, load);
    if (good && json)
        good = json_write(results, json);
    return good ? DONE : FAILED;
}

static int main_all(int argc, char **argv)
{
    bool quick = false;
    bool some = false;
    const char *json = NULL;
    struct measured *results = calloc(rows_n, sizeof *results);
    int code = results ? DONE : FAILED;
    for (int i = 2; i < argc && code == DONE; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc && argv[i + 1][0] != '\0') {
            json = argv[++i];
        } else if (argv[i][0] == '-') {
            code = refuse("unexpected '%s': --quick, --json FILE or rows", argv[i]);
        } else if (!find(argv[i])) {
            code = refuse("no row '%s': conc-targets --list prints them", argv[i]);
        } else {
            some = true;
            for (size_t row = 0; row < rows_n; row++)
                results[row].wanted |= is_named(&rows[row], argv[i]);
        }
    }
    for (size_t row = 0; code == DONE && row < rows_n && !some; row++)
        results[row].wanted = true;
    /* One figure of a run, all figures: they come together. */
    for (size_t a = 0; code == DONE && a < rows_n; a++)
        for (size_t b = 0; b < rows_n && results[a].wanted; b++)
            results[b].wanted |= row_same_run(&rows[a], &rows[b]);
    if (code == DONE)
        code = compare_all(results, quick, json);
    free(results);
    return code;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return DONE;
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    return argc > 1 && strcmp(argv[1], "--all") == 0 ? main_all(argc, argv) : main_one(argc, argv);
}
