/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_RESULTS_H
#define PLOTS_RESULTS_H

/*
 * The result files of the benchmark programs, read, checked and given statistics. plots/ knows
 * nothing else of the project: the format ("conc-bench-1") is the whole interface.
 *
 * Strings belong to the JSON documents, which live until results_free.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "stats.h"

struct machine {
    const char *cpu;
    int64_t cores;
    bool is_virtual;
    const char *kernel;
    const char *compiler;
    const char *governor; /* NULL: not known */
    double load;          /* before the run; negative: not known */
};

/* One variant at one point. */
struct measured {
    const char *variant;
    bool once; /* the same for all points */
    int64_t point;
    int64_t workers;
    int64_t items;
    const char *check; /* "ok", or what was wrong */
    bool usable;       /* the check passed and there are rounds */
    double *rounds;    /* nanoseconds per item, of each round */
    size_t n;
    struct summary cost;     /* of the rounds: nanoseconds per item; when usable */
    bool has_speedup;        /* the baseline was measured and is usable */
    struct interval speedup; /* over the baseline at the same point */
};

/* Where a workload answers a claim. */
struct claim_use {
    const char *id;
    int64_t at;
    const char *variant;
    const char *baseline;
};

enum kind { KIND_CPU, KIND_WAIT, KIND_MESSAGE };

struct workload {
    const char *name;
    const char *title;
    const char *note; /* NULL: none */
    enum kind kind;
    const char *unit;
    const char *sweep; /* NULL: a single point */
    const char *baseline;
    const char *crossover; /* ids of claims; NULL: none */
    struct measured *cases;
    size_t n_cases;
    struct claim_use *claims;
    size_t n_claims;
    int64_t *points; /* ascending, all that were measured */
    size_t n_points;
};

struct pattern {
    int number;
    const char *slug;
    const char *title;
    const char *date;
    const char *commit;
    const char *engine;
    const char *mode; /* "full", "quick" or "smoke" */
    int64_t rounds_wanted;
    struct machine machine;
    struct workload *workloads;
    size_t n_workloads;
    json_t *document;
};

struct results {
    struct pattern *patterns; /* by number, then engine */
    size_t n;
};

/* Reads one file and adds it. 0; or -1 after one line on stderr that says which file, where in it
 * and what is wrong: then *results is as before. */
int results_add(struct results *results, const char *path);

/* Orders the patterns. 0; or -1 after one line on stderr when two files are of one pattern and
 * engine. */
int results_sort(struct results *results);

void results_free(struct results *results);

/* The case of a variant at a point; NULL: not measured. */
const struct measured *results_find(
    const struct workload *workload, const char *variant, int64_t point);

/* The best speedup that this case could have; 0: the workload has no such bound. */
double results_ideal(
    const struct pattern *pattern, const struct workload *workload, const struct measured *c);

#endif
