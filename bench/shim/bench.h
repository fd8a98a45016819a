/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SHIM_BENCH_H
#define BENCH_SHIM_BENCH_H

/*
 * The C face of the measuring harness. A benchmark program is a table of workloads and a main of
 * one line. A workload is one piece of work done in several ways, its variants ("serial",
 * "pthread", "conc"), over a sweep of points (workers 1, 2, 4 …). The harness makes every
 * combination a case, measures all cases in rounds, in a new random order each round, in one
 * process, checks every result, and writes every round's time.
 *
 *   static void jobs_conc(struct bench_run *run)      // ONE whole run of the workload, timed
 *   {
 *       run->result = sum_with_pool(run->workers, run->items);
 *   }
 *
 *   static bool jobs_right(const struct bench_run *run)   // after the clock has stopped
 *   {
 *       return run->result == sum_of(run->items);
 *   }
 *
 *   static const struct bench_workload workloads[] = {
 *       {
 *           .name = "sleep_1ms",
 *           .title = "Jobs of 1 ms sleep",
 *           .note = "Every job only waits, so workers beyond the number of cores still pay.",
 *           .kind = BENCH_WAIT,
 *           .unit = "job",
 *           .items = 1000, .quick_items = 200,
 *           .sweep = "workers", .points = BENCH_POINTS(1, 2, 5, 10, 100),
 *           .variants = {{.name = "serial", .once = true, .run = jobs_serial},
 *                        {.name = "pthread", .run = jobs_pthread},
 *                        {.name = "conc", .run = jobs_conc}},
 *           .check = jobs_right,
 *           .claims = {{.id = "C1", .at = 10}, {.id = "C2", .at = 100}},
 *       },
 *       {0},
 *   };
 *
 *   int main(int argc, char **argv)
 *   {
 *       return bench_main(argc, argv, &(struct bench_program){.number = 3, .slug = "worker_pool",
 *                                         .title = "Worker pool", .workloads = workloads});
 *   }
 *
 * What is inside the measurement is what the run function does: start of threads and tasks too,
 * when it does that. What belongs to neither side goes into setup and teardown. No printing inside
 * a run.
 *
 * Before anything is timed the process has a second thread: while a process has one thread, glibc
 * takes short-cuts in locks and malloc that no concurrent program has. The timer slack is 1 ns, so
 * that a sleep of 100 µs is no 150, in the serial baseline and in the concurrent variants alike.
 *
 * The clock is the wall's. Processor time would leave out the threads of the run.
 *
 * A run shorter than about a millisecond is repeated within the round, with setup, check and
 * teardown of its own each time; the round's time is then the mean of its runs.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a workload spends its time on. It decides the ideal line of the chart. */
enum bench_kind {
    BENCH_CPU = 1, /* computing: at best min(workers, cores) times the baseline */
    BENCH_WAIT,    /* sleeping or waiting for others: at best `workers` times */
    BENCH_MESSAGE, /* handing over, locking, starting: cost per operation, no ideal speedup */
};

/* One run of one case. Zeroed anew for every run, then filled in. */
struct bench_run {
    int64_t workers;   /* in: the point when the sweep is "workers", else the workload's */
    int64_t items;     /* in: how many items this run has to do; at least 1 */
    int64_t parameter; /* in: the point of any other sweep, else the workload's */
    void *user;        /* in: the workload's */
    void *state;       /* setup's, for run and teardown */
    uint64_t result;   /* run's, for check */
    int64_t done;      /* run's, for check: items done, if it is useful to count them */

    /* Run's, optional: more than 0 replaces the time that the harness took, for a run that times a
     * part of itself (bench_now_ns) or that reports a latency. */
    int64_t elapsed_ns;

    const char *variant;     /* in: its name */
    struct bench_case *self; /* the harness's */
};

