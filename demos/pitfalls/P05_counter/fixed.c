/* SPDX-License-Identifier: MIT */
/* P05, fixed: one lock around all three steps. The gates stay; only that nobody waits for one with
 * the lock held, for the other could not come to open it. */
#include "demos/pitfalls/pitfall.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct gate has_read;
static struct gate has_written;
static int counter;

static void first(void *arg)
{
    (void)arg;
    conc_mutex_lock(&mutex, NULL);
    int seen = counter;
    gate_open(&has_read);
    counter = seen + 1;
    conc_mutex_unlock(&mutex);
    gate_wait_as_task(&has_written);
}

static void second(void *arg)
{
    (void)arg;
    gate_wait_as_task(&has_read);
    conc_mutex_lock(&mutex, NULL);
    counter++;
    conc_mutex_unlock(&mutex);
    gate_open(&has_written);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_wait_group_go(&tasks, first, NULL);
    conc_wait_group_go(&tasks, second, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_mutex_destroy(&mutex);
    return verdict(counter == 2, "two tasks have counted to %d", counter);
}
