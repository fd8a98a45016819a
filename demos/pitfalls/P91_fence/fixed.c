/* SPDX-License-Identifier: MIT */
/* P91, silenced for TSan: the order is on the operations themselves. Helgrind and DRD know neither
 * (P90). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static atomic_int written;

static void *writer(void *arg)
{
    letter = 42;
    atomic_store_explicit(&written, 1, memory_order_release);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, writer, NULL);
    while (!atomic_load_explicit(&written, memory_order_acquire))
        sched_yield();
    int read = letter;
    pthread_join(thread, NULL);
    return verdict(read == 42, "the letter says %d", read);
}
