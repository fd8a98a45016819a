/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_MEMORY_H
#define CONC_RUNTIME_MEMORY_H

/*
 * Memory and fault injection. Everything in patterns/ allocates here, so that a test can make the
 * k-th allocation, or the k-th task start, fail and see that whatever was half-built is undone.
 *
 *   for (long k = 1;; k++) {
 *       conc_fault_alloc_at(k);
 *       int rc = thing_create(&thing);
 *       if (conc_fault_alloc_at(0) > 0)     // the k-th was never reached: every k is tried
 *           break;
 *       assert(rc == ENOMEM);
 *   }
 *
 * Built without CONC_FAULT_INJECTION (the release preset) the hooks do not exist: conc_malloc is
 * malloc, and conc_fault_…_at returns -1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/config.h"
#include "runtime/errno.h"

/* Makes the k-th allocation from now fail, once; 0: none. Returns how many were still to come
 * before the failure armed earlier (0: it has happened or none was armed), or -1 where hooks are
 * not built in. */
long conc_fault_alloc_at(long k);

/* The same for the start of tasks: the k-th start from now fails with EAGAIN. */
long conc_fault_start_at(long k);

#if CONC_FAULT_INJECTION

void *conc_malloc(size_t size);
void *conc_calloc(size_t count, size_t size);
void *conc_realloc(void *old, size_t size);
bool conc_fault_start_now(void);

/* Counts an allocation that an engine makes by its own means: true when it is to fail. */
bool conc_fault_alloc_now(void);

#else

/* Failing is told by NULL alone: errno is left as it is, as everywhere in conc. */
static inline void *conc_malloc(size_t size)
{
    int saved_errno = conc_errno;
    void *memory = malloc(size);
    conc_errno = saved_errno;
    return memory;
}

static inline void *conc_calloc(size_t count, size_t size)
{
    int saved_errno = conc_errno;
    void *memory = calloc(count, size);
    conc_errno = saved_errno;
    return memory;
}

static inline void *conc_realloc(void *old, size_t size)
{
    int saved_errno = conc_errno;
    void *memory = realloc(old, size);
    conc_errno = saved_errno;
    return memory;
}

static inline bool conc_fault_start_now(void)
{
    return false;
}

static inline bool conc_fault_alloc_now(void)
{
    return false;
}

#endif

/* Copies an element of a queue. Most are a pointer or a number: for those no call of memcpy. */
static inline void conc_copy(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else if (size > 0)
        memcpy(to, from, size);
}

/* Whether conc_copy_quick can copy an element of this size: an int, or some words. */
static inline bool conc_copy_is_quick(size_t size)
{
    return size == 4 || (size % 8 == 0 && size <= 64);
}

/* Copies it without any call; most are one word. */
static inline void conc_copy_quick(void *to, const void *from, size_t size)
{
    if (__builtin_expect(size == 8, 1)) {
        memcpy(to, from, 8);
        return;
    }
    if (size == 4)
        memcpy(to, from, 4);
    for (size_t at = 0; at + 8 <= size; at += 8) {
        memcpy((char *)to + at, (const char *)from + at, 8);
        __asm__ volatile(""); /* or the compiler makes a call of the loop */
    }
}

/* Frees what the three above returned; NULL is allowed. */
static inline void conc_free(void *memory)
{
    free(memory);
}

#endif
