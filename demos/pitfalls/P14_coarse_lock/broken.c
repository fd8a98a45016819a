/* SPDX-License-Identifier: MIT */
/*
 * P14: Slow work under the lock, and the tasks come one after the other
 *
 * @family documents
 * @kind performance
 * @from Go 1.25.3 in practice, 7.1 "less lock contention": BadCounter, a slow operation under a
 *     coarse lock
 * @weakness CWE-667, CERT POS52-C
 * @rule A lock is held for as long as the data takes that it guards, and no longer. Slow work under
 *     it makes all others wait for what is not theirs: the tasks are many, and one at a time works.
 *     Nothing is wrong with the result, so that no tool for races says a word.
 * @detect native:wrong conc:held-long
 */
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
    /* place 1: has nothing to do with the counter */
    conc_blocking(slow, NULL);
    /* place 2: so long all others have waited */
    conc_mutex_unlock(&mutex);
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
