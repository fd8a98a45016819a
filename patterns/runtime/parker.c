/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/parker.h"

static struct timespec timespec_of(int64_t ns)
{
    if (ns < 0)
        ns = 0;
    return (struct timespec){.tv_sec = ns / CONC_S(1), .tv_nsec = ns % CONC_S(1)};
}

#if CONC_PARKER_PTHREAD

void conc_parker_init(struct conc_parker *p)
{
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->cond, &attr);
    pthread_condattr_destroy(&attr);
    p->word = CONC_PARKER_AWAKE;
}

void conc_parker_destroy(struct conc_parker *p)
{
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->mutex);
}

static bool change(struct conc_parker *p, int from, int to)
{
    pthread_mutex_lock(&p->mutex);
    bool as_expected = p->word == from;
    if (as_expected)
        p->word = to;
    pthread_mutex_unlock(&p->mutex);
    return as_expected;
}

bool conc_parker_look(struct conc_parker *p, int64_t deadline_ns)
{
    (void)deadline_ns;
    return change(p, CONC_PARKER_TOKEN, CONC_PARKER_AWAKE);
}

void conc_parker_take(struct conc_parker *p)
{
    change(p, CONC_PARKER_TOKEN, CONC_PARKER_AWAKE);
}

int conc_parker_sleep(struct conc_parker *p, int state, int64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    int rc = 0;
    pthread_mutex_lock(&p->mutex);
    while (p->word == state && rc == 0)
        rc = deadline_ns == CONC_FOREVER ? pthread_cond_wait(&p->cond, &p->mutex)
                                         : pthread_cond_timedwait(&p->cond, &p->mutex, &until);
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

/* Everything under the mutex: as soon as it is free, the owner may be freed. */
int conc_parker_put(struct conc_parker *p)
{
    pthread_mutex_lock(&p->mutex);
    int was = p->word;
    p->word = CONC_PARKER_TOKEN;
    if (was == CONC_PARKER_COUNTED)
        conc_census_awake();
    if (was == CONC_PARKER_ASLEEP || was == CONC_PARKER_COUNTED)
        pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->mutex);
    return was;
}

#else

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cores.h"

/*
 * At first a microsecond, as one looks for a lock: nothing for who works on another core in turn
 * with us. Then for some more by the clock, if looking has paid of late; after each time that it
 * did not, it is left out twice as often. Not as long as waking us would take: who looks keeps a
 * core busy, and the kernel sees no reason to bring there one of two that compute on another.
 *
 * Looking for long gives the core to whoever else could run on it, and what that one takes does not
 * count: where there are more threads than cores, they so work in turns without waking each other.
 * But one that gets the core computes for as long as the kernel lets it, where a thread that is
 * woken from a sleep would be let in at once. So two such turns are enough, a long one has not paid
 * whatever came of it, and where the deadline is near nobody gives way.
 *
 * Whom we have just woken takes longer to answer: if we fell asleep meanwhile it would have to wake
 * us, and so on, message by message.
 */
enum {
    QUICK_LOOKS = 64,
    LONG_NS = 4000,
    AFTER_WAKE_NS = 30000,
    OTHERS_RAN_NS = 4000,   /* a yield that took longer */
    LONG_TURN_NS = 1000000, /* others ran for long */
    NEAR_NS = 10000000,     /* of a deadline */
    MOST_TURNS = 2,
    MOST_LEFT_OUT = 64
};

/* The calling thread has woken another since it last looked for long. */
static _Thread_local bool has_woken;

void conc_parker_init(struct conc_parker *p)
{
    *p = (struct conc_parker){0};
}

void conc_parker_destroy(struct conc_parker *p)
{
    (void)p;
}

static bool change(struct conc_parker *p, int from, int to)
{
    return atomic_compare_exchange_strong(&p->word, &from, to);
}

static inline bool token_there(struct conc_parker *p)
{
    return atomic_load_explicit(&p->word, memory_order_acquire) == CONC_PARKER_TOKEN;
}

void conc_parker_take(struct conc_parker *p)
{
    atomic_store_explicit(&p->word, CONC_PARKER_AWAKE, memory_order_relaxed);
}

static __attribute__((noinline)) bool look_for_long(struct conc_parker *p, int64_t deadline_ns)
{
    if (p->not_again > 0) {
        p->not_again--;
        return false;
    }
    int64_t left_ns = has_woken ? AFTER_WAKE_NS : LONG_NS;
    int64_t now_ns = conc_machine_now_ns();
    if (deadline_ns < conc_time_add(now_ns, NEAR_NS))
        return false;
    bool there = false;
    bool long_turn = false;
    has_woken = false;
    for (int turns = 0; !there && turns < MOST_TURNS && left_ns > 0;) {
        int64_t before_ns = now_ns;
        sched_yield();
        there = token_there(p);
        now_ns = conc_machine_now_ns();
        if (now_ns - before_ns < OTHERS_RAN_NS)
            left_ns -= now_ns - before_ns;
        else
            turns++;
        long_turn |= now_ns - before_ns > LONG_TURN_NS;
    }
    if (there && !long_turn)
        p->in_vain = 0;
    else
        p->not_again = p->in_vain = p->in_vain < MOST_LEFT_OUT ? 2 * p->in_vain + 1 : MOST_LEFT_OUT;
    return there;
}

bool conc_parker_look(struct conc_parker *p, int64_t deadline_ns)
{
    bool there = token_there(p);
    /* On one core nobody could write it meanwhile. */
    int looks = conc_cores() > 1 ? QUICK_LOOKS : 0;
    for (int i = 0; i < looks && !there; i++) {
        conc_core_pause();
        there = token_there(p);
    }
    there = there || look_for_long(p, deadline_ns);
    if (there)
        conc_parker_take(p);
    return there;
}

static long futex(atomic_int *word, int op, int value, const struct timespec *until)
{
    int saved_errno = errno;
    long rc = syscall(
        SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
    rc = rc < 0 ? errno : 0;
    errno = saved_errno;
    return rc;
}

/* The deadline is one of CLOCK_MONOTONIC for this kind of wait. */
int conc_parker_sleep(struct conc_parker *p, int state, int64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    while (atomic_load_explicit(&p->word, memory_order_acquire) == state)
        if (futex(&p->word, FUTEX_WAIT_BITSET, state,
                deadline_ns == CONC_FOREVER ? NULL : &until) == ETIMEDOUT)
            return ETIMEDOUT;
    return 0;
}

/*
 * Who is counted as asleep stays so until the token is there, and is counted as awake before that:
 * it may see the token at once, go on and fall asleep again, and would then, not counted, take
 * itself for the last one awake while we run.
 *
 * The word may be gone when we wake whoever sleeps on it. Its address is all that the call takes;
 * and who sleeps there by then, on a word of its own, looks at it and sleeps on.
 */
int conc_parker_put(struct conc_parker *p)
{
    int was = CONC_PARKER_AWAKE;
    while (!atomic_compare_exchange_strong(&p->word, &was, CONC_PARKER_TOKEN))
        if (was == CONC_PARKER_COUNTED)
            conc_census_awake();
    if (was == CONC_PARKER_ASLEEP || was == CONC_PARKER_COUNTED) {
        futex(&p->word, FUTEX_WAKE, 1, NULL);
        has_woken = true;
    }
    return was;
}

#endif

bool conc_parker_enter(struct conc_parker *p, int state)
{
    return change(p, CONC_PARKER_AWAKE, state);
}

bool conc_parker_leave(struct conc_parker *p, int state)
{
    return change(p, state, CONC_PARKER_AWAKE);
}
