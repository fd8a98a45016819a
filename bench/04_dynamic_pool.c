/* SPDX-License-Identifier: MIT */

/*
 * A pool that follows the load, from 2 to 16 workers, against pools of 8: under a flood (claim C9),
 * under a load that comes steadily or in bursts, and after times of rest.
 *
 * Where tasks come at set times the measure is not the time of the run, which those times decide,
 * but the delay of a task: from the moment it was due until its end.
 */

#include <stdlib.h>
#include <string.h>

#include "bench/baselines/pthread_pool.h"
#include "bench/shim/bench.h"
#include "dynamic_pool.h"
#include "runtime/clock.h"
#include "sync/timer.h"
#include "worker_pool.h"

enum { FIXED_WORKERS = 8, MIN_WORKERS = 2, MAX_WORKERS = 16, CAPACITY = 2 * MAX_WORKERS };

struct job {
    int64_t cost_ns;
    int64_t due_ns;
    int64_t ended_ns;
    int runs;
};

struct load {
    int (*submit)(struct load *load, struct job *job);
    void (*finish)(struct load *load); /* waits for all jobs and ends the workers */
    struct textbook_pool textbook;
    struct conc_worker_pool *fixed;
    struct conc_dynamic_pool *dynamic;
    struct job job[];
};

/* ---- the job ---- */

static void job_run(struct job *job)
{
    conc_sleep(job->cost_ns, NULL);
    job->runs++;
    job->ended_ns = conc_now_ns();
}

static void job_textbook(void *arg)
{
    job_run(arg);
}

static int job_conc(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    job_run(arg);
    return 0;
}

/* ---- who does it ---- */

static int submit_serial(struct load *load, struct job *job)
{
    (void)load;
    job_run(job);
    return 0;
}

static void finish_serial(struct load *load)
{
    (void)load;
}

static int submit_textbook(struct load *load, struct job *job)
{
    return textbook_pool_submit(&load->textbook, job_textbook, job);
}

static void finish_textbook(struct load *load)
{
    textbook_pool_stop(&load->textbook);
}

static int submit_fixed(struct load *load, struct job *job)
{
    return conc_worker_pool_submit(load->fixed, job_conc, job, NULL);
}

static void finish_fixed(struct load *load)
{
    conc_worker_pool_stop(load->fixed, CONC_POOL_DRAIN);
}

static int submit_dynamic(struct load *load, struct job *job)
{
    return conc_dynamic_pool_submit(load->dynamic, job_conc, job, NULL);
}

static void finish_dynamic(struct load *load)
{
    conc_dynamic_pool_stop(load->dynamic, CONC_DYNAMIC_DRAIN);
}

/* ---- setup ---- */

static struct load *load_create(struct bench_run *run)
{
    struct load *load = calloc(1, sizeof *load + (size_t)run->items * sizeof load->job[0]);
    run->state = load;
    if (!load)
        bench_fail(run, "no memory for %lld jobs", (long long)run->items);
    return load;
}

static void setup_serial(struct bench_run *run)
{
    struct load *load = load_create(run);
    if (!load)
        return;
    load->submit = submit_serial;
    load->finish = finish_serial;
}

static void setup_textbook(struct bench_run *run)
{
    struct load *load = load_create(run);
    if (!load)
        return;
    load->submit = submit_textbook;
    load->finish = finish_textbook;
    int rc = textbook_pool_start(&load->textbook, FIXED_WORKERS, CAPACITY);
    if (rc != 0)
        bench_fail(run, "textbook_pool_start: %s", strerror(rc));
}

static void setup_fixed(struct bench_run *run)
{
    struct load *load = load_create(run);
    if (!load)
        return;
    load->submit = submit_fixed;
    load->finish = finish_fixed;
    struct conc_worker_pool_options options = {.workers = FIXED_WORKERS, .capacity = CAPACITY};
    int rc = conc_worker_pool_create(&load->fixed, &options);
    if (rc != 0)
        bench_fail(run, "conc_worker_pool_create: %s", strerror(rc));
}

static void setup_dynamic(struct bench_run *run)
{
    struct load *load = load_create(run);
    if (!load)
        return;
    load->submit = submit_dynamic;
    load->finish = finish_dynamic;
    struct conc_dynamic_pool_options options = {.min = MIN_WORKERS,
        .max = MAX_WORKERS,
        .growth = CONC_GROW_ONE,
        .capacity = CAPACITY,
        .idle_ns = CONC_MS(5)};
    int rc = conc_dynamic_pool_create(&load->dynamic, &options);
    if (rc != 0)
        bench_fail(run, "conc_dynamic_pool_create: %s", strerror(rc));
}

static void teardown(struct bench_run *run)
{
    struct load *load = run->state;
    if (!load)
        return;
    conc_worker_pool_destroy(load->fixed);
    conc_dynamic_pool_destroy(load->dynamic);
    free(load);
}

