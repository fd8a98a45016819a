/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_LOCK_H
#define CONC_RUNTIME_LOCK_H

/*
 * The short internal lock that guards the fields of a channel, a mutex, a context. It is held for a
 * few instructions and never across a wait, a callback or an allocation, so it needs no queue, no
 * deadline and no fairness. To wait for something, put a waiter into a queue under this lock and
 * park (engine.h). Programs that want a lock of their own take conc_mutex (sync/mutex.h).
 *
 * Two bodies. In the valgrind preset it is a pthread mutex, because Helgrind and DRD understand
 * those and nothing weaker. Elsewhere it is one word, taken by an exchange and released by a plain
 * store: one locked instruction a pair, where a futex lock needs two to learn whether somebody
 * sleeps on it. When the holder has been preempted by the kernel, whoever waits stops spinning
 * after a microsecond and sleeps in short naps (lock.c).
 *
 * Taking a lock is a choice point of the sim engine (sim.h): all that tasks do to each other
 * happens under one, or at an atomic that has a choice point of its own.
 *
 * Unlocking touches the lock last by that store. An object may therefore be freed by whoever takes
 * the lock next, even while the previous holder is still on its way out.
 */

#include "runtime/config.h"
#include "runtime/sim.h"

#if CONC_LOCK_PTHREAD

#include <pthread.h>

#if __has_include(<valgrind/helgrind.h>)
#include <valgrind/helgrind.h>
#else
#define VALGRIND_HG_CLEAN_MEMORY(start, size) ((void)0)
#endif

struct conc_lock {
    pthread_mutex_t mutex;
};

#define CONC_LOCK_INIT                                                                             \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

static inline void conc_lock_init(struct conc_lock *lock)
{
    pthread_mutex_init(&lock->mutex, 0);
}

/* Helgrind notes an unlock before glibc's last write to the mutex, and would take that write for a
 * race with whatever happens in this memory next. */
static inline void conc_lock_destroy(struct conc_lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
    VALGRIND_HG_CLEAN_MEMORY(lock, sizeof *lock);
}

static inline int conc_lock_try_acquire(struct conc_lock *lock)
{
    return pthread_mutex_trylock(&lock->mutex) == 0;
}

static inline void conc_lock_acquire_unseen(struct conc_lock *lock)
{
    while (atomic_load_explicit(&conc_sim_on, memory_order_relaxed)) {
        if (conc_lock_try_acquire(lock))
            return;
        if (!conc_sim_wait_lock(lock))
            break;
    }
    pthread_mutex_lock(&lock->mutex);
}

/* Whether anybody holds it at this moment. */
static inline int conc_lock_is_held(struct conc_lock *lock)
{
    if (!conc_lock_try_acquire(lock))
        return 1;
    pthread_mutex_unlock(&lock->mutex);
    return 0;
}

static inline void conc_lock_release(struct conc_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

#else

#include <stdatomic.h>

/* An int though a bit would do: the processor takes twice as long to exchange a byte that it has
 * just stored. */
struct conc_lock {
    atomic_int held;
};

#define CONC_LOCK_INIT                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

void conc_lock_acquire_slow(struct conc_lock *lock);

static inline void conc_lock_init(struct conc_lock *lock)
{
    atomic_init(&lock->held, 0);
}

static inline void conc_lock_destroy(struct conc_lock *lock)
{
    (void)lock;
}

/* Takes the lock if it is free: 1 when taken, 0 when not. */
static inline int conc_lock_try_acquire(struct conc_lock *lock)
{
    return !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
}

/* Without a choice point: for what observes (the census, the trace) and must not change the
 * schedule.
 */
static inline void conc_lock_acquire_unseen(struct conc_lock *lock)
{
    if (!conc_lock_try_acquire(lock))
        conc_lock_acquire_slow(lock);
}

/* Whether anybody holds it at this moment. If not, what the holders before have written is seen. */
static inline int conc_lock_is_held(struct conc_lock *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_acquire);
}

static inline void conc_lock_release(struct conc_lock *lock)
{
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#endif

/* How often the calling thread has found a lock taken; 0 where nobody counts. */
unsigned long conc_lock_contended(void);

static inline void conc_lock_acquire(struct conc_lock *lock)
{
    conc_sim_point();
    conc_lock_acquire_unseen(lock);
}

/* Takes the lock if nothing is in the way: 1. Else 0, and the caller takes it by conc_lock_acquire,
 * best in a function of its own: one that makes no call in the common case saves no registers. */
static inline int conc_lock_acquire_quick(struct conc_lock *lock)
{
    if (CONC_LOCK_PTHREAD || atomic_load_explicit(&conc_sim_on, memory_order_relaxed))
        return 0;
    return conc_lock_try_acquire(lock);
}

#endif
