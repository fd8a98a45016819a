/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TARGETS_ROW_H
#define BENCH_TARGETS_ROW_H

/*
 * The rows of `./conc bench targets`: what conc promises to be fast at. A row is one workload, on
 * an engine of conc, as a textbook writes it with threads, and in Go (bench/peers/go). This program
 * measures one of them once and prints a figure; or, with --all, calls itself and the Go program
 * round by round and compares.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bench/baselines/place.h"
#include "runtime/clock.h"

enum { ROW_FIGURES = 3 }; /* of one run, at most */

/* One run of a workload. */
struct trial {
    const struct row *row;
    int64_t n;                   /* operations to do; a row of a fixed size has its own */
    bool spread;                 /* tasks are threads: each begins on a core of its own */
    int64_t began_ns;            /* by trial_begin */
    int64_t elapsed_ns;          /* the timed spans together */
    double figures[ROW_FIGURES]; /* set by a workload that gives other figures than time per
                                    operation */
    bool has_figures;
};

struct row {
    const char *id;
    const char *group; /* rows that one run measures have the same, and follow one another */
    const char *title;
    const char *unit; /* of the figure: "ns", or "bytes" */

    void (*conc)(struct trial *t);     /* on the engine of the process */
    void (*textbook)(struct trial *t); /* with threads and no conc; NULL: there is none */
    int64_t parameter;                 /* the workload's own */
    bool fixed;       /* it has a size; else it is run until it takes long enough */
    bool cold;        /* the first run of a process is the one that counts: memory is its subject */
    bool fibers_only; /* absurd with a thread per task */

    /* 0 where there is none. Where the targets were set is said in docs/performance.md. */
    double target;         /* fibers: the figure is to be no larger */
    double limit;          /* fibers: what the machine allows */
    double times_go;       /* fibers: this many times as fast as Go, at least */
    double go_there;       /* what Go took where the targets were set */
    double threads_target; /* the same as above for the threads engine */
    double threads_limit;
};

extern const struct row rows[];
extern const size_t rows_n;

/* Whether one run measures both. */
static inline bool row_same_run(const struct row *a, const struct row *b)
{
    return a == b || (a->group && b->group && strcmp(a->group, b->group) == 0);
}

/* Begins and ends a timed span; several of them add up. */
static inline void trial_begin(struct trial *t)
{
    t->began_ns = conc_now_ns();
}

static inline void trial_end(struct trial *t)
{
    t->elapsed_ns += conc_now_ns() - t->began_ns;
}

/* To be called by each task that works beside others: 0 for the first, and so on. */
static inline void trial_place(const struct trial *t, int64_t worker)
{
    if (t->spread)
        team_place(worker);
}

/* Runs a row on what the process was started for ("fibers", "threads", "pthread") for about ms
 * milliseconds and stores its figures. */
void trial_run(const struct row *row, const char *engine, int64_t ms, double figures[ROW_FIGURES]);

/* A result that is not what the workload must give, or a call that fails, ends the process: a fast
 * wrong answer is no speed. */
#define MUST(condition) ((condition) ? (void)0 : trial_wrong(#condition, __FILE__, __LINE__))
#define OK(call) trial_ok((call), #call, __FILE__, __LINE__)
_Noreturn void trial_wrong(const char *what, const char *file, int line);
_Noreturn void trial_failed(int rc, const char *what, const char *file, int line);
static inline void trial_ok(int rc, const char *what, const char *file, int line)
{
    if (__builtin_expect(rc != 0, 0))
        trial_failed(rc, what, file, line);
}

/* The workloads. */
#define WORKLOAD(name) void name(struct trial *t)
WORKLOAD(chan_stream);
WORKLOAD(chan_stream_textbook);
WORKLOAD(chan_many);
WORKLOAD(chan_many_textbook);
WORKLOAD(chan_ping_pong);
WORKLOAD(chan_ping_pong_textbook);
WORKLOAD(chan_select);
WORKLOAD(chan_select_textbook);
WORKLOAD(queue_stream);
WORKLOAD(spawn_group);
WORKLOAD(spawn_group_textbook);
WORKLOAD(spawn_one);
WORKLOAD(spawn_one_textbook);
WORKLOAD(pool_empty);
WORKLOAD(pool_empty_textbook);
WORKLOAD(errgroup_go);
WORKLOAD(errgroup_go_textbook);
WORKLOAD(cpu_fan_out);
WORKLOAD(cpu_fan_out_textbook);
WORKLOAD(cpu_pool);
WORKLOAD(cpu_pool_textbook);
WORKLOAD(limiter_allow);
WORKLOAD(limiter_allow_textbook);
WORKLOAD(semaphore_pair);
WORKLOAD(semaphore_pair_textbook);
WORKLOAD(counter_striped);
WORKLOAD(counter_atomic);
WORKLOAD(counter_textbook);
WORKLOAD(map_get);
WORKLOAD(map_get_textbook);
WORKLOAD(map_put);
WORKLOAD(map_put_textbook);
WORKLOAD(context_create);
WORKLOAD(context_create_textbook);
WORKLOAD(context_poll);
WORKLOAD(context_poll_textbook);
WORKLOAD(sleep_1ms);
WORKLOAD(sleep_1ms_textbook);
WORKLOAD(sleep_100us);
WORKLOAD(sleep_100us_textbook);
WORKLOAD(blocked);
#undef WORKLOAD

#endif
