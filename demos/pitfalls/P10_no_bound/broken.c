/* SPDX-License-Identifier: MIT */
/*
 * P10: A task for each item, however many items there are
 *
 * @family documents
 * @kind performance
 * @from In-depth guide to Go's concurrency patterns, 7.1 DON'T 2: "do not create goroutines without
 *     a limit", and 1.1, problem 1
 * @weakness CWE-770 (allocation without limits)
 * @rule A task is cheap and not free: it has a stack, and what it opens and holds while it waits. A
 *     number of tasks that the input decides is a number that an input can make too large. A few
 *     workers that take the items one after the other are as fast, and their number is ours.
 * @detect native:wrong
 */
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

enum { ITEMS = 100, ALLOWED = 8 };

static struct conc_chan *answers;
static atomic_int next;

static void fetch(void *arg)
{
    (void)arg;
    /* place 1: one item, and the task with its stack is here until somebody takes the answer */
    int item = atomic_fetch_add(&next, 1);
    conc_chan_send(answers, &item, NULL);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    int item;
    conc_chan_create(&answers, sizeof(int), 0, NULL);
    /* place 2: as many tasks as items */
    for (int i = 0; i < ITEMS; i++)
        conc_wait_group_go(&tasks, fetch, NULL);
    int at_once = (int)conc_wait_group_count(&tasks);
    for (int i = 0; i < ITEMS; i++)
        conc_chan_recv(answers, &item, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(answers);
    return verdict(at_once <= ALLOWED, "%d tasks at once, %d are allowed", at_once, ALLOWED);
}
