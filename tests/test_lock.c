/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <pthread.h>
#include <sched.h>

#include "runtime/lock.h"
#include "tests/unit.h"

START_TEST(takes_and_releases)
{
    struct conc_lock lock = CONC_LOCK_INIT;
    struct conc_lock other;
    conc_lock_init(&other);
    conc_lock_acquire(&lock);
    ck_assert(!conc_lock_try_acquire_raw(&lock));
    ck_assert(conc_lock_try_acquire_raw(&other)); /* one does not lock the other */
    conc_lock_release(&other);
    conc_lock_release(&lock);
    ck_assert(conc_lock_try_acquire_raw(&lock));
    conc_lock_release(&lock);
    conc_lock_destroy(&lock);
    conc_lock_destroy(&other);
}
END_TEST

struct shared {
    struct conc_lock lock;
    long counter; /* plain: the lock alone protects it */
    long rounds;
    atomic_bool closed; /* nobody begins yet */
};

static void *count_up(void *arg)
{
    struct shared *s = arg;
    while (atomic_load(&s->closed))
        conc_yield();
    for (long i = 0; i < s->rounds; i++) {
        if (i % 4 != 0 || !conc_lock_acquire_quick(&s->lock))
            conc_lock_acquire(&s->lock);
        s->counter++;
        if (i % 1024 == 0)
            sched_yield(); /* now and then the holder loses its processor: the others must sleep */
        conc_lock_release(&s->lock);
    }
    return NULL;
}

static void count_up_task(void *arg)
{
    count_up(arg);
}

enum { TASKS = 4, THREADS = 3 };

START_TEST(excludes)
{
    struct shared s = {.lock = CONC_LOCK_INIT, .rounds = (long)unit_scaled(20000)};
    struct conc_task *tasks[TASKS];
    pthread_t threads[THREADS];
    for (int i = 0; i < TASKS; i++)
        unit_ok(conc_task_start(&tasks[i], count_up_task, &s));
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &s), 0);
    for (int i = 0; i < TASKS; i++)
        conc_task_join(tasks[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(s.counter, (TASKS + THREADS) * s.rounds);
    ck_assert(conc_lock_try_acquire_raw(&s.lock));
    conc_lock_release(&s.lock);
    conc_lock_destroy(&s.lock);
}
END_TEST

/* A holder that keeps it for long: the waiters sleep and are woken, every one. */
START_TEST(sleepers_are_woken)
{
    struct shared s = {.lock = CONC_LOCK_INIT, .rounds = 3};
    for (size_t round = 0; round < unit_scaled(20); round++) {
        struct conc_task *tasks[TASKS];
        s.counter = 0;
        atomic_store(&s.closed, true); /* to start a task may let others run: not under the lock */
        for (int i = 0; i < TASKS; i++)
            unit_ok(conc_task_start(&tasks[i], count_up_task, &s));
        conc_lock_acquire(&s.lock);
        atomic_store(&s.closed, false);
        int64_t until = conc_deadline_after(CONC_MS(2));
        while (conc_now_ns() < until)
            sched_yield(); /* not conc_yield: who takes it on this worker would wait for ever */
        conc_lock_release(&s.lock);
        for (int i = 0; i < TASKS; i++)
            conc_task_join(tasks[i]);
        ck_assert_int_eq(s.counter, TASKS * s.rounds);
    }
    conc_lock_destroy(&s.lock);
}
END_TEST

struct cell {
    struct conc_lock lock;
    bool done; /* under lock */
};

static void finish(void *arg)
{
    struct cell *cell = arg;
    conc_lock_acquire(&cell->lock);
    cell->done = true;
    conc_lock_release(&cell->lock);
}

/* Whoever takes the lock next may free it, while the holder before is on its way out of release. */
START_TEST(freed_by_the_next_holder)
{
    for (size_t i = 0; i < unit_scaled(2000); i++) {
        struct cell *cell = malloc(sizeof *cell);
        struct conc_task *task;
        *cell = (struct cell){.lock = CONC_LOCK_INIT};
        unit_ok(conc_task_start(&task, finish, cell));
        for (bool done = false; !done;) {
            conc_lock_acquire(&cell->lock);
            done = cell->done;
            conc_lock_release(&cell->lock);
            if (!done)
                conc_yield(); /* the lock is not fair: who takes it in a loop keeps it */
        }
        conc_lock_destroy(&cell->lock);
        memset(cell, 0xEE, sizeof *cell);
        free(cell);
        conc_task_join(task);
    }
}
END_TEST

int main(void)
{
    return unit_main(
        "lock", takes_and_releases, excludes, sleepers_are_woken, freed_by_the_next_holder);
}
