/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 09: what it costs to start tasks in a group and wait for them, with and without a
 * limit; where that pays, with calls that wait; what an early error saves; and what callers save
 * who share one run of the same work.
 */

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "bench/baselines/pthread_group.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/shim/bench.h"
#include "errgroup.h"
#include "singleflight.h"
#include "sync/timer.h"

/* What the tasks of a run share. */
struct job {
    atomic_int_fast64_t done;
};

static void expect_ok(struct bench_run *run, const char *what, int rc)
{
    if (rc != 0)
        bench_fail(run, "%s: %s", what, strerror(rc));
}

/* ---- empty tasks ---- */

static int empty_textbook(void *arg, size_t i)
{
    (void)i;
    atomic_fetch_add(&((struct job *)arg)->done, 1);
    return 0;
}

static int empty_conc(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    atomic_fetch_add(&((struct job *)arg)->done, 1);
    return 0;
}

/* Groups of `size` tasks until all items are done. limit 0: none. */

static void groups_serial(struct bench_run *run)
{
    struct job job = {0};
    for (int64_t i = 0; i < run->items; i++)
        empty_textbook(&job, (size_t)i);
    run->done = job.done;
}

static void groups_textbook(struct bench_run *run, int64_t size, int64_t limit)
{
    struct job job = {0};
    for (int64_t left = run->items; left > 0; left -= size) {
        size_t n = (size_t)(left < size ? left : size);
        expect_ok(run, "group", textbook_group(n, (size_t)limit, empty_textbook, &job));
    }
    run->done = job.done;
}

static void groups_conc(struct bench_run *run, int64_t size, int64_t limit)
{
    struct job job = {0};
    for (int64_t left = run->items; left > 0; left -= size) {
        struct conc_errgroup group;
        conc_errgroup_init(&group, NULL);
        if (limit > 0)
            expect_ok(run, "set_limit", conc_errgroup_set_limit(&group, limit));
        for (int64_t i = 0; i < size && i < left; i++)
            expect_ok(run, "go", conc_errgroup_go(&group, empty_conc, &job, NULL));
        expect_ok(run, "wait", conc_errgroup_wait(&group, NULL));
        conc_errgroup_destroy(&group);
    }
    run->done = job.done;
}

static void start_textbook(struct bench_run *run)
{
    groups_textbook(run, run->parameter, 0);
}

static void start_conc(struct bench_run *run)
{
    groups_conc(run, run->parameter, 0);
}

static void limited_textbook(struct bench_run *run)
{
    groups_textbook(run, run->items, run->workers);
}

static void limited_conc(struct bench_run *run)
{
    groups_conc(run, run->items, run->workers);
}

static bool all_done(const struct bench_run *run)
{
    return run->done == run->items;
}

/* ---- calls that wait ---- */

enum { CALL_NS = 1000000 };

static int call_textbook(void *arg, size_t i)
{
    (void)i;
    textbook_sleep_ns(CALL_NS);
    atomic_fetch_add(&((struct job *)arg)->done, 1);
    return 0;
}

static int call_conc(void *arg, struct conc_context *ctx)
{
    int rc = conc_sleep(CALL_NS, ctx);
    if (rc == 0)
        atomic_fetch_add(&((struct job *)arg)->done, 1);
    return rc;
}

static void calls_serial(struct bench_run *run)
{
    struct job job = {0};
    for (int64_t i = 0; i < run->items; i++)
        call_textbook(&job, (size_t)i);
    run->done = job.done;
}

static void calls_textbook(struct bench_run *run)
{
    struct job job = {0};
    expect_ok(run, "group",
        textbook_group((size_t)run->items, (size_t)run->workers, call_textbook, &job));
    run->done = job.done;
}

static void calls_conc(struct bench_run *run)
{
    struct job job = {0};
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    expect_ok(run, "set_limit", conc_errgroup_set_limit(&group, run->workers));
    for (int64_t i = 0; i < run->items; i++)
        expect_ok(run, "go", conc_errgroup_go(&group, call_conc, &job, NULL));
    expect_ok(run, "wait", conc_errgroup_wait(&group, NULL));
    conc_errgroup_destroy(&group);
    run->done = job.done;
}

/* ---- the first error ---- */

/* The call in the middle fails soon, the others take long. */
enum { CALLS = 8, FAILING = 4, FAILS_AFTER_NS = 1000000, LONG_NS = 10000000 };

static int failing_textbook(void *arg, size_t i)
{
    (void)arg;
    textbook_sleep_ns(i == FAILING ? FAILS_AFTER_NS : LONG_NS);
    return i == FAILING ? EIO : 0;
}

struct call {
    size_t i;
};

static int failing_conc(void *arg, struct conc_context *ctx)
{
    const struct call *call = arg;
    int rc = conc_sleep(call->i == FAILING ? FAILS_AFTER_NS : LONG_NS, ctx);
    return rc == 0 && call->i == FAILING ? EIO : rc;
}

/* The result is the error, as the group gives it. */

static void error_serial(struct bench_run *run)
{
    int rc = 0;
    for (size_t i = 0; i < CALLS && rc == 0; i++)
        rc = failing_textbook(NULL, i);
    run->result = (uint64_t)rc;
}

static void error_textbook(struct bench_run *run)
{
    run->result = (uint64_t)textbook_group(CALLS, 0, failing_textbook, NULL);
}

