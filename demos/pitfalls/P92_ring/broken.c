/* SPDX-License-Identifier: MIT */
/*
 * P92: A correct ring for one sender and one receiver
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule Each index has one writer. The release store of an index publishes the slot before it, the
 *     acquire load of the other side sees the slot. Helgrind and DRD take every index and every
 *     slot for a race, some of them once per slot: with such a ring in it, a program is either
 *     annotated or looked at with TSan.
 * @detect helgrind:race drd:race
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

enum { SLOTS = 4, ITEMS = 20 };

static int slot[SLOTS];
static atomic_uint head; /* the receiver's */
static atomic_uint tail; /* the sender's */

static void *sender(void *arg)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        while (i - atomic_load_explicit(&head, memory_order_acquire) == SLOTS)
            sched_yield();
        slot[i % SLOTS] = (int)i;
        /* place 1: publishes the slot */
        atomic_store_explicit(&tail, i + 1, memory_order_release);
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    int sum = 0;
    pthread_create(&thread, NULL, sender, NULL);
    for (unsigned i = 0; i < ITEMS; i++) {
        /* place 2: sees the slot */
        while (atomic_load_explicit(&tail, memory_order_acquire) == i)
            sched_yield();
        sum += slot[i % SLOTS];
        atomic_store_explicit(&head, i + 1, memory_order_release);
    }
    pthread_join(thread, NULL);
    return verdict(sum == ITEMS * (ITEMS - 1) / 2, "the sum is %d", sum);
}
