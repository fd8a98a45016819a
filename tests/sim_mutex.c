/* SPDX-License-Identifier: MIT */

/*
 * Mutexes under many schedules: one holder at a time, and nobody sleeps on while it is free,
 * whatever comes between an unlock, a cancel and a deadline.
 */

#include "sync/context.h"
#include "sync/mutex.h"
#include "tests/sim.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct conc_context ctx;
static int counter; /* under the mutex; read and written in two steps */
static int rounds;  /* how often it was held */

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* With the mutex held. */
static void count(void)
{
    int seen = counter;
    conc_sim_point();
    counter = seen + 1;
    rounds++;
}

/* ---------------------------------------------------------------- exclusion */

static void lock_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sim_ok(conc_mutex_lock(&mutex, NULL));
        count();
        conc_mutex_unlock(&mutex);
    }
}

static void exclusion(void)
{
    for (int i = 0; i < 3; i++)
        sim_go(lock_twice, NULL);
    sim_join();
    sim_check(counter == 6);
    conc_mutex_destroy(&mutex);
}

static void try_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int rc = conc_mutex_try_lock(&mutex);
        sim_check(rc == 0 || rc == EAGAIN);
        sim_reached(rc == 0 ? "taken" : "refused");
        if (rc == 0) {
            count();
            conc_mutex_unlock(&mutex);
        }
    }
}

static void trying(void)
{
    sim_go(lock_twice, NULL);
    sim_go(try_twice, NULL);
    sim_go(lock_twice, NULL);
    sim_join();
    sim_check(counter == rounds && rounds >= 4);
    conc_mutex_destroy(&mutex);
}

/* ---------------------------------------------------------------- giving up */

static void lock_or_give_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int rc = conc_mutex_lock(&mutex, &ctx);
        if (rc != 0) {
            sim_check(rc == ECANCELED);
            sim_reached("given up");
            return;
        }
        count();
        conc_mutex_unlock(&mutex);
    }
    sim_reached("held twice");
}

/* The wake-up of one that gives up at that moment goes to another. */
static void cancel_races(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_go(lock_or_give_up, NULL);
    sim_go(lock_twice, NULL);
    sim_go(lock_or_give_up, NULL);
    sim_go(cancel, NULL);
    sim_join();
    sim_check(counter == rounds && rounds >= 2);
    sim_ok(conc_mutex_try_lock(&mutex));
    conc_mutex_unlock(&mutex);
    conc_mutex_destroy(&mutex);
    conc_context_destroy(&ctx);
}

static void lock_until_ten(void *arg)
{
    (void)arg;
    int rc = conc_mutex_lock(&mutex, &ctx);
    sim_check(rc == 0 || rc == ETIMEDOUT);
    sim_reached(rc == 0 ? "held" : "timed out");
    if (rc == 0) {
        count();
        conc_mutex_unlock(&mutex);
    }
}

/* The unlock and the end of the wait come at the same moment. The second waiter has time, and must
 * not be forgotten. */
static void deadline_races(void)
{
    conc_context_with_deadline(&ctx, NULL, CONC_MS(10));
    sim_ok(conc_mutex_lock(&mutex, NULL));
    sim_go(lock_until_ten, NULL);
    sim_go(lock_twice, NULL);
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    conc_mutex_unlock(&mutex);
    sim_join();
    sim_check(counter == rounds && rounds >= 2);
    conc_mutex_destroy(&mutex);
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- fairness */

static bool had_it;

static void wait_for_it(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    had_it = true;
    conc_mutex_unlock(&mutex);
}

/* One that has waited for long is handed the mutex: the holder, who would take it again at once,
 * finds it taken. */
static void handed_on(void)
{
    sim_ok(conc_mutex_lock(&mutex, NULL));
    sim_go(wait_for_it, NULL);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    conc_mutex_unlock(&mutex);
    int rc = conc_mutex_try_lock(&mutex);
    sim_check(rc == 0 ? had_it : rc == EAGAIN);
    sim_reached(rc == 0 ? "after it" : "taken");
    if (rc == 0)
        conc_mutex_unlock(&mutex);
    sim_join();
    conc_mutex_destroy(&mutex);
}

static int turns;

static void lock_in_turn(void *arg)
{
    int turn = *(const int *)arg;
    sim_ok(conc_sleep(CONC_MS(turn), NULL));
    sim_ok(conc_mutex_lock(&mutex, NULL));
    sim_check(++turns == turn);
    conc_mutex_unlock(&mutex);
}

static void first_come_first_served(void)
{
    static const int numbers[] = {1, 2, 3};
    sim_ok(conc_mutex_lock(&mutex, NULL));
    for (int i = 0; i < 3; i++)
        sim_go(lock_in_turn, (void *)(uintptr_t)&numbers[i]);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    conc_mutex_unlock(&mutex);
    sim_join();
    sim_check(turns == 3);
    conc_mutex_destroy(&mutex);
}

/* ---------------------------------------------------------------- the end of its life */

static struct {
    struct conc_mutex mutex;
    int users;
} * shared;

/* Whoever holds it last frees it, though the unlock before may not have returned. */
static void leave(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&shared->mutex, NULL));
    bool last = --shared->users == 0;
    conc_mutex_unlock(&shared->mutex);
    if (last) {
        conc_mutex_destroy(&shared->mutex);
        memset(shared, 0xA5, sizeof *shared);
        free(shared);
    }
}

static void destroyed_at_once(void)
{
    shared = malloc(sizeof *shared);
    sim_check(shared);
    conc_mutex_init(&shared->mutex);
    shared->users = 3;
    for (int i = 0; i < 3; i++)
        sim_go(leave, NULL);
    sim_join();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(exclusion), SIM(trying, "taken", "refused"),
        SIM(cancel_races, "given up", "held twice"), SIM(deadline_races, "held", "timed out"),
        SIM(handed_on, "after it", "taken"), SIM(first_come_first_served), SIM(destroyed_at_once));
}
