/* SPDX-License-Identifier: MIT */
#ifndef CONC_COUNTER_H
#define CONC_COUNTER_H

/*
 * A counter for many tasks, one interface, three ways inside:
 *
 *   CONC_COUNTER_ATOMIC   one atomic word: what Go's atomic.Int64 is. The default.
 *   CONC_COUNTER_MUTEX    a mutex around a plain word. What to use when more than the one word must
 *                         change together, and what it then costs.
 *   CONC_COUNTER_STRIPED  many words, each on a cache line of its own. A task adds to "its" word,
 * so tasks on different cores do not pull one line to and fro; get adds them up.
 *
 *   struct conc_counter *hits;
 *   conc_counter_create(&hits, CONC_COUNTER_STRIPED);
 *   conc_counter_inc(hits);                                // any task
 *   printf("%" PRId64 "\n", conc_counter_get(hits));
 *   conc_counter_destroy(hits);
 *
 * What a striped counter cannot do: it has no value at any one moment that one operation could see
 * and change. get returns a sum in which adds that run meanwhile may or may not be counted; it is
 * exact when nobody adds. add_get, set and compare_and_swap return ENOTSUP. For statistics that is
 * all one needs; for a ticket number, a limit or a reference count it will not do.
 *
 * Counts are signed 64-bit and wrap round. Any task may call anything at once but destroy. An add
 * orders nothing else: to hand data over, use a channel or a lock.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/config.h"
#include "runtime/lock.h"
#include "sync/mutex.h"

/* Two 64-byte lines: processors fetch lines in pairs. */
enum { CONC_COUNTER_LINE = 128, CONC_COUNTER_STRIPES = 32 };

enum conc_counter_kind {
    CONC_COUNTER_ATOMIC,
    CONC_COUNTER_MUTEX,
    CONC_COUNTER_STRIPED,
};

/* The fields are the library's own; they are here for the inline functions below. */
struct conc_counter_stripe {
    _Alignas(CONC_COUNTER_LINE) _Atomic int64_t value;
};

struct conc_counter {
    enum conc_counter_kind kind;       /* fixed */
    void *memory;                      /* fixed: what was allocated */
    struct conc_counter_local *locals; /* under lock */
    struct conc_lock lock;             /* guards the list of locals */

    /* Of an atomic counter; of a striped one what detached locals have left. */
    _Alignas(CONC_COUNTER_LINE) _Atomic int64_t value;
    struct conc_mutex mutex; /* guards plain */
    int64_t plain;           /* of a mutex counter */

    struct conc_counter_stripe stripes[]; /* of a striped counter alone */
};

/* Makes a counter of 0. The caller owns *counter and destroys it. 0; EINVAL: counter is NULL or
 * kind is none of the above; ENOMEM. */
int conc_counter_create(struct conc_counter **counter, enum conc_counter_kind kind);

/* Ends its life; NULL is allowed. A local that is still attached ends the program with a message.
 */
void conc_counter_destroy(struct conc_counter *counter);

/* For the inline functions: the kinds that take more than one instruction. */
void conc_counter_add_slow(struct conc_counter *counter, int64_t delta);

/* Adds delta. Never fails; a mutex counter may wait for its mutex. */
static inline void conc_counter_add(struct conc_counter *counter, int64_t delta)
{
    if (counter->kind == CONC_COUNTER_ATOMIC)
        atomic_fetch_add_explicit(&counter->value, delta, memory_order_relaxed);
    else
        conc_counter_add_slow(counter, delta);
}

/* Adds 1, and subtracts 1. */
static inline void conc_counter_inc(struct conc_counter *counter)
{
    conc_counter_add(counter, 1);
}

static inline void conc_counter_dec(struct conc_counter *counter)
{
    conc_counter_add(counter, -1);
}

/* Adds delta and stores the new value in *value (may be NULL): no two calls that add 1 get the
 * same. 0; ENOTSUP: a striped counter, unchanged; EINVAL: counter is NULL. */
int conc_counter_add_get(struct conc_counter *counter, int64_t delta, int64_t *value);

/* The value; of a striped counter the sum, see above. */
int64_t conc_counter_get(struct conc_counter *counter);

/* Makes the value `value`. 0; ENOTSUP: a striped counter, unchanged; EINVAL: counter is NULL. */
int conc_counter_set(struct conc_counter *counter, int64_t value);

/* Makes the value `desired` if it is `expected`, in one step. 0: it was; EAGAIN: it was not,
 * nothing changed; ENOTSUP: a striped counter; EINVAL: counter is NULL. */
int conc_counter_compare_and_swap(struct conc_counter *counter, int64_t expected, int64_t desired);

/*
 * A stripe of one task's own, on its stack: an add is then a plain addition, without the locked
 * instruction that even an undisturbed atomic costs. For a striped counter.
 *
 *   struct conc_counter_local local;
 *   conc_counter_attach(hits, &local);
 *   for (...)
 *       conc_counter_local_add(&local, 1);        // this task alone
 *   conc_counter_detach(&local);
 */
struct conc_counter_local {
    _Alignas(CONC_COUNTER_LINE) _Atomic int64_t value; /* written by its task alone */
    struct conc_counter *counter;                      /* fixed */
    struct conc_counter_local *next;                   /* under the counter's lock */
    struct conc_counter_local *prev;                   /* under the counter's lock */
};

/* Makes `local` a part of the counter, counting 0. It must be detached before it goes away. 0;
 * EINVAL: an argument is NULL; ENOTSUP: not a striped counter. */
int conc_counter_attach(struct conc_counter *counter, struct conc_counter_local *local);

/* Adds what local has counted to the counter for good and takes local out. */
void conc_counter_detach(struct conc_counter_local *local);

/* Adds delta. Only for the task that attached it. get sees it while it is attached. */
static inline void conc_counter_local_add(struct conc_counter_local *local, int64_t delta)
{
#if CONC_LOCK_PTHREAD
    /* Helgrind and DRD take a plain store for a race with the load in get; a locked add they know.
     */
    atomic_fetch_add_explicit(&local->value, delta, memory_order_relaxed);
#else
    int64_t value = atomic_load_explicit(&local->value, memory_order_relaxed);
    value = (int64_t)((uint64_t)value + (uint64_t)delta);
    atomic_store_explicit(&local->value, value, memory_order_relaxed);
#endif
}

#endif
