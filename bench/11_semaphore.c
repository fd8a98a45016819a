/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 11: what a permit costs when it is free and when it is scarce, how far waiting work
 * goes under a number of permits, and how long a large request waits among small ones.
 */

#include <errno.h>
#include <semaphore.h>

#include "bench/baselines/pthread_semaphore.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "sync/semaphore.h"
#include "sync/timer.h"

/* The three kinds side by side; a run uses one of them. */
struct permits {
    sem_t posix;
    struct textbook_semaphore textbook;
    struct conc_semaphore conc;
    atomic_int_fast64_t inside; /* how many hold a permit */
    atomic_int_fast64_t most;   /* how many ever did */
    atomic_int_fast64_t small;  /* workers that hold their first small permit */
    int64_t size;
    int64_t requests; /* of each small worker */
};

static void permits_create(struct bench_run *run, int64_t size)
{
    struct permits *p = calloc(1, sizeof *p);
    run->state = p;
    if (!p) {
        bench_fail(run, "no memory for the permits");
        return;
    }
    p->size = size;
    sem_init(&p->posix, 0, (unsigned)size);
    textbook_semaphore_init(&p->textbook, size);
    conc_semaphore_init(&p->conc, size);
}

static void permits_destroy(struct bench_run *run)
{
    struct permits *p = run->state;
    if (!p)
        return;
    conc_semaphore_destroy(&p->conc);
    textbook_semaphore_destroy(&p->textbook);
    sem_destroy(&p->posix);
    free(p);
}

static void permits_of_parameter(struct bench_run *run)
{
    permits_create(run, run->parameter);
}

static void posix_acquire(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

/* ---- acquire and release ---- */

static void pair_plain(struct team_share *share)
{
    int64_t free_permits = share->count;
    for (int64_t i = 0; i < share->count; i++) {
        free_permits--;
        __asm__ volatile("" : "+m"(free_permits)); /* kept by the compiler */
        free_permits++;
        share->result++;
    }
}

static void pair_posix(struct team_share *share)
{
    struct permits *p = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        posix_acquire(&p->posix);
        share->result++;
        sem_post(&p->posix);
    }
}

static void pair_textbook(struct team_share *share)
{
    struct permits *p = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        textbook_semaphore_acquire(&p->textbook, 1);
        share->result++;
        textbook_semaphore_release(&p->textbook, 1);
    }
}

static void pair_conc(struct team_share *share)
{
    struct permits *p = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        if (conc_semaphore_acquire(&p->conc, 1, NULL) != 0)
            return;
        share->result++;
        conc_semaphore_release(&p->conc, 1);
    }
}

static void run_pairs_serial(struct bench_run *run)
{
    team_alone(run, pair_plain);
}

static void run_pairs_posix(struct bench_run *run)
{
    team_pthread(run, pair_posix);
}

static void run_pairs_textbook(struct bench_run *run)
{
    team_pthread(run, pair_textbook);
}

static void run_pairs_conc(struct bench_run *run)
{
    team_conc(run, pair_conc);
}

static bool all_done(const struct bench_run *run)
{
    return run->result == (uint64_t)run->items;
}

/* ---- calls that wait, under a number of permits ---- */

enum { CALLERS = 32, CALL_NS = 1000000, HOLD_NS = 200000 };

static void enter(struct permits *p)
{
    int_fast64_t inside = atomic_fetch_add(&p->inside, 1) + 1;
    int_fast64_t most = atomic_load(&p->most);
    while (inside > most && !atomic_compare_exchange_weak(&p->most, &most, inside)) {
    }
}

static void leave(struct permits *p)
{
    atomic_fetch_sub(&p->inside, 1);
}

static void call_alone(struct team_share *share)
{
    for (int64_t i = 0; i < share->count; i++) {
        textbook_sleep_ns(CALL_NS);
        share->result++;
    }
}

static void call_posix(struct team_share *share)
{
    struct permits *p = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        posix_acquire(&p->posix);
        enter(p);
        textbook_sleep_ns(CALL_NS);
        leave(p);
        sem_post(&p->posix);
        share->result++;
    }
}

static void call_textbook(struct team_share *share)
{
    struct permits *p = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        textbook_semaphore_acquire(&p->textbook, 1);
        enter(p);
        textbook_sleep_ns(CALL_NS);
        leave(p);
        textbook_semaphore_release(&p->textbook, 1);
        share->result++;
    }
}

static void call_conc(struct team_share *share)
{
    struct permits *p = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        if (conc_semaphore_acquire(&p->conc, 1, NULL) != 0)
            return;
        enter(p);
        conc_sleep(CALL_NS, NULL);
        leave(p);
        conc_semaphore_release(&p->conc, 1);
        share->result++;
    }
}

/* CALLERS tasks, as many permits as the sweep says. The start of the tasks belongs to the price of
 * calling at the same time, so it is in the measurement. */

static void permits_of_workers(struct bench_run *run)
{
    permits_create(run, run->workers);
    run->workers = CALLERS;
}

static void run_calls_serial(struct bench_run *run)
{
    team_alone(run, call_alone);
    run->elapsed_ns = 0;
}

static void run_calls_posix(struct bench_run *run)
{
    team_pthread(run, call_posix);
    run->elapsed_ns = 0;
}

static void run_calls_textbook(struct bench_run *run)
{
    team_pthread(run, call_textbook);
    run->elapsed_ns = 0;
}

static void run_calls_conc(struct bench_run *run)
{
    team_conc(run, call_conc);
    run->elapsed_ns = 0;
}

static bool calls_right(const struct bench_run *run)
{
    const struct permits *p = run->state;
    return all_done(run) && (int64_t)p->most <= p->size;
}

