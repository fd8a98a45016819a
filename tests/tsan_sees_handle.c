/* SPDX-License-Identifier: MIT */

/*
 * A race on the handle that conc_task_start writes, which ThreadSanitizer has to report: the engine
 * that writes it is compiled without instrumentation, and has to tell. The other side is a thread:
 * of two fibers on one worker TSan would take the switch for an order.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/task.h"

static struct conc_task *handle;
static atomic_bool written; /* orders nothing */

static void nothing(void *arg)
{
    (void)arg;
}

static void *reads(void *arg)
{
    while (!atomic_load_explicit(&written, memory_order_relaxed))
        sched_yield();
    if (!handle)
        abort();
    return arg;
}

int main(void)
{
    pthread_t reader;
    if (pthread_create(&reader, NULL, reads, NULL) != 0 ||
        conc_task_start(&handle, nothing, NULL) != 0)
        abort();
    atomic_store_explicit(&written, true, memory_order_relaxed);
    pthread_join(reader, NULL);
    conc_task_join(handle);
    return 0;
}
