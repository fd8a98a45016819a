/* SPDX-License-Identifier: MIT */
/*
 * 03 Worker pool
 *
 * How do a few workers do many tasks, without losing a result, an error or a worker?
 *
 *   ./conc run 03 --workers 4 --items 40
 *
 * Look for: tasks end in any order and on any worker; results are found by submission index. Task 5
 * ends its own thread: the pool counts that as an error and goes on with a new worker.
 * Try: --workers 1 (the order of submission), --capacity 0 (submit waits for a free worker),
 * --items 1000 --workers 2 and a look at how the time of the last trace line changes with 4.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demos/demo.h"
#include "runtime/task.h"
#include "worker_pool.h"

/* Input and output of one task. */
struct job {
    int64_t number;
    int64_t units; /* of work */
    uint64_t square;
};

static int square(void *arg, struct conc_context *ctx)
{
    struct job *job = arg;
    (void)ctx; /* nothing here waits, and no task is long: it need not ask whether to stop */
    demo_work((uint64_t)job->number, job->units);
    if (job->number == 5)
        conc_task_exit(); /* what a library may do to us */
    if (job->number % 7 == 6)
        return EDOM;
    job->square = (uint64_t)job->number * (uint64_t)job->number;
    demo_say("task %" PRId64 " done", job->number);
    return 0;
}

static void print_errors(struct conc_worker_pool *pool, uint64_t failed)
{
    struct conc_worker_pool_result *errors = calloc(failed + 1, sizeof *errors);
    size_t count;
    CHECK(errors != NULL);
    CHECK_OK(conc_worker_pool_errors(pool, errors, failed, &count));
    CHECK(count == failed);
    for (size_t i = 0; i < count; i++)
        demo_say("error of task %" PRIu64 ": %s", errors[i].index, strerror(errors[i].rc));
    free(errors);
}

int main(int argc, char **argv)
{
    int64_t capacity = 8;
    const struct demo_flag flags[] = {
        {"capacity", &capacity, 0, 1000000, "tasks that may wait in the queue"},
        {0},
    };
    struct demo demo = {
        .number = 3, .title = "Worker pool", .workers = 4, .items = 40, .flags = flags};
    demo_begin(&demo, argc, argv);

    struct job *jobs = calloc((size_t)demo.items + 1, sizeof *jobs);
    CHECK(jobs != NULL);

    /* snippet: pool */
    struct conc_worker_pool *pool;
    CHECK_OK(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){.workers = (size_t)demo.workers,
                   .capacity = (size_t)capacity,
                   .results = CONC_POOL_INDEXED}));
    for (int64_t i = 0; i < demo.items; i++) {
        jobs[i] = (struct job){.number = i, .units = demo.items > 1000 ? 1 : 1 + i % 10 * 10};
        CHECK_OK(conc_worker_pool_submit(pool, square, &jobs[i], NULL));
    }
    CHECK_OK(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    /* end snippet */

    uint64_t sum = 0;
    int64_t exited = 0;
    for (int64_t i = 0; i < demo.items; i++) {
        struct conc_worker_pool_result result;
        CHECK_OK(conc_worker_pool_result(pool, (uint64_t)i, &result));
        CHECK(result.arg == &jobs[i]);
        if (result.rc == 0)
            sum += jobs[i].square;
        exited += result.rc == EOWNERDEAD;
    }
    struct conc_worker_pool_stats s = conc_worker_pool_stats(pool);
    CHECK(s.submitted == s.completed + s.cancelled + s.waiting + s.running);
    print_errors(pool, s.failed);

    demo_result("workers %" PRId64 ", tasks %" PRId64 "\n", demo.workers, demo.items);
    demo_result("completed %" PRIu64 ", cancelled %" PRIu64 ", waiting %" PRIu64
                ", running %" PRIu64 "\n",
        s.completed, s.cancelled, s.waiting, s.running);
    demo_result("failed %" PRIu64 ", of these ended their thread %" PRId64 "\n", s.failed, exited);
    demo_result("sum of the squares of the others: %" PRIu64 "\n", sum);
    demo_result(
        "submit after stop: %s\n", strerror(conc_worker_pool_submit(pool, square, &jobs[0], NULL)));

    conc_worker_pool_destroy(pool);
    free(jobs);
    return demo_end(&demo);
}