/* ---- the runs ---- */

static void submit(struct bench_run *run, struct job *job)
{
    struct load *load = run->state;
    int rc = load->submit(load, job);
    if (rc != 0)
        bench_fail(run, "submit: %s", strerror(rc));
}

/* All at once; the time is the run's. */
static void flood(struct bench_run *run)
{
    struct load *load = run->state;
    for (int64_t i = 0; i < run->items; i++) {
        load->job[i].cost_ns = CONC_MS(10);
        submit(run, &load->job[i]);
    }
    load->finish(load);
}

/* Bursts of so many jobs of 1 ms, one burst every period; the time is the sum of the delays. */
static void arrive(struct bench_run *run, int64_t burst, int64_t period_ns)
{
    struct load *load = run->state;
    int64_t begin_ns = conc_now_ns();
    for (int64_t i = 0; i < run->items; i++) {
        struct job *job = &load->job[i];
        job->cost_ns = CONC_MS(1);
        job->due_ns = begin_ns + i / burst * period_ns;
        conc_sleep_until(job->due_ns, NULL);
        submit(run, job);
    }
    load->finish(load);
    for (int64_t i = 0; i < run->items; i++)
        run->elapsed_ns += load->job[i].ended_ns - load->job[i].due_ns;
}

/* Four jobs under way on average, however large the bursts. */
static void bursts(struct bench_run *run)
{
    arrive(run, run->parameter, run->parameter * CONC_MS(1) / 4);
}

/* The pause comes on top of what a burst of 16 takes with 8 workers. */
static void rests(struct bench_run *run)
{
    arrive(run, 16, CONC_MS(3) + run->parameter);
}

static bool check(const struct bench_run *run)
{
    const struct load *load = run->state;
    for (int64_t i = 0; i < run->items; i++)
        if (load->job[i].runs != 1)
            return false;
    return true;
}

static int64_t as_many_as_point(int64_t point, int64_t items)
{
    (void)items;
    return point;
}

/* ---- the table ---- */

static const struct bench_workload workloads[] = {
    {
        .name = "flood",
        .title = "Jobs of 10 ms, all at once",
        .note =
            "The documents' comparison. Up to 8 jobs a pool of 8 has a worker for each; beyond, "
            "up to 16 workers are faster than 8 because the jobs only wait.",
        .kind = BENCH_MESSAGE,
        .unit = "job",
        .items = 1,
        .items_at = as_many_as_point,
        .sweep = "jobs",
        .points = BENCH_POINTS(4, 8, 16, 64),
        .baseline = "fixed",
        .variants = {{.name = "pthread", .run = flood, .setup = setup_textbook},
            {.name = "fixed", .run = flood, .setup = setup_fixed},
            {.name = "conc", .run = flood, .setup = setup_dynamic}},
        .teardown = teardown,
        .check = check,
        .claims = {{.id = "C9", .at = 64}},
    },
    {
        .name = "bursts",
        .title = "The delay of a job of 1 ms: steadily, or in bursts",
        .note = "4000 jobs a second, 4 under way on average: one by one at the left, in bursts at "
                "the right. No delay is below 1 ms. The serial loop cannot keep up: its delay "
                "grows with every job.",
        .kind = BENCH_MESSAGE,
        .unit = "job",
        .items = 128,
        .quick_items = 64,
        .smoke_items = 8,
        .sweep = "burst",
        .points = BENCH_POINTS(1, 4, 16, 32),
        .variants = {{.name = "serial", .run = bursts, .setup = setup_serial},
            {.name = "pthread", .run = bursts, .setup = setup_textbook},
            {.name = "fixed", .run = bursts, .setup = setup_fixed},
            {.name = "conc", .run = bursts, .setup = setup_dynamic}},
        .teardown = teardown,
        .check = check,
    },
    {
        .name = "rests",
        .title = "The delay of a job of 1 ms in a burst of 16, after a rest",
        .note = "After 5 ms without work the workers beyond two leave, and the next burst has to "
                "start them again: what the dynamic pool pays for holding fewer threads.",
        .kind = BENCH_MESSAGE,
        .unit = "job",
        .items = 64,
        .quick_items = 32,
        .smoke_items = 16,
        .sweep = "rest_ns",
        .points = BENCH_POINTS(1000000, 10000000, 30000000),
        .baseline = "fixed",
        .variants = {{.name = "pthread", .run = rests, .setup = setup_textbook},
            {.name = "fixed", .run = rests, .setup = setup_fixed},
            {.name = "conc", .run = rests, .setup = setup_dynamic}},
        .teardown = teardown,
        .check = check,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 4, .slug = "dynamic_pool", .title = "Dynamic pool", .workloads = workloads});
}
