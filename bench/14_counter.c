/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 14: what one increment of a shared counter costs, by a mutex, an atomic and stripes;
 * and what a lock costs when slow work is done while it is held.
 */

#include "bench/baselines/pthread_counter.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "counter.h"

/* ---- increments ---- */

static void increment_plain(struct team_share *share)
{
    int64_t count = 0;
    for (int64_t i = 0; i < share->count; i++) {
        count++;
        __asm__ volatile("" : "+m"(count)); /* one addition in memory each, not one for all */
    }
    share->result = (uint64_t)count;
}

static void increment_pthread(struct team_share *share)
{
    struct textbook_counter *counter = share->state;
    for (int64_t i = 0; i < share->count; i++)
        textbook_counter_add(counter, 1);
}

static void increment_conc(struct team_share *share)
{
    struct conc_counter *counter = share->state;
    for (int64_t i = 0; i < share->count; i++)
        conc_counter_inc(counter);
}

static void increment_local(struct team_share *share)
{
    struct conc_counter_local local;
    if (conc_counter_attach(share->state, &local) != 0)
        return;
    for (int64_t i = 0; i < share->count; i++)
        conc_counter_local_add(&local, 1);
    conc_counter_detach(&local);
}

static void create_pthread(struct bench_run *run)
{
    run->state = textbook_counter_create();
    if (!run->state)
        bench_fail(run, "no memory for the counter");
}

static void destroy_pthread(struct bench_run *run)
{
    textbook_counter_destroy(run->state);
}

static void create(struct bench_run *run, enum conc_counter_kind kind)
{
    struct conc_counter *counter = NULL;
    int rc = conc_counter_create(&counter, kind);
    if (rc != 0)
        bench_fail(run, "conc_counter_create: %s", strerror(rc));
    run->state = counter;
}

static void create_mutex(struct bench_run *run)
{
    create(run, CONC_COUNTER_MUTEX);
}

static void create_atomic(struct bench_run *run)
{
    create(run, CONC_COUNTER_ATOMIC);
}

static void create_striped(struct bench_run *run)
{
    create(run, CONC_COUNTER_STRIPED);
}

static void destroy(struct bench_run *run)
{
    conc_counter_destroy(run->state);
}

static void run_serial(struct bench_run *run)
{
    team_alone(run, increment_plain);
}

static void run_pthread(struct bench_run *run)
{
    team_pthread(run, increment_pthread);
    run->result = (uint64_t)textbook_counter_get(run->state);
}

static void run_conc(struct bench_run *run)
{
    team_conc(run, increment_conc);
    run->result = (uint64_t)conc_counter_get(run->state);
}

static void run_local(struct bench_run *run)
{
    team_conc(run, increment_local);
    run->result = (uint64_t)conc_counter_get(run->state);
}

static bool all_counted(const struct bench_run *run)
{
    return run->result == (uint64_t)run->items;
}

/* ---- slow work and a lock ---- */

enum { WORK_NS = 2000 };

/* A sum that all workers add to, and where they do the work that yields the addend. */
struct sum {
    struct conc_mutex mutex;
    struct textbook_counter *counter; /* of the textbook's */
    uint64_t total;                   /* under mutex */
};

static uint64_t work(int64_t item)
{
    return bench_work_ns((uint64_t)item, WORK_NS) >> 24; /* so that no sum overflows */
}

static void work_alone(struct team_share *share)
{
    for (int64_t i = 0; i < share->count; i++)
        share->result += work(share->first + i);
}

static void work_pthread(struct team_share *share)
{
    struct sum *sum = share->state;
    for (int64_t i = 0; i < share->count; i++)
        textbook_counter_add(sum->counter, (int64_t)work(share->first + i));
}

static void work_inside(struct team_share *share)
{
    struct sum *sum = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        conc_mutex_lock(&sum->mutex, NULL);
        sum->total += work(share->first + i);
        conc_mutex_unlock(&sum->mutex);
    }
}

static void work_outside(struct team_share *share)
{
    struct sum *sum = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        uint64_t addend = work(share->first + i);
        conc_mutex_lock(&sum->mutex, NULL);
        sum->total += addend;
        conc_mutex_unlock(&sum->mutex);
    }
}

static void sum_create(struct bench_run *run)
{
    struct sum *sum = calloc(1, sizeof *sum);
    run->state = sum;
    if (sum) {
        conc_mutex_init(&sum->mutex);
        sum->counter = textbook_counter_create();
    }
    if (!sum || !sum->counter)
        bench_fail(run, "no memory for the sum");
}

static void sum_destroy(struct bench_run *run)
{
    struct sum *sum = run->state;
    if (!sum)
        return;
    textbook_counter_destroy(sum->counter);
    conc_mutex_destroy(&sum->mutex);
    free(sum);
}

static void sum_alone(struct bench_run *run)
{
    team_alone(run, work_alone);
}

static void sum_pthread(struct bench_run *run)
{
    team_pthread(run, work_pthread);
    run->result = (uint64_t)textbook_counter_get(((struct sum *)run->state)->counter);
}

static void sum_inside(struct bench_run *run)
{
    team_conc(run, work_inside);
    run->result = ((struct sum *)run->state)->total;
}

static void sum_outside(struct bench_run *run)
{
    team_conc(run, work_outside);
    run->result = ((struct sum *)run->state)->total;
}

static bool sum_right(const struct bench_run *run)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < run->items; i++)
        sum += work(i);
    return run->result == sum;
}

static const struct bench_workload workloads[] = {
    {
        .name = "increment",
        .title = "Increments of one counter",
        .note = "serial is an addition that nobody shares, pthread a mutex of the C library around "
                "it; mutex, conc (atomic), striped and local are the library's counters. A shared "
                "word has to travel between the cores; stripes stay where they are.",
        .kind = BENCH_MESSAGE,
        .unit = "increment",
        .items = 2000000,
        .quick_items = 200000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial", .once = true, .run = run_serial},
            {.name = "pthread",
                .run = run_pthread,
                .setup = create_pthread,
                .teardown = destroy_pthread},
            {.name = "mutex", .run = run_conc, .setup = create_mutex},
            {.name = "conc", .run = run_conc, .setup = create_atomic},
            {.name = "striped", .run = run_conc, .setup = create_striped},
            {.name = "local", .run = run_local, .setup = create_striped}},
        .setup = create_atomic,
        .teardown = destroy,
        .check = all_counted,
        .claims = {{.id = "C7", .at = 8, .variant = "conc", .baseline = "mutex"}},
    },
    {
        .name = "lock_around_work",
        .title = "Work of 2 µs, inside and outside the lock",
        .note = "Each item is computed and added to a shared sum. With the work inside the lock "
                "the workers take turns and a second core adds nothing but wake-ups; outside it, "
                "only the addition is left to wait for.",
        .kind = BENCH_CPU,
        .unit = "item",
        .items = 2000,
        .quick_items = 1000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial", .once = true, .run = sum_alone},
            {.name = "pthread", .run = sum_pthread}, {.name = "inside", .run = sum_inside},
            {.name = "conc", .run = sum_outside}},
        .setup = sum_create,
        .teardown = sum_destroy,
        .check = sum_right,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 14, .slug = "counter", .title = "Counter", .workloads = workloads});
}
