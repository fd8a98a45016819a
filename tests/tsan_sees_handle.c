/* SPDX-License-Identifier: MIT */

/*
 * A race on the handle that conc_task_start writes, which ThreadSanitizer has to report: the engine
 * that writes it is compiled without instrumentation, and has to tell.
 */

#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/task.h"
#include "sync/wait_group.h"

static struct conc_task *handle;
static atomic_int here;

/* Orders nothing for TSan. */
static void meet(void)
{
    atomic_fetch_add_explicit(&here, 1, memory_order_relaxed);
    while (atomic_load_explicit(&here, memory_order_relaxed) < 2)
        conc_yield();
}

static void nothing(void *arg)
{
    (void)arg;
}

static void writes(void *arg)
{
    (void)arg;
    meet();
    if (conc_task_start(&handle, nothing, NULL) != 0)
        abort();
    conc_task_join(handle);
}

static void reads(void *arg)
{
    (void)arg;
    meet();
    for (int i = 0; i < 100000; i++)
        if (*(struct conc_task *volatile *)&handle)
            break;
}

int main(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    if (conc_wait_group_go(&group, writes, NULL) != 0 ||
        conc_wait_group_go(&group, reads, NULL) != 0)
        abort();
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    return 0;
}