/* ---- a large request among small ones ---- */

/* Worker 0 asks for all permits at once, when each of the others holds one. The others give theirs
 * back and take one again, a number of times. The result is how long the large request waited. */

static void permits_for_large(struct bench_run *run)
{
    permits_create(run, run->workers - 1);
    if (run->state)
        ((struct permits *)run->state)->requests = run->parameter;
}

static int64_t wait_for_the_others(struct permits *p)
{
    while (atomic_load(&p->small) < p->size)
        conc_yield();
    return bench_now_ns();
}

static void large_textbook(struct team_share *share)
{
    struct permits *p = share->state;
    if (share->worker == 0) {
        int64_t asked = wait_for_the_others(p);
        textbook_semaphore_acquire(&p->textbook, p->size);
        share->result = (uint64_t)(bench_now_ns() - asked);
        textbook_semaphore_release(&p->textbook, p->size);
        return;
    }
    for (int64_t i = 0; i < p->requests; i++) {
        textbook_semaphore_acquire(&p->textbook, 1);
        if (i == 0)
            atomic_fetch_add(&p->small, 1);
        textbook_sleep_ns(HOLD_NS);
        textbook_semaphore_release(&p->textbook, 1);
    }
}

static void large_conc(struct team_share *share)
{
    struct permits *p = share->state;
    if (share->worker == 0) {
        int64_t asked = wait_for_the_others(p);
        if (conc_semaphore_acquire(&p->conc, p->size, NULL) != 0)
            return;
        share->result = (uint64_t)(bench_now_ns() - asked);
        conc_semaphore_release(&p->conc, p->size);
        return;
    }
    for (int64_t i = 0; i < p->requests; i++) {
        if (conc_semaphore_acquire(&p->conc, 1, NULL) != 0)
            return;
        if (i == 0)
            atomic_fetch_add(&p->small, 1);
        conc_sleep(HOLD_NS, NULL);
        conc_semaphore_release(&p->conc, 1);
    }
}

static void run_large_textbook(struct bench_run *run)
{
    team_pthread(run, large_textbook);
    run->elapsed_ns = (int64_t)run->result;
}

static void run_large_conc(struct bench_run *run)
{
    team_conc(run, large_conc);
    run->elapsed_ns = (int64_t)run->result;
}

/* It was served, and every permit came back. */
static bool large_right(const struct bench_run *run)
{
    struct permits *p = run->state;
    return run->result > 0 && conc_semaphore_available(&p->conc) == p->size &&
           p->textbook.free == p->size;
}

static const struct bench_workload workloads[] = {
    {
        .name = "free",
        .title = "Acquire and release, a permit is always there",
        .note = "serial is the bare arithmetic, posix is sem_t, pthread a mutex and a condition. "
                "Nobody ever waits, so this is the price of the bookkeeping and of the cache line "
                "that holds it.",
        .kind = BENCH_MESSAGE,
        .unit = "permit",
        .items = 400000,
        .quick_items = 100000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .parameter = 64,
        .variants = {{.name = "serial", .once = true, .run = run_pairs_serial},
            {.name = "posix", .run = run_pairs_posix},
            {.name = "pthread", .run = run_pairs_textbook},
            {.name = "conc", .run = run_pairs_conc}},
        .setup = permits_of_parameter,
        .teardown = permits_destroy,
        .check = all_done,
    },
    {
        .name = "scarce",
        .title = "Acquire and release of the only permit",
        .note = "With several workers somebody always waits. conc hands a permit to the one who "
                "has waited longest, who must first wake up; the others let whoever is running "
                "take it, which is cheaper and not fair.",
        .kind = BENCH_MESSAGE,
        .unit = "permit",
        .items = 10000,
        .quick_items = 4000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .parameter = 1,
        .variants = {{.name = "serial", .once = true, .run = run_pairs_serial},
            {.name = "posix", .run = run_pairs_posix},
            {.name = "pthread", .run = run_pairs_textbook},
            {.name = "conc", .run = run_pairs_conc}},
        .setup = permits_of_parameter,
        .teardown = permits_destroy,
        .check = all_done,
    },
    {
        .name = "calls",
        .title = "Calls of 1 ms by 32 tasks, so many at a time",
        .note = "32 tasks share as many permits as the sweep has workers, and each does its calls "
                "with a permit in hand: at most so many are under way at once, and so many times "
                "faster it gets.",
        .kind = BENCH_WAIT,
        .unit = "call",
        .items = 32,
        .smoke_items = 32,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32),
        .variants = {{.name = "serial", .once = true, .run = run_calls_serial},
            {.name = "posix", .run = run_calls_posix},
            {.name = "pthread", .run = run_calls_textbook},
            {.name = "conc", .run = run_calls_conc}},
        .setup = permits_of_workers,
        .teardown = permits_destroy,
        .check = calls_right,
    },
    {
        .name = "large_request",
        .title = "How long a request for all 4 permits waits among small ones",
        .note = "Four workers hold one permit each, for 200 µs, again and again. First come, first "
                "served, the large request waits for those in front of it; where whoever comes by "
                "may take a free permit, it waits until the small ones have all been done.",
        .kind = BENCH_MESSAGE,
        .unit = "large request",
        .items = 1,
        .sweep = "small requests per worker",
        .points = BENCH_POINTS(2, 8, 32),
        .workers = 5,
        .baseline = "pthread",
        .variants = {{.name = "pthread", .run = run_large_textbook},
            {.name = "conc", .run = run_large_conc}},
        .setup = permits_for_large,
        .teardown = permits_destroy,
        .check = large_right,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){.number = 11,
            .slug = "semaphore",
            .title = "Weighted semaphore",
            .workloads = workloads});
}
