/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 16: how long a program lives on after SIGTERM. Work that was accepted is drained by one
 * task after the other, or by the workers of a pool; and where there is more than fits into the
 * time limit, the rest is cancelled.
 */

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "bench/baselines/pthread_pool.h"
#include "bench/baselines/pthread_signal.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/shim/bench.h"
#include "graceful_shutdown.h"
#include "sync/timer.h"
#include "worker_pool.h"

/* What the tasks of a run share. A task only waits. */
struct service {
    atomic_int_fast64_t done;
};

enum { TASK_NS = 1000000 };

static void task_textbook(void *arg)
{
    struct service *service = arg;
    textbook_sleep_ns(TASK_NS);
    atomic_fetch_add(&service->done, 1);
}

static int task_conc(void *arg, struct conc_context *ctx)
{
    struct service *service = arg;
    int rc = conc_sleep(TASK_NS, ctx);
    if (rc == 0)
        atomic_fetch_add(&service->done, 1);
    return rc;
}

/* In each variant `tasks` tasks are accepted, then the signal comes, and the time runs from there
 * to the moment when nothing is left to do. Making the pool and freeing it is outside. */

static void shut_down_serial(struct bench_run *run, int64_t tasks)
{
    struct service service = {0};
    int rc = textbook_signal_catch(SIGTERM);
    if (rc != 0) {
        bench_fail(run, "catch: %s", strerror(rc));
        return;
    }
    int64_t signal_ns = bench_now_ns();
    raise(SIGTERM);
    textbook_signal_wait();
    for (int64_t i = 0; i < tasks; i++)
        task_textbook(&service);
    run->elapsed_ns = bench_now_ns() - signal_ns;
    textbook_signal_release();
    run->done = service.done;
}

static void shut_down_textbook(struct bench_run *run, int64_t tasks)
{
    struct service service = {0};
    struct textbook_pool pool;
    int rc = textbook_pool_start(&pool, (size_t)run->workers, (size_t)tasks);
    if (rc != 0) {
        bench_fail(run, "pool: %s", strerror(rc));
        return;
    }
    rc = textbook_signal_catch(SIGTERM);
    for (int64_t i = 0; rc == 0 && i < tasks; i++)
        rc = textbook_pool_submit(&pool, task_textbook, &service);
    int64_t signal_ns = bench_now_ns();
    if (rc == 0) {
        raise(SIGTERM);
        textbook_signal_wait();
    } else {
        bench_fail(run, "submit: %s", strerror(rc));
    }
    textbook_pool_stop(&pool);
    run->elapsed_ns = bench_now_ns() - signal_ns;
    textbook_signal_release();
    run->done = service.done;
}

static void shut_down_conc(struct bench_run *run, int64_t tasks, int64_t limit_ns)
{
    struct service service = {0};
    struct conc_worker_pool *pool = NULL;
    struct conc_shutdown *shutdown = NULL;
    struct conc_shutdown_report report = {0};
    int rc = conc_shutdown_create(&shutdown, NULL, 0, NULL);
    if (rc == 0)
        rc = conc_worker_pool_create(
            &pool, &(struct conc_worker_pool_options){
                       .workers = (size_t)run->workers, .capacity = (size_t)tasks});
    for (int64_t i = 0; rc == 0 && i < tasks; i++)
        rc = conc_worker_pool_submit(pool, task_conc, &service, NULL);
    int64_t signal_ns = bench_now_ns();
    if (rc == 0) {
        raise(SIGTERM);
        rc = conc_shutdown_wait(shutdown, NULL);
        conc_shutdown_pool(pool, limit_ns, &report); /* ETIMEDOUT is what the limit is for */
    }
    run->elapsed_ns = bench_now_ns() - signal_ns;
    conc_worker_pool_destroy(pool);
    conc_shutdown_destroy(shutdown);
    if (rc != 0)
        bench_fail(run, "shutdown: %s", strerror(rc));
    run->done = service.done;
    run->result = report.finished + report.drained + report.interrupted + report.cancelled;
    /* A task that was interrupted may have come to its end in that very moment. */
    uint64_t done = (uint64_t)service.done;
    uint64_t worked_off = report.finished + report.drained;
    if (report.submitted != run->result || done < worked_off ||
        done > worked_off + report.interrupted)
        bench_fail(run, "the report does not add up");
}

/* ---- drain all ---- */

static void drain_serial(struct bench_run *run)
{
    shut_down_serial(run, run->items);
}

static void drain_textbook(struct bench_run *run)
{
    shut_down_textbook(run, run->items);
}

static void drain_conc(struct bench_run *run)
{
    shut_down_conc(run, run->items, CONC_FOREVER);
}

static bool all_drained(const struct bench_run *run)
{
    return run->done == run->items;
}

/* ---- a time limit ---- */

enum { ACCEPTED = 64 };

static void limit_serial(struct bench_run *run)
{
    shut_down_serial(run, ACCEPTED);
    run->result = (uint64_t)run->done;
}

static void limit_textbook(struct bench_run *run)
{
    shut_down_textbook(run, ACCEPTED);
    run->result = (uint64_t)run->done;
}

static void limit_conc(struct bench_run *run)
{
    shut_down_conc(run, ACCEPTED, run->parameter);
}

/* What became of every task is known. */
static bool all_accounted_for(const struct bench_run *run)
{
    return run->result == ACCEPTED;
}

static const struct bench_workload workloads[] = {
    {
        .name = "drain",
        .title = "From SIGTERM until tasks of 1 ms are drained",
        .note = "serial does the accepted tasks one after the other; the pools let their workers "
                "finish them. The tasks only wait, so the time falls with the workers.",
        .kind = BENCH_WAIT,
        .unit = "task",
        .items = 64,
        .quick_items = 32,
        .smoke_items = 8,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32),
        .variants = {{.name = "serial", .once = true, .run = drain_serial},
            {.name = "pthread", .run = drain_textbook}, {.name = "conc", .run = drain_conc}},
        .check = all_drained,
    },
    {
        .name = "limit",
        .title = "From SIGTERM to the end, with a time limit",
        .note = "64 tasks of 1 ms are accepted and 4 workers do them: 16 ms. serial and pthread "
                "know no limit. conc drains as long as the limit lets it, then cancels, and counts "
                "what was not done.",
        .kind = BENCH_MESSAGE,
        .unit = "shutdown",
        .items = 1,
        .sweep = "limit_ns",
        .points = BENCH_POINTS(0, 1000000, 4000000, 8000000, 32000000),
        .workers = 4,
        .variants = {{.name = "serial", .once = true, .run = limit_serial},
            {.name = "pthread", .once = true, .run = limit_textbook},
            {.name = "conc", .run = limit_conc}},
        .check = all_accounted_for,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){.number = 16,
            .slug = "graceful_shutdown",
            .title = "Graceful shutdown",
            .workloads = workloads});
}
