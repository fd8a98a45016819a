/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 10: what one question to a rate limiter costs when it says yes and when it says no, and
 * how far workers help when the limiter sets the pace.
 */

#include "bench/baselines/pthread_limiter.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "rate_limiter.h"
#include "sync/timer.h"

/* Both kinds side by side; a run uses one of them. */
struct limiters {
    struct textbook_limiter textbook;
    struct conc_rate_limiter conc;
};

static void limiters_create(struct bench_run *run, double rate, int64_t burst)
{
    struct limiters *l = malloc(sizeof *l);
    run->state = l;
    if (!l) {
        bench_fail(run, "no memory for the limiters");
        return;
    }
    textbook_limiter_init(&l->textbook, rate, burst);
    int rc = conc_rate_limiter_init(&l->conc, rate, burst);
    if (rc != 0)
        bench_fail(run, "conc_rate_limiter_init: %s", strerror(rc));
}

static void limiters_destroy(struct bench_run *run)
{
    struct limiters *l = run->state;
    if (!l)
        return;
    conc_rate_limiter_destroy(&l->conc);
    textbook_limiter_destroy(&l->textbook);
    free(l);
}

/* ---- allow ---- */

/* Slow enough that no token flows in during a run: what passes is the burst, exactly. */
enum { REFUSING_BURST = 10 };
static const double slow_rate = 1e-6;

/* What a program without threads would write: the time is looked at, nothing is locked. */
static void allow_alone(struct team_share *share)
{
    const struct limiters *l = share->state;
    double tokens = l->textbook.burst;
    int64_t last_ns = bench_now_ns();
    for (int64_t i = 0; i < share->count; i++) {
        int64_t now_ns = bench_now_ns();
        tokens += (double)(now_ns - last_ns) * 1e-9 * l->textbook.rate;
        last_ns = now_ns;
        if (tokens > l->textbook.burst)
            tokens = l->textbook.burst;
        if (tokens >= 1) {
            tokens -= 1;
            share->result++;
        }
    }
}

static void allow_textbook(struct team_share *share)
{
    struct limiters *l = share->state;
    for (int64_t i = 0; i < share->count; i++)
        share->result += textbook_limiter_allow(&l->textbook);
}

static void allow_conc(struct team_share *share)
{
    struct limiters *l = share->state;
    for (int64_t i = 0; i < share->count; i++)
        share->result += conc_rate_limiter_allow(&l->conc, 1);
}

static void run_allow_serial(struct bench_run *run)
{
    team_alone(run, allow_alone);
}

static void run_allow_textbook(struct bench_run *run)
{
    team_pthread(run, allow_textbook);
}

static void run_allow_conc(struct bench_run *run)
{
    team_conc(run, allow_conc);
}

static void burst_for_all(struct bench_run *run)
{
    limiters_create(run, slow_rate, run->items);
}

static bool all_passed(const struct bench_run *run)
{
    return run->result == (uint64_t)run->items;
}

static void burst_for_few(struct bench_run *run)
{
    limiters_create(run, slow_rate, REFUSING_BURST);
}

static bool burst_passed(const struct bench_run *run)
{
    int64_t passed = run->items < REFUSING_BURST ? run->items : REFUSING_BURST;
    return run->result == (uint64_t)passed;
}

/* ---- requests at a pace ---- */

/* 4000 a second: one every 250 µs. A request takes 1 ms, so four workers keep the pace. */
enum { PACE_NS = 250000, REQUEST_NS = 1000000, PACE_BURST = 4 };

static void paced(struct bench_run *run)
{
    limiters_create(run, 1e9 / PACE_NS, PACE_BURST);
}

static void request_textbook(struct team_share *share)
{
    struct limiters *l = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        textbook_limiter_wait(&l->textbook);
        textbook_sleep_ns(REQUEST_NS);
        share->result++;
    }
}

static void request_conc(struct team_share *share)
{
    struct limiters *l = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        if (conc_rate_limiter_wait(&l->conc, 1, NULL) != 0)
            return;
        conc_sleep(REQUEST_NS, NULL);
        share->result++;
    }
}

static void run_requests_serial(struct bench_run *run)
{
    team_alone(run, request_textbook);
}

static void run_requests_textbook(struct bench_run *run)
{
    team_pthread(run, request_textbook);
}

static void run_requests_conc(struct bench_run *run)
{
    team_conc(run, request_conc);
}

/* All are done, and no sooner than the limiter allows. */
static bool at_the_pace(const struct bench_run *run)
{
    return all_passed(run) && run->elapsed_ns >= (run->items - PACE_BURST) * PACE_NS + REQUEST_NS;
}

static const struct bench_workload workloads[] = {
    {
        .name = "allow_yes",
        .title = "Allow, with enough tokens for all",
        .note = "Each question looks at the clock, computes what has flowed in and takes a token. "
                "serial does that without a lock, pthread under a mutex.",
        .kind = BENCH_MESSAGE,
        .unit = "question",
        .items = 200000,
        .quick_items = 50000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial", .once = true, .run = run_allow_serial},
            {.name = "pthread", .run = run_allow_textbook},
            {.name = "conc", .run = run_allow_conc}},
        .setup = burst_for_all,
        .teardown = limiters_destroy,
        .check = all_passed,
    },
    {
        .name = "allow_no",
        .title = "Allow, with the bucket empty",
        .note = "What a server under attack does most: nearly every question is answered with no.",
        .kind = BENCH_MESSAGE,
        .unit = "question",
        .items = 200000,
        .quick_items = 50000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial", .once = true, .run = run_allow_serial},
            {.name = "pthread", .run = run_allow_textbook},
            {.name = "conc", .run = run_allow_conc}},
        .setup = burst_for_few,
        .teardown = limiters_destroy,
        .check = burst_passed,
    },
    {
        .name = "paced_requests",
        .title = "Requests of 1 ms at a pace of 4000 a second",
        .note = "One after the other the requests do not even reach the pace. Four workers reach "
                "it; from there on the limiter decides, and more workers change nothing.",
        .kind = BENCH_WAIT,
        .unit = "request",
        .items = 40,
        .smoke_items = 8,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16),
        .variants = {{.name = "serial", .once = true, .run = run_requests_serial},
            {.name = "pthread", .run = run_requests_textbook},
            {.name = "conc", .run = run_requests_conc}},
        .setup = paced,
        .teardown = limiters_destroy,
        .check = at_the_pace,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 10, .slug = "rate_limiter", .title = "Rate limiter", .workloads = workloads});
}
