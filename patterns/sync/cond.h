/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_COND_H
#define CONC_SYNC_COND_H

/*
 * A condition: Go's sync.Cond, and pthread_cond_t for tasks, with contexts. A task that finds the
 * state it needs missing waits on the condition; whoever changes the state signals it.
 *
 *   conc_mutex_lock(&q->mutex, NULL);                       conc_mutex_lock(&q->mutex, NULL);
 *   while (q->len == 0 && rc == 0)                          q->len++;
 *       rc = conc_cond_wait(&q->not_empty, &q->mutex, ctx); conc_cond_signal(&q->not_empty);
 *   ...                                                     conc_mutex_unlock(&q->mutex);
 *
 * There are no spurious wake-ups, but the loop stays necessary: another task may take the mutex,
 * and the state, between the signal and the return of the wait. One condition per state: a signal
 * for two kinds of waiter wakes the wrong one.
 */

#include "sync/mutex.h"
#include "sync/waiter.h"

struct conc_cond {
    struct conc_lock lock; /* guards the queue */
    struct conc_wait_queue waiters;
};

#define CONC_COND_INIT                                                                             \
    {                                                                                              \
        .lock = CONC_LOCK_INIT                                                                     \
    }

void conc_cond_init(struct conc_cond *cond);

/* Ends its life. One that is waited for ends the program with a message. */
void conc_cond_destroy(struct conc_cond *cond);

/*
 * int conc_cond_wait(struct conc_cond *cond, struct conc_mutex *mutex, struct conc_context *ctx)
 *
 * Unlocks the mutex, which the caller holds, and waits, in one step: a signal between the two is
 * not lost. Woken by signal, broadcast, a cancel or the deadline; then takes the mutex again,
 * however long that takes, and returns with it held in every case. A signal taken by a waiter is
 * never lost to a cancel: a wait that was signalled returns 0.
 *
 * 0: signalled. ECANCELED, ETIMEDOUT: the context's end. A mutex that is not held ends the program
 * with a message.
 */
#define conc_cond_wait(cond, mutex, ctx) conc_cond_wait_at((cond), (mutex), (ctx), CONC_HERE)
int conc_cond_wait_at(struct conc_cond *cond, struct conc_mutex *mutex, struct conc_context *ctx,
    const struct conc_site *site);

/* Wakes the task that has waited longest, if any. Never waits. The mutex need not be held. */
static inline void conc_cond_signal(struct conc_cond *cond);

/* Wakes every task that waits at this moment. Never waits. */
static inline void conc_cond_broadcast(struct conc_cond *cond);

/* A look, for signal and broadcast, and for who is inside the mutex under which the state changes.
 * False: nobody waits, for whoever found the state missing stood in the queue before he unlocked
 * the mutex. True: perhaps somebody does. */
static inline bool conc_cond_has_waiters(const struct conc_cond *cond)
{
    /* Helgrind and DRD do not see what orders this look. */
    return CONC_LOCK_PTHREAD || conc_wait_queue_head(&cond->waiters);
}

static inline bool conc_cond_waited_on(struct conc_cond *cond)
{
    conc_sim_point();
    return conc_cond_has_waiters(cond);
}

/* The rest of signal and broadcast. */
void conc_cond_wake_one(struct conc_cond *cond);
void conc_cond_wake_all(struct conc_cond *cond);

static inline void conc_cond_signal(struct conc_cond *cond)
{
    if (conc_cond_waited_on(cond))
        conc_cond_wake_one(cond);
}

static inline void conc_cond_broadcast(struct conc_cond *cond)
{
    if (conc_cond_waited_on(cond))
        conc_cond_wake_all(cond);
}

#endif
