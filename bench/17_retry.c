/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 17: calls that fail now and then and are retried, one after the other and several at
 * once; and what the retry costs where nothing fails.
 */

#include <errno.h>

#include "bench/baselines/pthread_retry.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "retry.h"
#include "runtime/random.h"
#include "sync/timer.h"

/* A call takes 300 µs and fails two times in five, never more than three times in a row: with four
 * attempts every one succeeds in the end. */
enum { CALL_NS = 300000, BASE_NS = 200000, ATTEMPTS = 4 };

struct call {
    int64_t call_ns;
    int failures; /* still to come */
    int64_t answer;
};

static struct call call_of(int64_t item)
{
    uint64_t state = (uint64_t)item;
    int failures = 0;
    while (failures < ATTEMPTS - 1 && conc_splitmix64(&state) % 5 < 2)
        failures++;
    return (struct call){.call_ns = CALL_NS, .failures = failures, .answer = item};
}

static int flaky_textbook(void *arg)
{
    struct call *call = arg;
    textbook_sleep_ns(call->call_ns);
    return call->failures-- > 0 ? EIO : 0;
}

static int flaky_conc(void *arg, struct conc_context *ctx)
{
    struct call *call = arg;
    int rc = conc_sleep(call->call_ns, ctx);
    if (rc != 0)
        return rc;
    return call->failures-- > 0 ? EIO : 0;
}

/* Workers take the next call when they are done with one, for some take longer than others. */
static int64_t next_of(struct team_share *share)
{
    return (int64_t)atomic_fetch_add((atomic_int_fast64_t *)share->state, 1);
}

static void call_textbook(struct team_share *share)
{
    for (int64_t item; (item = next_of(share)) < share->items;) {
        struct call call = call_of(item);
        if (textbook_retry(ATTEMPTS, BASE_NS, flaky_textbook, &call) == 0)
            share->result += (uint64_t)call.answer;
    }
}

/* No jitter, so that the waits are those of the textbook. */
static const struct conc_retry_policy policy = {
    .attempts = ATTEMPTS, .base_ns = BASE_NS, .jitter = CONC_RETRY_NO_JITTER};

/* Full jitter: the same bounds, and on average half the waiting. */
static const struct conc_retry_policy jittery = {
    .attempts = ATTEMPTS, .base_ns = BASE_NS, .jitter = CONC_RETRY_FULL_JITTER, .seed = 1};

static void retry_all(struct team_share *share, const struct conc_retry_policy *how)
{
    for (int64_t item; (item = next_of(share)) < share->items;) {
        struct call call = call_of(item);
        if (conc_retry(how, flaky_conc, &call, NULL, NULL) == 0)
            share->result += (uint64_t)call.answer;
    }
}

static void call_conc(struct team_share *share)
{
    retry_all(share, &policy);
}

static void call_jitter(struct team_share *share)
{
    retry_all(share, &jittery);
}

/* The start of the workers is in the measurement. */
static void measured_whole(struct bench_run *run,
    void (*team)(struct bench_run *run, void (*work)(struct team_share *share)),
    void (*work)(struct team_share *share))
{
    atomic_int_fast64_t next = 0;
    run->state = &next;
    team(run, work);
    run->state = NULL;
    run->elapsed_ns = 0;
}

static void calls_serial(struct bench_run *run)
{
    measured_whole(run, team_alone, call_textbook);
}

static void calls_pthread(struct bench_run *run)
{
    measured_whole(run, team_pthread, call_textbook);
}

static void calls_conc(struct bench_run *run)
{
    measured_whole(run, team_conc, call_conc);
}

static void calls_jitter(struct bench_run *run)
{
    measured_whole(run, team_conc, call_jitter);
}

/* Every call has succeeded. */
static bool all_answered(const struct bench_run *run)
{
    return run->result == (uint64_t)(run->items * (run->items - 1) / 2);
}

/* ---- nothing fails, nothing waits ---- */

static int sure_textbook(void *arg)
{
    ++*(uint64_t *)arg;
    return 0;
}

static int sure_conc(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    ++*(uint64_t *)arg;
    return 0;
}

static void sure_serial(struct bench_run *run)
{
    int (*volatile fn)(void *) = sure_textbook; /* a call, as in the other variants */
    for (int64_t i = 0; i < run->items; i++)
        fn(&run->result);
}

static void sure_pthread(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        textbook_retry(ATTEMPTS, BASE_NS, sure_textbook, &run->result);
}

static void sure_retry(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        conc_retry(&policy, sure_conc, &run->result, NULL, NULL);
}

static void sure_budget(struct bench_run *run)
{
    struct conc_retry_budget budget;
    struct conc_retry_policy with_budget = policy;
    with_budget.budget = &budget;
    if (conc_retry_budget_init(&budget, 100, 10) != 0)
        bench_fail(run, "conc_retry_budget_init failed");
    for (int64_t i = 0; i < run->items; i++)
        conc_retry(&with_budget, sure_conc, &run->result, NULL, NULL);
    conc_retry_budget_destroy(&budget);
}

static bool all_called(const struct bench_run *run)
{
    return run->result == (uint64_t)run->items;
}

static const struct bench_workload workloads[] = {
    {
        .name = "flaky_calls",
        .title = "Calls of 300 µs that fail two times in five",
        .note = "A call and the waits between its attempts need no core, so calls of several "
                "workers overlap. conc and pthread wait 200, 400 and 800 µs; jitter waits a "
                "random part of that, half on average.",
        .kind = BENCH_WAIT,
        .unit = "call",
        .items = 96,
        .quick_items = 48,
        .smoke_items = 4,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16),
        .variants = {{.name = "serial", .once = true, .run = calls_serial},
            {.name = "pthread", .run = calls_pthread}, {.name = "conc", .run = calls_conc},
            {.name = "jitter", .run = calls_jitter}},
        .check = all_answered,
    },
    {
        .name = "sure_calls",
        .title = "Calls that never fail",
        .note = "What is paid for every call that needs no retry: serial calls the function, "
                "pthread through the textbook's loop. budget also pays into a retry budget.",
        .kind = BENCH_MESSAGE,
        .unit = "call",
        .items = 100000,
        .variants = {{.name = "serial", .run = sure_serial},
            {.name = "pthread", .run = sure_pthread}, {.name = "conc", .run = sure_retry},
            {.name = "budget", .run = sure_budget}},
        .check = all_called,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 17, .slug = "retry", .title = "Retry", .workloads = workloads});
}
