/* SPDX-License-Identifier: MIT */

/*
 * All atomics are relaxed: a counter counts and orders nothing else. A stripe is chosen by the
 * number of the task, so up to 32 tasks in a row have a stripe each. Two tasks may still meet on
 * one, so the add is a locked one; a local of the task's own needs none.
 */

#include "counter.h"

#include <errno.h>

#include "runtime/engine.h"
#include "runtime/memory.h"

int conc_counter_create(struct conc_counter **counter, enum conc_counter_kind kind)
{
    if (!counter || (unsigned)kind > CONC_COUNTER_STRIPED)
        return EINVAL;
    size_t stripes = kind == CONC_COUNTER_STRIPED ? CONC_COUNTER_STRIPES : 0;
    size_t size = sizeof(struct conc_counter) + stripes * sizeof(struct conc_counter_stripe);
    void *memory = conc_calloc(1, size + CONC_COUNTER_LINE);
    if (!memory)
        return ENOMEM;
    uintptr_t aligned =
        ((uintptr_t)memory + CONC_COUNTER_LINE - 1) & ~(uintptr_t)(CONC_COUNTER_LINE - 1);
    struct conc_counter *made = (struct conc_counter *)aligned;
    made->kind = kind;
    made->memory = memory;
    conc_lock_init(&made->lock);
    conc_mutex_init(&made->mutex);
    atomic_init(&made->value, 0);
    for (size_t i = 0; i < stripes; i++)
        atomic_init(&made->stripes[i].value, 0);
    *counter = made;
    return 0;
}

void conc_counter_destroy(struct conc_counter *counter)
{
    if (!counter)
        return;
    conc_lock_acquire(&counter->lock);
    bool used = counter->locals;
    conc_lock_release(&counter->lock);
    if (used)
        conc_panic(CONC_HERE, "a counter is destroyed that a local is still attached to");
    conc_lock_destroy(&counter->lock);
    conc_mutex_destroy(&counter->mutex);
    conc_free(counter->memory);
}

static int64_t load(_Atomic int64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* A sum that wraps round, as the atomics do; of signed numbers C does not say what it is. */
static int64_t sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* Adds under the mutex: the new value. */
static int64_t add_locked(struct conc_counter *counter, int64_t delta)
{
    conc_mutex_lock(&counter->mutex, NULL);
    int64_t value = counter->plain = sum(counter->plain, delta);
    conc_mutex_unlock(&counter->mutex);
    return value;
}

void conc_counter_add_slow(struct conc_counter *counter, int64_t delta)
{
    if (counter->kind == CONC_COUNTER_MUTEX) {
        add_locked(counter, delta);
        return;
    }
    uint64_t id = conc_self()->id;
    atomic_fetch_add_explicit(
        &counter->stripes[id % CONC_COUNTER_STRIPES].value, delta, memory_order_relaxed);
}

int conc_counter_add_get(struct conc_counter *counter, int64_t delta, int64_t *value)
{
    if (!counter)
        return EINVAL;
    int64_t after;
    if (counter->kind == CONC_COUNTER_STRIPED)
        return ENOTSUP;
    if (counter->kind == CONC_COUNTER_MUTEX)
        after = add_locked(counter, delta);
    else
        after = sum(atomic_fetch_add_explicit(&counter->value, delta, memory_order_relaxed), delta);
    if (value)
        *value = after;
    return 0;
}

int64_t conc_counter_get(struct conc_counter *counter)
{
    if (counter->kind == CONC_COUNTER_ATOMIC)
        return load(&counter->value);
    if (counter->kind == CONC_COUNTER_MUTEX) {
        conc_mutex_lock(&counter->mutex, NULL);
        int64_t value = counter->plain;
        conc_mutex_unlock(&counter->mutex);
        return value;
    }
    /* Under the lock a detach cannot move what it has counted from one place we add up to another.
     */
    conc_lock_acquire(&counter->lock);
    int64_t total = load(&counter->value);
    for (struct conc_counter_local *local = counter->locals; local; local = local->next)
        total = sum(total, load(&local->value));
    conc_lock_release(&counter->lock);
    for (size_t i = 0; i < CONC_COUNTER_STRIPES; i++)
        total = sum(total, load(&counter->stripes[i].value));
    return total;
}

int conc_counter_set(struct conc_counter *counter, int64_t value)
{
    if (!counter)
        return EINVAL;
    if (counter->kind == CONC_COUNTER_STRIPED)
        return ENOTSUP;
    if (counter->kind == CONC_COUNTER_ATOMIC) {
        /* An exchange and not a store: Helgrind and DRD take plain stores beside atomic adds for
         * races.
         */
        atomic_exchange_explicit(&counter->value, value, memory_order_relaxed);
        return 0;
    }
    conc_mutex_lock(&counter->mutex, NULL);
    counter->plain = value;
    conc_mutex_unlock(&counter->mutex);
    return 0;
}

int conc_counter_compare_and_swap(struct conc_counter *counter, int64_t expected, int64_t desired)
{
    if (!counter)
        return EINVAL;
    if (counter->kind == CONC_COUNTER_STRIPED)
        return ENOTSUP;
    if (counter->kind == CONC_COUNTER_ATOMIC) {
        return atomic_compare_exchange_strong_explicit(
                   &counter->value, &expected, desired, memory_order_relaxed, memory_order_relaxed)
                   ? 0
                   : EAGAIN;
    }
    conc_mutex_lock(&counter->mutex, NULL);
    bool swap = counter->plain == expected;
    if (swap)
        counter->plain = desired;
    conc_mutex_unlock(&counter->mutex);
    return swap ? 0 : EAGAIN;
}

/* ------------------------------------------------------------------ locals */

int conc_counter_attach(struct conc_counter *counter, struct conc_counter_local *local)
{
    if (!counter || !local)
        return EINVAL;
    if (counter->kind != CONC_COUNTER_STRIPED)
        return ENOTSUP;
    atomic_init(&local->value, 0);
    local->counter = counter;
    local->prev = NULL;
    conc_lock_acquire(&counter->lock);
    local->next = counter->locals;
    if (local->next)
        local->next->prev = local;
    counter->locals = local;
    conc_lock_release(&counter->lock);
    return 0;
}

void conc_counter_detach(struct conc_counter_local *local)
{
    struct conc_counter *counter = local->counter;
    conc_lock_acquire(&counter->lock);
    *(local->prev ? &local->prev->next : &counter->locals) = local->next;
    if (local->next)
        local->next->prev = local->prev;
    /* Written under the lock alone. */
    int64_t total = sum(load(&counter->value), load(&local->value));
    atomic_store_explicit(&counter->value, total, memory_order_relaxed);
    conc_lock_release(&counter->lock);
}
