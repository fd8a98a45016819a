/* SPDX-License-Identifier: MIT */
/* P14, fixed: the lock is held for the counter alone. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"
#include "runtime/task.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static int counter;
static atomic_int working;
static atomic_int at_once;

/* Takes until nothing else happens any more, so that all are here who can be, and a while. */
static void slow(void *arg)
{
    (void)arg;
    int now = atomic_fetch_add(&working, 1) + 1;
    for (int seen = atomic_load(&at_once);
         now > seen && !atomic_compare_exchange_weak(&at_once, &seen, now);) {
    }
    wait_until_others_sleep();
    usleep(200 * 1000);
    atomic_fetch_sub(&working, 1);
}

static void count(void *arg)
{
    (void)arg;
    conc_mutex_lock(&mutex, NULL);
    counter++;
    conc_mutex_unlock(&mutex);
    conc_blocking(slow, NULL);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_wait_group_go(&tasks, count, NULL);
    conc_wait_group_go(&tasks, count, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_mutex_destroy(&mutex);
    return verdict(
        counter == 2 && at_once == 2, "of two tasks at most %d worked at once", (int)at_once);
}
