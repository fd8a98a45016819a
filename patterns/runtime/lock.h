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
 * after a microsecond or two and sleeps in short naps (lock.c).
 *
 * Taking a lock is a choice point of the sim engine (sim.h): all that tasks do to each other
 * happens under one, or at an atomic that has a choice point of its own.
 *
 * A locked instruction is most of what a channel costs, and needless while one thread alone runs
 * tasks. So the locks of what tasks share are biased: the worker of the fibers engine that is alone
 * takes them by an ordinary store, and whoever comes to run tasks beside it, or calls conc from a
 * thread of its own, first ends that by a barrier on all cores (lock.c). Locks of the runtime
 * itself, which idle workers take, too, know no such thing: conc_lock_acquire_runtime.
 *
 * Unlocking touches the lock last by that store. An object may therefore be freed by whoever takes
 * the lock next, even while the previous holder is still on its way out.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/config.h"
#include "runtime/sim.h"
#include "runtime/thread_local.h"

/* TSan would take a lock that is an ordinary store for none. */
#if CONC_LOCK_PTHREAD || defined(__SANITIZE_THREAD__) || defined(CONC_TSAN)
#define CONC_LOCK_BIASED 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONC_LOCK_BIASED 0
#endif
#endif
#ifndef CONC_LOCK_BIASED
#define CONC_LOCK_BIASED 1
#endif

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

static inline int conc_lock_try_acquire_raw(struct conc_lock *lock)
{
    return pthread_mutex_trylock(&lock->mutex) == 0;
}

static inline void conc_lock_acquire_raw(struct conc_lock *lock)
{
    while (atomic_load_explicit(&conc_sim_on, memory_order_relaxed)) {
        if (conc_lock_try_acquire_raw(lock))
            return;
        if (!conc_sim_wait_lock(lock))
            break;
    }
    pthread_mutex_lock(&lock->mutex);
}

/* Whether anybody holds it at this moment. */
static inline int conc_lock_is_held(struct conc_lock *lock)
{
    if (!conc_lock_try_acquire_raw(lock))
        return 1;
    pthread_mutex_unlock(&lock->mutex);
    return 0;
}

static inline void conc_lock_release(struct conc_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

#else

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

/* Takes the lock if it is free: 1 when taken, 0 when not. Raw as the next. */
static inline int conc_lock_try_acquire_raw(struct conc_lock *lock)
{
    return !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
}

/* By an exchange, whoever else there is, and without a choice point: for the runtime, and for what
 * observes (the census, the trace) and must not change the schedule. Not for a lock that is ever
 * taken by conc_lock_acquire. */
static inline void conc_lock_acquire_raw(struct conc_lock *lock)
{
    if (!conc_lock_try_acquire_raw(lock))
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

/* ---- the bias ---- */

/* A worker's: `alone` says that nobody else runs tasks. It looks at that between a note that it is
 * entering and the end of that note, and whoever clears `alone` waits for the end. */
struct conc_lock_bias {
    atomic_bool alone;
    atomic_bool entering;
    bool busy; /* under the guard of lock.c: the worker runs tasks */
};

/* The calling worker's; NULL in a thread that is none. */
CONC_THREAD_LOCAL_DECLARE(struct conc_lock_bias *, conc_lock_bias);

/* A worker may be alone. So it is from the beginning, before anybody knows whether there will be
 * workers, and cleared once, by an engine that has none: a thread that has read it may be slow to
 * take its lock. */
extern atomic_bool conc_lock_biased;

/* For a thread that is no worker, while one may be alone. */
void conc_lock_acquire_outside(struct conc_lock *lock);

/* The calling worker begins to run tasks, and ceases to. One that begins alone is so at once,
 * unless another has come between since the last grant. */
void conc_lock_bias_busy(struct conc_lock_bias *bias);
void conc_lock_bias_idle(struct conc_lock_bias *bias);

/* Lets a worker be alone, if only this one is busy. Any thread may call it, every now and then: to
 * end it costs microseconds. */
void conc_lock_bias_grant(struct conc_lock_bias *bias);

/* By an ordinary store, if the worker is alone and the lock free: 1. */
static inline __attribute__((always_inline)) int conc_lock_try_alone(
    struct conc_lock_bias *bias, struct conc_lock *lock)
{
#if CONC_LOCK_BIASED
    int taken = 0;
    atomic_store_explicit(&bias->entering, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the other half is a barrier on all cores */
    /* Acquire: who made us alone has seen the last outsider leave, with the lock it took. */
    if (__builtin_expect(atomic_load_explicit(&bias->alone, memory_order_acquire), 1) &&
        __builtin_expect(!atomic_load_explicit(&lock->held, memory_order_acquire), 1)) {
        atomic_store_explicit(&lock->held, 1, memory_order_relaxed);
        taken = 1;
    }
    atomic_store_explicit(&bias->entering, false, memory_order_release);
    return taken;
#else
    (void)bias;
    (void)lock;
    return 0;
#endif
}

/* For the locks of the runtime itself. */
static inline void conc_lock_acquire_runtime(struct conc_lock *lock)
{
    conc_sim_point();
    conc_lock_acquire_raw(lock);
}

/* For the locks of what tasks share. */
static inline void conc_lock_acquire(struct conc_lock *lock)
{
    struct conc_lock_bias *bias = conc_lock_bias_get();
    if (bias) { /* a worker of fibers: sim does not run */
        if (!conc_lock_try_alone(bias, lock))
            conc_lock_acquire_raw(lock);
        return;
    }
    conc_sim_point();
    if (atomic_load_explicit(&conc_lock_biased, memory_order_relaxed))
        conc_lock_acquire_outside(lock);
    else
        conc_lock_acquire_raw(lock);
}

/* Takes the lock if nothing is in the way: 1. Else 0, and the caller takes it by conc_lock_acquire,
 * best in a function of its own: one that makes no call in the common case saves no registers. */
static inline __attribute__((always_inline)) int conc_lock_acquire_quick(struct conc_lock *lock)
{
    if (CONC_LOCK_PTHREAD)
        return 0;
    struct conc_lock_bias *bias = conc_lock_bias_get();
    if (bias)
        return conc_lock_try_alone(bias, lock) || conc_lock_try_acquire_raw(lock);
    return !atomic_load_explicit(&conc_sim_on, memory_order_relaxed) &&
           !atomic_load_explicit(&conc_lock_biased, memory_order_relaxed) &&
           conc_lock_try_acquire_raw(lock);
}

#endif
