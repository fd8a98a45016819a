/* SPDX-License-Identifier: MIT */
/*
 * P91: A correct hand-over by two fences, which even TSan does not understand
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule A release fence before a relaxed store, and an acquire fence after the relaxed load that
 *     sees it, order the same as a release store and an acquire load. TSan follows atomic
 *     operations and not fences, so it sees a race that is none; gcc does not even warn. Where a
 *     tool is to understand a program, the order is put on the operation.
 * @detect helgrind:race drd:race tsan:race
 * @fixed helgrind:race drd:race
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static atomic_int written;

static void *writer(void *arg)
{
    letter = 42;
    /* place 1: the fence orders the letter before the flag */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&written, 1, memory_order_relaxed);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, writer, NULL);
    while (!atomic_load_explicit(&written, memory_order_relaxed))
        sched_yield();
    /* place 2: and this one the flag before the letter */
    atomic_thread_fence(memory_order_acquire);
    int read = letter;
    pthread_join(thread, NULL);
    return verdict(read == 42, "the letter says %d", read);
}
