/* SPDX-License-Identifier: MIT */
/* P92, silenced: the tools are told of both orders, and to look away from the indices. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <valgrind/helgrind.h>

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
        ANNOTATE_HAPPENS_AFTER(&head);
        slot[i % SLOTS] = (int)i;
        ANNOTATE_HAPPENS_BEFORE(&tail);
        atomic_store_explicit(&tail, i + 1, memory_order_release);
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    int sum = 0;
    VALGRIND_HG_DISABLE_CHECKING(&head, sizeof head);
    VALGRIND_HG_DISABLE_CHECKING(&tail, sizeof tail);
    pthread_create(&thread, NULL, sender, NULL);
    for (unsigned i = 0; i < ITEMS; i++) {
        while (atomic_load_explicit(&tail, memory_order_acquire) == i)
            sched_yield();
        ANNOTATE_HAPPENS_AFTER(&tail);
        sum += slot[i % SLOTS];
        ANNOTATE_HAPPENS_BEFORE(&head);
        atomic_store_explicit(&head, i + 1, memory_order_release);
    }
    pthread_join(thread, NULL);
    return verdict(sum == ITEMS * (ITEMS - 1) / 2, "the sum is %d", sum);
}
