/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_MUTEX_H
#define CONC_SYNC_MUTEX_H

/*
 * A mutex on which tasks wait: Go's sync.Mutex. May be held across a wait, unlike the runtime's
 * internal lock. Not recursive; only the task that locked it may unlock it.
 *
 *   static struct conc_mutex mutex = CONC_MUTEX_INIT;
 *
 *   conc_mutex_lock(&mutex, NULL);
 *   balance += amount;
 *   conc_mutex_unlock(&mutex);
 *
 * Waiters are woken in the order in which they came, one at a time. A running task may overtake one
 * that is just waking up (it saves a switch per lock), until that one has waited for a millisecond:
 * then the mutex is handed to it. The rule is that of Go's mutex.
 */

#include "sync/waiter.h"

struct conc_mutex {
    struct conc_lock lock;   /* guards the fields below */
    struct conc_task *owner; /* NULL: free */
    bool waking;             /* a waiter was woken to compete and has not done so yet */
    struct conc_wait_queue waiters;
};

#define CONC_MUTEX_INIT                                                                            \
    {                                                                                              \
        .lock = CONC_LOCK_INIT                                                                     \
    }

/* Makes a mutex that is free; for one that cannot be initialised statically. */
void conc_mutex_init(struct conc_mutex *mutex);

/* Ends its life. One that is held or waited for ends the program with a message. */
void conc_mutex_destroy(struct conc_mutex *mutex);

/*
 * int conc_mutex_lock(struct conc_mutex *mutex, struct conc_context *ctx)
 *
 * Takes the mutex. Waits until it is free; woken by an unlock, a cancel or the deadline. A mutex
 * that is free wins over a context that is done. What was written before the unlock is visible
 * afterwards.
 *
 * 0: held. ECANCELED, ETIMEDOUT: not held. With ctx NULL it always succeeds. Locking it twice from
 * one task ends the program with a message: it could never be woken.
 */
#define conc_mutex_lock(mutex, ctx) conc_mutex_lock_at((mutex), (ctx), CONC_HERE)
static inline int conc_mutex_lock_at(
    struct conc_mutex *mutex, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: 0, or EAGAIN when it is held (by the caller, too). */
#define conc_mutex_try_lock(mutex) conc_mutex_try_lock_at((mutex), CONC_HERE)
int conc_mutex_try_lock_at(struct conc_mutex *mutex, const struct conc_site *site);

/* Frees the mutex and wakes the first waiter. Unlocking one that the caller does not hold ends the
 * program with a message. Never waits. */
#define conc_mutex_unlock(mutex) conc_mutex_unlock_at((mutex), CONC_HERE)
static inline void conc_mutex_unlock_at(struct conc_mutex *mutex, const struct conc_site *site);

/* For the two functions below. The rest of them when somebody waits or is wrong: called with the
 * internal lock held, which they release. */
int conc_mutex_lock_held(
    struct conc_mutex *mutex, struct conc_context *ctx, const struct conc_site *site);
void conc_mutex_unlock_held(struct conc_mutex *mutex, const struct conc_site *site);

/* The whole, for when somebody looks on (watch.h) or the internal lock is not to be had at once. */
int conc_mutex_lock_slow(
    struct conc_mutex *mutex, struct conc_context *ctx, const struct conc_site *site);
void conc_mutex_unlock_slow(struct conc_mutex *mutex, const struct conc_site *site);

/* Called with the internal lock held. True: the mutex is free, and so is that lock. False: somebody
 * has to be woken, or told of a mistake, and nothing is done. */
static inline bool conc_mutex_give(struct conc_mutex *mutex, const struct conc_task *self)
{
    if (mutex->owner != self || conc_wait_queue_head(&mutex->waiters))
        return false;
    mutex->owner = NULL;
    conc_lock_release(&mutex->lock);
    return true;
}

/* For conc_cond_wait, which does not wake anybody with a lock of its own held. True: it is
 * unlocked. False: it is not, and conc_mutex_unlock has to. */
bool conc_mutex_unlock_quick(struct conc_mutex *mutex);

/* Inline always: a call costs as much as the rest. */
static inline __attribute__((always_inline)) int conc_mutex_lock_at(
    struct conc_mutex *mutex, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_task *self = conc_task_current_get(); /* NULL the first time a thread is asked */
    if (!self || conc_is_watched() || !conc_lock_acquire_quick(&mutex->lock))
        return conc_mutex_lock_slow(mutex, ctx, site);
    if (__builtin_expect(mutex->owner != NULL, 0))
        return conc_mutex_lock_held(mutex, ctx, site);
    mutex->owner = self;
    conc_lock_release(&mutex->lock);
    return 0;
}

static inline __attribute__((always_inline)) void conc_mutex_unlock_at(
    struct conc_mutex *mutex, const struct conc_site *site)
{
    const struct conc_task *self = conc_task_current_get();
    if (!self || conc_is_watched() || !conc_lock_acquire_quick(&mutex->lock))
        conc_mutex_unlock_slow(mutex, site);
    else if (!conc_mutex_give(mutex, self))
        conc_mutex_unlock_held(mutex, site);
}

#endif
