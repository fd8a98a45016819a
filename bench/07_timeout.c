/* SPDX-License-Identifier: MIT */

/*
 * A function under a deadline: what the deadline costs a function that keeps it, how many such
 * calls can be under way at once, and how soon the caller of a function that does not keep it has
 * its ETIMEDOUT.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/baselines/expected.h"
#include "bench/baselines/pthread_team.h"
#include "bench/baselines/pthread_timeout.h"
#include "bench/shim/bench.h"
#include "runtime/clock.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "timeout.h"

/* A call: argument and result in one. */
struct call {
    uint64_t n;
    int64_t cost_ns;
    uint64_t result;
};

static void call_compute(struct call *call)
{
    call->result = bench_work_ns(call->n, call->cost_ns);
}

/* Waits; and leaves early when its context ends, where it has one. */
static int call_wait(struct call *call, struct conc_context *ctx)
{
    int rc = conc_sleep(call->cost_ns, ctx);
    if (rc == 0)
        call->result = call->n;
    return rc;
}

static void compute_textbook(void *data)
{
    call_compute(data);
}

static void wait_textbook(void *data)
{
    call_wait(data, NULL);
}

static int compute_conc(void *arg, void *result, struct conc_context *ctx)
{
    (void)ctx;
    struct call *call = arg;
    call_compute(call);
    *(uint64_t *)result = call->result;
    return 0;
}

static int wait_conc(void *arg, void *result, struct conc_context *ctx)
{
    struct call *call = arg;
    int rc = call_wait(call, ctx);
    *(uint64_t *)result = call->result;
    return rc;
}

/* ---- who runs the calls ---- */

struct calls {
    struct textbook_timeout textbook;
    struct conc_timeout *conc;
    const struct bench_run *run;
    void (*textbook_fn)(void *data);
    int (*conc_fn)(void *arg, void *result, struct conc_context *ctx);
    int64_t cost_ns;
    int64_t timeout_ns;

    _Atomic(int64_t) next;
    _Atomic(int64_t) in_time;
    _Atomic(int64_t) late;
    _Atomic(uint64_t) sum;
};

static void setup(struct bench_run *run)
{
    struct calls *calls = calloc(1, sizeof *calls);
    run->state = calls;
    if (!calls) {
        bench_fail(run, "no memory");
        return;
    }
    calls->run = run;
    textbook_timeout_init(&calls->textbook);
    int rc = conc_timeout_create(&calls->conc, 0);
    if (rc != 0)
        bench_fail(run, "conc_timeout_create: %s", strerror(rc));
}

/* Waits for the late ones, outside the measurement. */
static void teardown(struct bench_run *run)
{
    struct calls *calls = run->state;
    if (!calls)
        return;
    conc_timeout_destroy(calls->conc);
    textbook_timeout_destroy(&calls->textbook);
    free(calls);
}

static void count(struct calls *calls, int rc, uint64_t result)
{
    if (rc == 0) {
        atomic_fetch_add(&calls->in_time, 1);
        atomic_fetch_add(&calls->sum, result);
    } else if (rc == ETIMEDOUT) {
        atomic_fetch_add(&calls->late, 1);
    } else {
        bench_fail(calls->run, "a call: %s", strerror(rc));
    }
}

/* Takes one call after the other until none is left. Several callers may do so. */
static void *call_textbook(void *arg)
{
    struct calls *calls = arg;
    int64_t i;
    while ((i = atomic_fetch_add(&calls->next, 1)) < calls->run->items) {
        struct call call = {.n = (uint64_t)i, .cost_ns = calls->cost_ns};
        int rc = textbook_timeout_run(
            &calls->textbook, calls->textbook_fn, &call, sizeof call, calls->timeout_ns);
        count(calls, rc, call.result);
    }
    return NULL;
}

static void call_conc(void *arg)
{
    struct calls *calls = arg;
    int64_t i;
    while ((i = atomic_fetch_add(&calls->next, 1)) < calls->run->items) {
        struct call call = {.n = (uint64_t)i, .cost_ns = calls->cost_ns};
        const struct conc_timeout_call how = {.fn = calls->conc_fn,
            .arg = &call,
            .arg_size = sizeof call,
            .result_size = sizeof call.result};
        int rc = conc_timeout_run(calls->conc, &how, &call.result, calls->timeout_ns, NULL);
        count(calls, rc, call.result);
    }
}

/* ---- computing, in time ---- */

static struct calls *prepare_compute(struct bench_run *run)
{
    struct calls *calls = run->state;
    calls->textbook_fn = compute_textbook;
    calls->conc_fn = compute_conc;
    calls->cost_ns = run->parameter;
    calls->timeout_ns = CONC_S(100);
    return calls;
}

static void compute_serial(struct bench_run *run)
{
    struct calls *calls = run->state;
    for (int64_t i = 0; i < run->items; i++) {
        struct call call = {.n = (uint64_t)i, .cost_ns = run->parameter};
        call_compute(&call);
        count(calls, 0, call.result);
    }
}

static void compute_with_pthread(struct bench_run *run)
{
    call_textbook(prepare_compute(run));
}

static void compute_with_conc(struct bench_run *run)
{
    call_conc(prepare_compute(run));
}

static uint64_t compute_all(int64_t items, int64_t cost_ns)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < items; i++)
        sum += bench_work_ns((uint64_t)i, cost_ns);
    return sum;
}

