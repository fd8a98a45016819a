/* SPDX-License-Identifier: MIT */

/*
 * The worker pool: jobs that wait, jobs that compute, jobs that do nothing. Claims C1, C2, C8, C10.
 *
 * Where jobs are worth their time, the whole life of the pool is inside the measurement: start,
 * submissions, drain, join. Where the cost of a submission is the question, the pool is started
 * before, as in the document that claims it.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/baselines/expected.h"
#include "bench/baselines/pthread_pool.h"
#include "bench/shim/bench.h"
#include "sync/timer.h"
#include "worker_pool.h"

struct job {
    uint64_t seed;
    int64_t cost_ns;
    uint64_t result;
};

struct jobs {
    struct textbook_pool textbook;
    struct conc_worker_pool *pool;
    struct job job[];
};

/* ---- the jobs ---- */

static void job_sleep(struct job *job)
{
    conc_sleep(job->cost_ns, NULL);
    job->result = job->seed * 2;
}

static void job_compute(struct job *job)
{
    job->result = bench_work_ns(job->seed, job->cost_ns);
}

static void job_nothing(struct job *job)
{
    job->result = job->seed;
}

/* The same job as a function of the textbook's pool and of ours. */
#define AS_TASKS(name)                                                                             \
    static void name##_textbook(void *job)                                                         \
    {                                                                                              \
        name(job);                                                                                 \
    }                                                                                              \
    static int name##_conc(void *job, struct conc_context *ctx)                                    \
    {                                                                                              \
        (void)ctx;                                                                                 \
        name(job);                                                                                 \
        return 0;                                                                                  \
    }
AS_TASKS(job_sleep)
AS_TASKS(job_compute)
AS_TASKS(job_nothing)

struct kind {
    void (*serial)(struct job *job);
    void (*textbook)(void *job);
    conc_worker_pool_fn *conc;
};

static struct kind sleeping = {job_sleep, job_sleep_textbook, job_sleep_conc};
static struct kind computing = {job_compute, job_compute_textbook, job_compute_conc};
static struct kind empty = {job_nothing, job_nothing_textbook, job_nothing_conc};

/* ---- setup ---- */

static void jobs_setup(struct bench_run *run)
{
    struct jobs *jobs = calloc(1, sizeof *jobs + (size_t)run->items * sizeof jobs->job[0]);
    run->state = jobs;
    if (!jobs) {
        bench_fail(run, "no memory for %lld jobs", (long long)run->items);
        return;
    }
    for (int64_t i = 0; i < run->items; i++)
        jobs->job[i] = (struct job){.seed = (uint64_t)i, .cost_ns = run->parameter};
}

static void jobs_teardown(struct bench_run *run)
{
    free(run->state);
}

/* As many places in the queue as the documents give it: one for each of a thousand jobs. */
enum { CAPACITY = 1000 };

static bool start_textbook(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    int rc = textbook_pool_start(&jobs->textbook, (size_t)run->workers, CAPACITY);
    if (rc != 0)
        bench_fail(run, "textbook_pool_start: %s", strerror(rc));
    return rc == 0;
}

static bool start_conc(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    struct conc_worker_pool_options options = {
        .workers = (size_t)run->workers, .capacity = CAPACITY};
    int rc = conc_worker_pool_create(&jobs->pool, &options);
    if (rc != 0)
        bench_fail(run, "conc_worker_pool_create: %s", strerror(rc));
    return rc == 0;
}

static void setup_textbook(struct bench_run *run)
{
    jobs_setup(run);
    if (run->state)
        start_textbook(run);
}

static void setup_conc(struct bench_run *run)
{
    jobs_setup(run);
    if (run->state)
        start_conc(run);
}

static void teardown_conc(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    if (jobs)
        conc_worker_pool_destroy(jobs->pool);
    free(jobs);
}

/* ---- the runs ---- */

static void serial(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    const struct kind *kind = run->user;
    for (int64_t i = 0; i < run->items; i++)
        kind->serial(&jobs->job[i]);
}

static void submit_textbook(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    const struct kind *kind = run->user;
    for (int64_t i = 0; i < run->items; i++)
        textbook_pool_submit(&jobs->textbook, kind->textbook, &jobs->job[i]);
    textbook_pool_stop(&jobs->textbook);
}

static void submit_conc(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    const struct kind *kind = run->user;
    for (int64_t i = 0; i < run->items; i++)
        conc_worker_pool_submit(jobs->pool, kind->conc, &jobs->job[i], NULL);
    conc_worker_pool_stop(jobs->pool, CONC_POOL_DRAIN);
}

static void whole_textbook(struct bench_run *run)
{
    if (start_textbook(run))
        submit_textbook(run);
}

static void whole_conc(struct bench_run *run)
{
    struct jobs *jobs = run->state;
    if (!start_conc(run))
        return;
    submit_conc(run);
    conc_worker_pool_destroy(jobs->pool);
}

/* ---- the checks ---- */

static uint64_t sum_of(const struct bench_run *run)
{
    const struct jobs *jobs = run->state;
    uint64_t sum = 0;
    for (int64_t i = 0; i < run->items; i++)
        sum += jobs->job[i].result;
    return sum;
}

static uint64_t sum_to(int64_t items)
{
    return (uint64_t)items * ((uint64_t)items - 1) / 2;
}

static uint64_t compute_all(int64_t items, int64_t cost_ns)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < items; i++)
        sum += bench_work_ns((uint64_t)i, cost_ns);
    return sum;
}

