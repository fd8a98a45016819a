/* SPDX-License-Identifier: MIT */

/*
 * Time-outs, first answers and shutdowns under many schedules: a result is delivered or dropped,
 * never both and never late, and nothing writes into a frame that has returned.
 */

#include "graceful_shutdown.h"
#include "select.h"
#include "sync/context.h"
#include "tests/sim.h"
#include "timeout.h"
#include "worker_pool.h"

static struct conc_timeout *runner;
static struct conc_context ctx;
static int dropped;
static int finished;

static void drop(void *result)
{
    sim_check(*(const int *)result == 42);
    dropped++;
}

static int work(void *arg, void *result, struct conc_context *with)
{
    (void)with;
    sim_ok(conc_sleep_until(CONC_MS(*(const int *)arg), NULL));
    *(int *)result = 42;
    finished++;
    return 0;
}

static const int ten = 10;
static const struct conc_timeout_call call = {
    .fn = work, .arg = &ten, .arg_size = sizeof ten, .result_size = sizeof(int), .drop = drop};

static int delivered;

static void run_until_ten(void *arg)
{
    int result = -1;
    int64_t limit_ns = arg ? CONC_MS(10) - conc_now_ns() : CONC_FOREVER;
    int rc = conc_timeout_run(runner, &call, &result, limit_ns, arg ? NULL : &ctx);
    sim_check(rc == 0 || rc == (arg ? ETIMEDOUT : ECANCELED));
    sim_check(result == (rc == 0 ? 42 : -1));
    delivered += rc == 0;
    sim_reached(rc == 0 ? "in time" : "too late");
}

static void cancel_at_ten(void *arg)
{
    (void)arg;
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    conc_context_cancel(&ctx);
}

/* The result, the end of one wait and the cancel of another, all at the same moment. */
static void result_against_timeout(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_timeout_create(&runner, 0));
    sim_go(run_until_ten, &ctx);
    sim_go(run_until_ten, NULL);
    sim_go(cancel_at_ten, NULL);
    sim_join();
    sim_ok(conc_timeout_wait(runner, NULL));
    sim_check(finished == 2 && delivered + dropped == 2);
    sim_check(conc_timeout_late(runner) == (uint64_t)(2 - delivered));
    conc_timeout_destroy(runner);
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- the first answer */

static int answers;

static int answer(void *result, void *arg, struct conc_context *with)
{
    int rc = conc_sleep_until(CONC_MS(*(const int *)arg), with);
    sim_check(rc == 0 || rc == ECANCELED);
    if (rc != 0)
        return rc;
    *(int *)result = 42;
    answers++;
    return 0;
}

static void first_answer(void)
{
    static const int later = 11;
    /* Two at the same moment, one too late. */
    const struct conc_question questions[] = {{answer, (void *)(uintptr_t)&ten},
        {answer, (void *)(uintptr_t)&later}, {answer, (void *)(uintptr_t)&ten}};
    int result = -1;
    size_t winner = 9;
    sim_ok(conc_first_answer(questions, 3, sizeof result, &result, &winner, drop, NULL));
    sim_check(result == 42 && (winner == 0 || winner == 2));
    sim_check(answers == 2 && dropped == 1);
    sim_check(conc_now_ns() < CONC_MS(11));
}

/* ---------------------------------------------------------------- shutdown */

static int accepted;

static int task(void *arg, struct conc_context *with)
{
    (void)arg;
    int rc = conc_sleep(CONC_MS(1 + sim_draw(3)), with);
    finished += rc == 0;
    return rc;
}

static void submit(void *pool)
{
    for (int i = 0; i < 4; i++) {
        int rc = conc_worker_pool_submit(pool, task, NULL, NULL);
        sim_check(rc == 0 || rc == EPIPE);
        accepted += rc == 0;
    }
}

/* Everything accepted is in the report, under one head. */
static void shutdown_adds_up(void)
{
    struct conc_worker_pool *pool;
    struct conc_shutdown_report report;
    sim_ok(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){.workers = 2, .capacity = 2}));
    sim_go(submit, pool);
    sim_ok(conc_sleep(CONC_MS(sim_draw(3)), NULL));
    int rc = conc_shutdown_pool(pool, CONC_MS(sim_draw(3)), &report);
    sim_join();
    sim_check(report.submitted == (uint64_t)accepted);
    sim_check(report.submitted ==
              report.finished + report.drained + report.interrupted + report.cancelled);
    sim_check(rc == (report.interrupted + report.cancelled > 0 ? ETIMEDOUT : 0));
    sim_check((uint64_t)finished >= report.finished + report.drained);
    sim_reached(rc == 0 ? "drained" : "interrupted");
    conc_worker_pool_destroy(pool);
}

static void submit_one(void *pool)
{
    int rc = conc_worker_pool_submit(pool, task, NULL, NULL);
    sim_check(rc == 0 || rc == EPIPE);
    accepted += rc == 0;
}

/* The one worker is busy, so two submits wait when the shutdown comes: their tasks were never
 * accepted. */
static void shutdown_of_a_full_pool(void)
{
    struct conc_worker_pool *pool;
    struct conc_shutdown_report report;
    sim_ok(conc_worker_pool_create(&pool, &(struct conc_worker_pool_options){.workers = 1}));
    for (int i = 0; i < 3; i++)
        sim_go(submit_one, pool);
    sim_ok(conc_sleep(CONC_US(100), NULL));
    sim_rc(conc_shutdown_pool(pool, 0, &report), ETIMEDOUT);
    sim_join();
    sim_check(accepted == 1 && report.submitted == 1 && report.interrupted == 1);
    conc_worker_pool_destroy(pool);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(result_against_timeout, "in time", "too late"),
        SIM(first_answer), SIM(shutdown_of_a_full_pool),
        SIM(shutdown_adds_up, "drained", "interrupted"));
}
