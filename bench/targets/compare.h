/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TARGETS_COMPARE_H
#define BENCH_TARGETS_COMPARE_H

/* Every row against its peers: rounds of processes, medians, a table, a file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/targets/row.h"

/* Who runs a row. Go stands here twice, and each row keeps the better of the two. */
enum contender { FIBERS, THREADS, TEXTBOOK, GO_1, GO_2, CONTENDERS };

enum { MAX_ROUNDS = 30 };

/* What was measured of one row: of each contender one figure for each round. */
struct measured {
    bool wanted; /* the row is to be measured */
    int n[CONTENDERS];
    int quiet[CONTENDERS]; /* so many, the first, are of runs that no other guest disturbed */
    double values[CONTENDERS][MAX_ROUNDS];
};

/* Whether this contender has this row. */
bool contender_has(enum contender contender, const struct row *row, bool go);

/* The median; 0 without a value. */
double measured_median(const struct measured *m, enum contender contender);

/* The better median of the two Gos; 0 where there is none. */
double measured_go(const struct measured *m);

/* Runs this program and the Go program, if it lies beside it, `rounds` times per row and contender,
 * in random order. A run that another guest of the host has disturbed is done again later, whosever
 * it is and whatever it gave, for as long as the rounds have taken. `results` has rows_n places.
 * False when something failed, which has been said on stderr. */
bool rounds_run(struct measured *results, int rounds, int64_t ms, bool *go);

enum { QUIET_CORES = 1024 }; /* as many as a cpu_set_t holds */

/* What was seen around a run (quiet.c). */
struct quiet {
    int64_t began_ns;
    double idle_ns[QUIET_CORES];
    bool disturbed[QUIET_CORES]; /* by another guest of the host: at its begin, or at its end */
};

void quiet_begin(struct quiet *quiet);

/* Whether none of the cores that were in use since then was disturbed. */
bool quiet_end(struct quiet *quiet);

/* `load` is that of the machine before the first round. */
void table_print(const struct measured *results, int rounds, bool go, double load);

/* Writes FILE whole or not at all. False when it could not be written, which has been said. */
bool json_write(const struct measured *results, const char *path);

/* Whether a file could be written there; if not, it has been said. To be asked before the work. */
bool json_writable(const char *path);

#endif
