/* SPDX-License-Identifier: MIT */
/*
 * P05: Two tasks count without a lock
 *
 * @family documents
 * @kind race
 * @from Go 1.25.3 in practice, 8.2 "data races": the unsynchronised counter
 * @weakness CWE-366, CERT CON43-C
 * @rule counter++ is three steps: read, add, write. Between the read of one task and its write
 *     another may write, and that addition is lost. Whatever two tasks touch, and one of them
 *     writes, needs a lock around all three steps, or one atomic step.
 * @detect native:wrong helgrind:race drd:race tsan:race
 */
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
    /* place 1: reads, and writes back later what it has read */
    int seen = counter;
    gate_open(&has_read);
    gate_wait_as_task(&has_written);
    counter = seen + 1;
}

static void second(void *arg)
{
    (void)arg;
    gate_wait_as_task(&has_read);
    /* place 2: adds in between */
    counter++;
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