static void error_conc(struct bench_run *run)
{
    struct conc_errgroup group;
    struct call calls[CALLS];
    conc_errgroup_init(&group, NULL);
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].i = i;
        conc_errgroup_go(&group, failing_conc, &calls[i], NULL);
    }
    run->result = (uint64_t)conc_errgroup_wait(&group, NULL);
    conc_errgroup_destroy(&group);
}

static bool error_right(const struct bench_run *run)
{
    return run->result == EIO;
}

/* ---- one run for all who ask ---- */

enum { LOAD_NS = 500000, KEY = 7 };

static uint64_t load(void)
{
    return bench_work_ns(KEY, LOAD_NS) | 1;
}

struct callers {
    struct conc_singleflight flight;
    atomic_uint_fast64_t sum;
};

static int load_textbook(void *arg, size_t i)
{
    (void)i;
    atomic_fetch_add(&((struct callers *)arg)->sum, load());
    return 0;
}

static int load_once(void *arg, void *result)
{
    (void)arg;
    *(uint64_t *)result = load();
    return 0;
}

static int load_conc(void *arg, struct conc_context *ctx)
{
    struct callers *callers = arg;
    uint64_t value = 0;
    int rc = conc_singleflight_do(&callers->flight, "page", load_once, NULL, &value, NULL, ctx);
    atomic_fetch_add(&callers->sum, value);
    return rc;
}

static void loads_serial(struct bench_run *run)
{
    struct callers callers = {.sum = 0};
    for (int64_t i = 0; i < run->items; i++)
        load_textbook(&callers, (size_t)i);
    run->result = callers.sum;
}

static void loads_textbook(struct bench_run *run)
{
    struct callers callers = {.sum = 0};
    expect_ok(run, "group", textbook_group((size_t)run->items, 0, load_textbook, &callers));
    run->result = callers.sum;
}

static void loads_conc(struct bench_run *run)
{
    struct callers callers = {.sum = 0};
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    expect_ok(run, "init", conc_singleflight_init(&callers.flight, sizeof(uint64_t), NULL));
    for (int64_t i = 0; i < run->items; i++)
        expect_ok(run, "go", conc_errgroup_go(&group, load_conc, &callers, NULL));
    expect_ok(run, "wait", conc_errgroup_wait(&group, NULL));
    conc_singleflight_destroy(&callers.flight);
    conc_errgroup_destroy(&group);
    run->result = callers.sum;
}

static int64_t one_load_per_caller(int64_t callers, int64_t items)
{
    (void)items;
    return callers;
}

static bool loads_right(const struct bench_run *run)
{
    return run->result == (uint64_t)run->items * load();
}

static const struct bench_workload workloads[] = {
    {
        .name = "start_wait",
        .title = "Start a group of empty tasks and wait for it",
        .note = "serial only calls the functions. pthread is a thread for each, created and "
                "joined at the end; conc, on the threads engine, joins those that have ended while "
                "it starts the next, so a few stacks serve them all.",
        .kind = BENCH_MESSAGE,
        .unit = "task",
        .items = 256,
        .smoke_items = 16,
        .sweep = "tasks per group",
        .points = BENCH_POINTS(1, 4, 16, 64, 256),
        .variants = {{.name = "serial", .once = true, .run = groups_serial},
            {.name = "pthread", .run = start_textbook}, {.name = "conc", .run = start_conc}},
        .check = all_done,
    },
    {
        .name = "limited",
        .title = "The same in one group, so many at once",
        .note = "With a limit the starter waits for a task to end before it starts the next.",
        .kind = BENCH_MESSAGE,
        .unit = "task",
        .items = 256,
        .quick_items = 128,
        .smoke_items = 16,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial", .once = true, .run = groups_serial},
            {.name = "pthread", .run = limited_textbook}, {.name = "conc", .run = limited_conc}},
        .check = all_done,
    },
    {
        .name = "calls",
        .title = "Calls of 1 ms, so many at once",
        .note = "The calls only wait, so they overlap as far as the limit lets them.",
        .kind = BENCH_WAIT,
        .unit = "call",
        .items = 64,
        .quick_items = 32,
        .smoke_items = 8,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32),
        .variants = {{.name = "serial", .once = true, .run = calls_serial},
            {.name = "pthread", .run = calls_textbook}, {.name = "conc", .run = calls_conc}},
        .check = all_done,
    },
    {
        .name = "first_error",
        .title = "Eight calls of 10 ms, of which one fails after 1 ms",
        .note = "serial comes to the failing call when four have been done, the textbook's group "
                "learns of the error when all have ended, and conc's cancels the rest at once.",
        .kind = BENCH_MESSAGE,
        .unit = "group",
        .items = 1,
        .workers = CALLS,
        .variants = {{.name = "serial", .run = error_serial},
            {.name = "pthread", .run = error_textbook}, {.name = "conc", .run = error_conc}},
        .check = error_right,
    },
    {
        .name = "same_key",
        .title = "So many callers ask for the same value, which takes 500 µs to compute",
        .note = "serial and pthread compute it for each caller. With single flight whoever comes "
                "while it is being computed waits for that result.",
        .kind = BENCH_MESSAGE,
        .unit = "caller",
        .items = 1,
        .items_at = one_load_per_caller,
        .sweep = "callers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16),
        .variants = {{.name = "serial", .run = loads_serial},
            {.name = "pthread", .run = loads_textbook}, {.name = "conc", .run = loads_conc}},
        .check = loads_right,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 9, .slug = "errgroup", .title = "Error group", .workloads = workloads});
}
