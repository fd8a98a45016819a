/* SPDX-License-Identifier: MIT */

/*
 * Fan-out, fan-in: one stream to several workers and back to one. Jobs that wait for 100 µs (claims
 * C5 and C6), jobs that compute (C11), and how much computing makes it worth while.
 *
 * As in the documents a task feeds the input channel, both channels hold 100 elements, and all of
 * it is made and ended inside the measurement.
 */

#include <errno.h>
#include <string.h>

#include "bench/baselines/expected.h"
#include "bench/baselines/pthread_queue.h"
#include "bench/baselines/pthread_team.h"
#include "bench/shim/bench.h"
#include "fan_out_fan_in.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/timer.h"

enum { CAPACITY = 100 };

/* ---- the jobs ---- */

static uint64_t square_waiting(uint64_t n, int64_t cost_ns)
{
    conc_sleep(cost_ns, NULL);
    return n * n;
}

struct kind {
    uint64_t (*job)(uint64_t n, int64_t cost_ns);
};

static struct kind waiting = {square_waiting};
static struct kind computing = {bench_work_ns};

static void serial(struct bench_run *run)
{
    const struct kind *kind = run->user;
    for (int64_t i = 0; i < run->items; i++)
        run->result += kind->job((uint64_t)i, run->parameter);
    run->done = run->items;
}

/* ---- textbook: threads between two queues ---- */

struct textbook_fan {
    struct textbook_queue in;
    struct textbook_queue out;
    const struct bench_run *run;
};

static void *feed_textbook(void *arg)
{
    struct textbook_fan *fan = arg;
    for (uint64_t i = 0; i < (uint64_t)fan->run->items; i++)
        textbook_queue_push(&fan->in, &i);
    textbook_queue_close(&fan->in);
    return NULL;
}

static void *work_textbook(void *arg)
{
    struct textbook_fan *fan = arg;
    const struct kind *kind = fan->run->user;
    uint64_t n;
    while (textbook_queue_pop(&fan->in, &n) == 0) {
        n = kind->job(n, fan->run->parameter);
        textbook_queue_push(&fan->out, &n);
    }
    return NULL;
}

static void fan_pthread(struct bench_run *run)
{
    struct textbook_fan fan = {.run = run};
    struct textbook_team workers;
    struct textbook_team feeder;
    uint64_t result;
    int rc = textbook_queue_init(&fan.in, sizeof(uint64_t), CAPACITY);
    if (rc == 0 && (rc = textbook_queue_init(&fan.out, sizeof(uint64_t), CAPACITY)) != 0)
        textbook_queue_destroy(&fan.in);
    if (rc != 0) {
        bench_fail(run, "textbook_queue_init: %s", strerror(rc));
        return;
    }
    rc = textbook_team_start(&workers, (size_t)run->workers, work_textbook, &fan);
    if (rc == 0) {
        rc = textbook_team_start(&feeder, 1, feed_textbook, &fan);
        for (; rc == 0 && run->done < run->items; run->done++) {
            textbook_queue_pop(&fan.out, &result);
            run->result += result;
        }
        textbook_team_join(&feeder);
    }
    if (rc != 0) {
        textbook_queue_close(&fan.in);
        bench_fail(run, "textbook_team_start: %s", strerror(rc));
    }
    textbook_team_join(&workers);
    textbook_queue_destroy(&fan.out);
    textbook_queue_destroy(&fan.in);
}

/* ---- ours: conc_fan_map between two channels ---- */

static int work_conc(void *in, void *out, void *arg, struct conc_context *ctx)
{
    (void)ctx;
    const struct bench_run *run = arg;
    const struct kind *kind = run->user;
    *(uint64_t *)out = kind->job(*(const uint64_t *)in, run->parameter);
    return 0;
}

struct feeder {
    struct conc_chan *in;
    int64_t items;
};

static void feed_conc(void *arg)
{
    struct feeder *feeder = arg;
    for (uint64_t i = 0; i < (uint64_t)feeder->items; i++)
        if (conc_chan_send(feeder->in, &i, NULL) != 0)
            return;
    conc_chan_close(feeder->in);
}

