/* SPDX-License-Identifier: MIT */
#include "runtime/memory.h"

#if CONC_FAULT_INJECTION

#include <stdatomic.h>

/* How many calls are still to come, the failing one included; 0: none is armed. */
static atomic_long alloc_countdown;
static atomic_long start_countdown;

/* Counts down by one; true for the call that reaches 0. */
static bool strike(atomic_long *countdown)
{
    long left = atomic_load_explicit(countdown, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak(countdown, &left, left - 1))
            return left == 1;
    }
    return false;
}

long conc_fault_alloc_at(long k)
{
    return atomic_exchange(&alloc_countdown, k > 0 ? k : 0);
}

long conc_fault_start_at(long k)
{
    return atomic_exchange(&start_countdown, k > 0 ? k : 0);
}

bool conc_fault_start_now(void)
{
    return strike(&start_countdown);
}

bool conc_fault_alloc_now(void)
{
    return strike(&alloc_countdown);
}

void *conc_malloc(size_t size)
{
    int saved_errno = conc_errno;
    void *memory = strike(&alloc_countdown) ? NULL : malloc(size);
    conc_errno = saved_errno;
    return memory;
}

void *conc_calloc(size_t count, size_t size)
{
    int saved_errno = conc_errno;
    void *memory = strike(&alloc_countdown) ? NULL : calloc(count, size);
    conc_errno = saved_errno;
    return memory;
}

void *conc_realloc(void *old, size_t size)
{
    int saved_errno = conc_errno;
    void *memory = strike(&alloc_countdown) ? NULL : realloc(old, size);
    conc_errno = saved_errno;
    return memory;
}

#else

long conc_fault_alloc_at(long k)
{
    (void)k;
    return -1;
}

long conc_fault_start_at(long k)
{
    (void)k;
    return -1;
}

#endif
