/* SPDX-License-Identifier: MIT */
/*
 * P90: A correct hand-over by an atomic flag, which two tools take for a race
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule A release store and the acquire load that sees it order all that came before the store
 *     before all that comes after the load. Helgrind and DRD know the orders that locks and
 *     conditions make, and no others: they have to be told. TSan knows atomics.
 * @detect helgrind:race drd:race
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
    /* place 1: what came before is published by a release */
    atomic_store_explicit(&written, 1, memory_order_release);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, writer, NULL);
    /* place 2: and seen through an acquire */
    while (!atomic_load_explicit(&written, memory_order_acquire))
        sched_yield();
    int read = letter;
    pthread_join(thread, NULL);
    return verdict(read == 42, "the letter says %d", read);
}