/* Receives the results between two channels that are there. */
static int fan_between(
    struct bench_run *run, struct conc_chan *in, struct conc_chan *out, bool ordered)
{
    struct conc_fan_work work = {.in = in,
        .out = out,
        .workers = (size_t)run->workers,
        .ordered = ordered,
        .fn = work_conc,
        .arg = run};
    struct feeder feeder = {.in = in, .items = run->items};
    struct conc_fan *fan;
    struct conc_task *task;
    uint64_t result;
    int rc = conc_fan_map(&fan, &work, NULL);
    if (rc != 0)
        return rc;
    rc = conc_task_start(&task, feed_conc, &feeder);
    if (rc == 0) {
        for (; conc_chan_recv(out, &result, NULL) == 0; run->done++)
            run->result += result;
        rc = conc_fan_error(fan);
        conc_task_join(task);
    }
    conc_fan_destroy(fan);
    return rc;
}

static void fan_both(struct bench_run *run, bool ordered)
{
    struct conc_chan *in = NULL;
    struct conc_chan *out = NULL;
    int rc = conc_chan_create(&in, sizeof(uint64_t), CAPACITY, NULL);
    if (rc == 0)
        rc = conc_chan_create(&out, sizeof(uint64_t), CAPACITY, NULL);
    if (rc == 0)
        rc = fan_between(run, in, out, ordered);
    if (rc != 0)
        bench_fail(run, "fan-out: %s", strerror(rc));
    conc_chan_destroy(out);
    conc_chan_destroy(in);
}

static void fan_conc(struct bench_run *run)
{
    fan_both(run, false);
}

static void fan_ordered(struct bench_run *run)
{
    fan_both(run, true);
}

/* ---- the checks ---- */

static uint64_t all_squares(int64_t items, int64_t cost_ns)
{
    (void)cost_ns;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < (uint64_t)items; i++)
        sum += i * i;
    return sum;
}

static uint64_t all_computed(int64_t items, int64_t cost_ns)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < (uint64_t)items; i++)
        sum += bench_work_ns(i, cost_ns);
    return sum;
}

static bool check(const struct bench_run *run)
{
    return run->done == run->items &&
           run->result == expected_result(run->user == &waiting ? all_squares : all_computed,
                              run->items, run->parameter);
}

/* ---- the table ---- */

static int64_t fewer_when_long(int64_t work_ns, int64_t items)
{
    int64_t n = work_ns > 1000 ? items * 1000 / work_ns : items;
    return n < 20 ? 20 : n;
}

static const struct bench_workload workloads[] = {
    {
        .name = "sleep_100us",
        .title = "100 jobs that sleep for 100 µs",
        .note =
            "The documents' benchmark of fan-out. A sleep of 100 µs ends a little late on every "
            "system, in the loop and in the workers alike.",
        .kind = BENCH_WAIT,
        .unit = "job",
        .items = 100,
        .quick_items = 100,
        .smoke_items = 10,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32),
        .parameter = 100000,
        .user = &waiting,
        .variants = {{.name = "serial", .once = true, .run = serial},
            {.name = "pthread", .run = fan_pthread}, {.name = "conc", .run = fan_conc},
            {.name = "conc_ordered", .run = fan_ordered}},
        .check = check,
        .claims = {{.id = "C5", .at = 4}, {.id = "C6", .at = 8}},
    },
    {
        .name = "compute_50us",
        .title = "Jobs that compute for 50 µs",
        .note = "The bound is the number of cores. The task that feeds and the one that collects "
                "need a little of them too.",
        .kind = BENCH_CPU,
        .unit = "job",
        .items = 1000,
        .quick_items = 400,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32),
        .parameter = 50000,
        .user = &computing,
        .variants = {{.name = "serial", .once = true, .run = serial},
            {.name = "pthread", .run = fan_pthread}, {.name = "conc", .run = fan_conc},
            {.name = "conc_ordered", .run = fan_ordered}},
        .check = check,
        .claims = {{.id = "C11", .at = 4}},
    },
    {
        .name = "work_per_job",
        .title = "How much work makes a job worth handing out",
        .note = "4 workers, jobs that compute for longer and longer. Every job is handed over "
                "twice, so the crossing lies where that costs as much as the other cores save.",
        .kind = BENCH_CPU,
        .unit = "job",
        .items = 20000,
        .quick_items = 5000,
        .items_at = fewer_when_long,
        .sweep = "work_ns",
        .points = BENCH_POINTS(10, 100, 1000, 10000, 100000),
        .workers = 4,
        .user = &computing,
        .variants = {{.name = "serial", .run = serial}, {.name = "pthread", .run = fan_pthread},
            {.name = "conc", .run = fan_conc}, {.name = "conc_ordered", .run = fan_ordered}},
        .check = check,
        .crossover = "C11",
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){.number = 6,
            .slug = "fan_out_fan_in",
            .title = "Fan-out, fan-in",
            .workloads = workloads});
}