/* One way to do the work. */
struct bench_variant {
    const char *name;                        /* "serial", "pthread", "conc", "mutex" … */
    void (*run)(struct bench_run *run);      /* timed */
    void (*setup)(struct bench_run *run);    /* not timed; NULL: the workload's */
    void (*teardown)(struct bench_run *run); /* not timed; NULL: the workload's */
    bool once; /* does not depend on the point: measured once a round, a level line in the chart.
                * Not for a workload with items_at. */
};

/* This workload answers a claim of the list in plots/claims_list.c: the ratio between the medians
 * of baseline and variant at this point of the sweep. */
struct bench_claim {
    const char *id;       /* "C1" */
    int64_t at;           /* the point; with no sweep, 0 */
    const char *variant;  /* NULL: "conc", or the last variant if none has that name */
    const char *baseline; /* NULL: the workload's */
};

/* The points of a sweep: .points = BENCH_POINTS(1, 2, 4). At file scope only. */
struct bench_points {
    const int64_t *values;
    int count;
};
#define BENCH_POINTS(...)                                                                          \
    {                                                                                              \
        (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))  \
    }

enum { BENCH_VARIANTS = 10, BENCH_CLAIMS = 6 };

/* A list of workloads ends with one whose name is NULL; lists of variants and claims likewise. */
struct bench_workload {
    const char *name;  /* a word of [a-z0-9_], unique in the program */
    const char *title; /* heading of the chart */
    const char *note;  /* one or two sentences: what the workload is and what to see; or NULL */
    enum bench_kind kind;
    const char *unit; /* what an item is, singular: "job", "message", "increment" */

    int64_t items;       /* of a full run */
    int64_t quick_items; /* with --quick; 0: as items */
    int64_t smoke_items; /* with --smoke; 0: a hundredth of items, at least 1 */

    /* The number of items at a point, from the number above: for a sweep whose points cost very
     * different times (work of 10 ns and of 100 µs per item). NULL: the same at all points. */
    int64_t (*items_at)(int64_t point, int64_t items);

    const char *sweep;          /* "workers", "capacity", "work_ns" …; NULL: a single point */
    struct bench_points points; /* ascending; any value >= 0 */
    int64_t workers;            /* of a run when the sweep is not "workers"; 0: 1 */
    int64_t parameter;          /* of a run when the sweep is "workers" or there is none */
    void *user;

    const char *baseline; /* a variant's name; NULL: "serial", or the first if none has that name */
    struct bench_variant variants[BENCH_VARIANTS];

    void (*setup)(struct bench_run *run);    /* or NULL */
    void (*teardown)(struct bench_run *run); /* or NULL; runs whenever setup has run */

    /* Says whether the result of the run is right. Called after every run, before teardown. */
    bool (*check)(const struct bench_run *run);

    struct bench_claim claims[BENCH_CLAIMS];

    /* Ids of claims, separated by spaces, for which this sweep over work per item shows from where
     * on they would be true (the crossover); or NULL. The sweep should be "work_ns". */
    const char *crossover;
};

struct bench_program {
    int number;        /* of the catalogue */
    const char *slug;  /* of the catalogue */
    const char *title; /* of the catalogue */
    const struct bench_workload *workloads;
};

/*
 * Parses the command line, measures, prints a table to stdout, writes the file of --json (whole or
 * not at all), and returns the exit code for main: 0; 1: a check failed, a run failed, nothing
 * matches the filter, or the file could not be written, one line on stderr each; 2: bad usage, one
 * line.
 */
int bench_main(int argc, char **argv, const struct bench_program *program);

/* Declares the run a failure, printf fashion: a call returned an error, a setup did not succeed.
 * The first one of a run counts. From setup, run, or check; from any thread. When setup fails, run
 * is left out. */
void bench_fail(const struct bench_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The clock of the harness, monotonic, in nanoseconds. */
int64_t bench_now_ns(void);

/* Computes for about `ns` nanoseconds on one core, in a way no compiler can remove. The number of
 * steps is fixed by one calibration when the program starts, so the result depends, within the
 * process, on seed and ns alone and can be checked. 0 or less: returns at once. */
uint64_t bench_work_ns(uint64_t seed, int64_t ns);

#ifdef __cplusplus
}
#endif

#endif