static bool check_compute(const struct bench_run *run)
{
    const struct calls *calls = run->state;
    return calls->in_time == run->items &&
           calls->sum == expected_result(compute_all, run->items, run->parameter);
}

/* ---- waiting, in time, by many callers at once ---- */

static struct calls *prepare_wait(struct bench_run *run)
{
    struct calls *calls = run->state;
    calls->textbook_fn = wait_textbook;
    calls->conc_fn = wait_conc;
    calls->cost_ns = run->parameter;
    calls->timeout_ns = CONC_S(100);
    return calls;
}

static void wait_serial_for(struct bench_run *run, int64_t cost_ns)
{
    for (int64_t i = 0; i < run->items; i++) {
        struct call call = {.n = (uint64_t)i, .cost_ns = cost_ns};
        int rc = call_wait(&call, NULL);
        count(run->state, rc, call.result);
    }
}

static void wait_serial(struct bench_run *run)
{
    wait_serial_for(run, run->parameter);
}

static void wait_with_pthread(struct bench_run *run)
{
    struct textbook_team callers;
    int rc = textbook_team_start(&callers, (size_t)run->workers, call_textbook, prepare_wait(run));
    if (rc != 0)
        bench_fail(run, "textbook_team_start: %s", strerror(rc));
    textbook_team_join(&callers);
}

static void wait_with_conc(struct bench_run *run)
{
    struct calls *calls = prepare_wait(run);
    struct conc_wait_group callers = CONC_WAIT_GROUP_INIT;
    for (int64_t i = 0; i < run->workers; i++) {
        int rc = conc_wait_group_go(&callers, call_conc, calls);
        if (rc != 0)
            bench_fail(run, "conc_wait_group_go: %s", strerror(rc));
    }
    conc_wait_group_wait(&callers, NULL);
    conc_wait_group_destroy(&callers);
}

static bool check_wait(const struct bench_run *run)
{
    const struct calls *calls = run->state;
    uint64_t items = (uint64_t)run->items;
    return calls->in_time == run->items && calls->sum == items * (items - 1) / 2;
}

/* ---- too late ---- */

enum { SLOW_MS = 10 };

static struct calls *prepare_late(struct bench_run *run)
{
    struct calls *calls = prepare_wait(run);
    calls->cost_ns = CONC_MS(SLOW_MS);
    calls->timeout_ns = run->parameter;
    return calls;
}

static void late_serial(struct bench_run *run)
{
    wait_serial_for(run, CONC_MS(SLOW_MS));
}

static void late_with_pthread(struct bench_run *run)
{
    call_textbook(prepare_late(run));
}

static void late_with_conc(struct bench_run *run)
{
    call_conc(prepare_late(run));
}

/* On a machine that is busy with other things the caller may itself be so late that it finds a
 * result: that is right, too. */
static bool check_late(const struct bench_run *run)
{
    const struct calls *calls = run->state;
    if (strcmp(run->variant, "serial") == 0)
        return calls->in_time == run->items;
    return calls->in_time + calls->late == run->items;
}

/* ---- the table ---- */

static int64_t fewer_when_long(int64_t work_ns, int64_t items)
{
    int64_t n = work_ns > 10000 ? items * 10000 / work_ns : items;
    return n < 10 ? 10 : n;
}

static const struct bench_workload workloads[] = {
    {
        .name = "in_time",
        .title = "A function that keeps its deadline",
        .note = "The deadline is far away. What is left is the price of being able to give up: a "
                "task for the call, and a hand-over of its result.",
        .kind = BENCH_MESSAGE,
        .unit = "call",
        .items = 1000,
        .quick_items = 200,
        .items_at = fewer_when_long,
        .sweep = "work_ns",
        .points = BENCH_POINTS(100, 1000, 10000, 100000, 1000000),
        .variants = {{.name = "serial", .run = compute_serial},
            {.name = "pthread", .run = compute_with_pthread},
            {.name = "conc", .run = compute_with_conc}},
        .setup = setup,
        .teardown = teardown,
        .check = check_compute,
    },
    {
        .name = "callers",
        .title = "Many callers at once, each with a deadline",
        .note = "Calls that wait for 1 ms, by more and more callers. Each call is a task, so "
                "twice as many tasks as callers are there at once.",
        .kind = BENCH_WAIT,
        .unit = "call",
        .items = 128,
        .quick_items = 64,
        .smoke_items = 8,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32),
        .parameter = 1000000,
        .variants = {{.name = "serial", .once = true, .run = wait_serial},
            {.name = "pthread", .run = wait_with_pthread}, {.name = "conc", .run = wait_with_conc}},
        .setup = setup,
        .teardown = teardown,
        .check = check_wait,
    },
    {
        .name = "late",
        .title = "A function of 10 ms under a shorter deadline",
        .note = "The time until the caller goes on. The serial loop has no choice but to wait for "
                "the function; with a deadline a call takes as long as the deadline allows.",
        .kind = BENCH_MESSAGE,
        .unit = "call",
        .items = 10,
        .quick_items = 5,
        .smoke_items = 2,
        .sweep = "deadline_ns",
        .points = BENCH_POINTS(100000, 500000, 1000000, 2000000, 5000000),
        .variants = {{.name = "serial", .once = true, .run = late_serial},
            {.name = "pthread", .run = late_with_pthread}, {.name = "conc", .run = late_with_conc}},
        .setup = setup,
        .teardown = teardown,
        .check = check_late,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 7, .slug = "timeout", .title = "Timeout", .workloads = workloads});
}