static bool check_sleeping(const struct bench_run *run)
{
    return sum_of(run) == 2 * sum_to(run->items);
}

static bool check_computing(const struct bench_run *run)
{
    return sum_of(run) == expected_result(compute_all, run->items, run->parameter);
}

static bool check_empty(const struct bench_run *run)
{
    return sum_of(run) == sum_to(run->items);
}

/* ---- the table ---- */

/* Jobs of 1 µs and more become fewer, so that every point takes about as long in total. */
static int64_t fewer_when_long(int64_t work_ns, int64_t items)
{
    int64_t n = work_ns > 1000 ? items * 1000 / work_ns : items;
    return n < 20 ? 20 : n;
}

/* Not const: main sets the point of claim C10, the number of cores. */
static struct bench_workload workloads[] = {
    {
        .name = "sleep_1ms",
        .title = "1000 jobs that sleep for 1 ms",
        .note = "The documents' first benchmark. Every job only waits, so workers beyond the "
                "number of cores still pay. Starting and joining the workers is measured too.",
        .kind = BENCH_WAIT,
        .unit = "job",
        .items = 1000,
        .quick_items = 1000,
        .smoke_items = 20,
        .sweep = "workers",
        .points = BENCH_POINTS(10, 20, 50, 100),
        .parameter = 1000000,
        .user = &sleeping,
        .variants = {{.name = "serial", .once = true, .run = serial},
            {.name = "pthread", .run = whole_textbook}, {.name = "conc", .run = whole_conc}},
        .setup = jobs_setup,
        .teardown = jobs_teardown,
        .check = check_sleeping,
        .claims = {{.id = "C1", .at = 10}, {.id = "C2", .at = 100}},
    },
    {
        .name = "sleep_few",
        .title = "Jobs that sleep for 250 µs, from one worker on",
        .note = "Fewer and shorter jobs over the whole range of workers. With as many workers as "
                "jobs a run can take no less than one sleep: all else is start and end.",
        .kind = BENCH_WAIT,
        .unit = "job",
        .items = 128,
        .quick_items = 64,
        .smoke_items = 8,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32, 64),
        .parameter = 250000,
        .user = &sleeping,
        .variants = {{.name = "serial", .once = true, .run = serial},
            {.name = "pthread", .run = whole_textbook}, {.name = "conc", .run = whole_conc}},
        .setup = jobs_setup,
        .teardown = jobs_teardown,
        .check = check_sleeping,
    },
    {
        .name = "compute_20us",
        .title = "Jobs that compute for 20 µs",
        .note = "A core computes one job at a time: the line rises until there are as many workers "
                "as cores and then stays level. Start and end of the workers are measured too.",
        .kind = BENCH_CPU,
        .unit = "job",
        .items = 2000,
        .quick_items = 500,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32, 64),
        .parameter = 20000,
        .user = &computing,
        .variants = {{.name = "serial", .once = true, .run = serial},
            {.name = "pthread", .run = whole_textbook}, {.name = "conc", .run = whole_conc}},
        .setup = jobs_setup,
        .teardown = jobs_teardown,
        .check = check_computing,
        .claims = {{.id = "C10", .at = 2}},
    },
    {
        .name = "empty",
        .title = "Jobs that do nothing: the cost of a submission",
        .note = "From the first submission until the last job has run and the workers have ended; "
                "the workers are started before. The serial line calls the function.",
        .kind = BENCH_MESSAGE,
        .unit = "job",
        .items = 20000,
        .quick_items = 5000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 10),
        .user = &empty,
        .variants = {{.name = "serial", .once = true, .run = serial},
            {.name = "pthread", .run = submit_textbook, .setup = setup_textbook},
            {.name = "conc", .run = submit_conc, .setup = setup_conc, .teardown = teardown_conc}},
        .setup = jobs_setup,
        .teardown = jobs_teardown,
        .check = check_empty,
        .claims = {{.id = "C8", .at = 10}},
    },
    {
        .name = "work_per_job",
        .title = "How much work makes a job worth submitting",
        .note = "10 workers, jobs that compute for longer and longer. Where the lines cross the "
                "level of the serial loop, a submission costs as much as the second core saves.",
        .kind = BENCH_CPU,
        .unit = "job",
        .items = 20000,
        .quick_items = 5000,
        .items_at = fewer_when_long,
        .sweep = "work_ns",
        .points = BENCH_POINTS(10, 100, 1000, 10000, 100000),
        .workers = 10,
        .user = &computing,
        .variants = {{.name = "serial", .run = serial},
            {.name = "pthread", .run = submit_textbook, .setup = setup_textbook},
            {.name = "conc", .run = submit_conc, .setup = setup_conc, .teardown = teardown_conc}},
        .setup = jobs_setup,
        .teardown = jobs_teardown,
        .check = check_computing,
        .crossover = "C8 C10",
    },
    {0},
};

/* "N times on N cores" is asked at the first point with a worker for every core. */
static void claim_at_cores(struct bench_workload *workload)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int i = 0;
    while (i + 1 < workload->points.count && workload->points.values[i] < cores)
        i++;
    workload->claims[0].at = workload->points.values[i];
}

int main(int argc, char **argv)
{
    claim_at_cores(&workloads[2]);
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 3, .slug = "worker_pool", .title = "Worker pool", .workloads = workloads});
}
