/* SPDX-License-Identifier: MIT */
/*
 * P32: Every task is given the address of the loop variable
 *
 * @family own
 * @kind race
 * @from Go concurrency patterns, 5 "errgroup": "url := url // capture the variable", which the same
 *     document leaves out elsewhere; Go 1.22 made it unnecessary, C has it still
 * @weakness CWE-366, CWE-562, CERT CON34-C
 * @rule A task begins when it likes, and reads then what the variable has become: the next index,
 *     the last, or whatever stands there after the loop. Each task gets a value of its own, which
 *     lives as long as the task.
 * @detect native:wrong helgrind:race tsan:race asan:use-after-scope
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/wait_group.h"

enum { TASKS = 3 };

static struct gate loop_is_over;
static int calls[TASKS + 1];

static void work(void *arg)
{
    gate_wait_as_task(&loop_is_over);
    /* place 1: what it is now, not what it was at the start */
    int i = *(int *)arg;
    if (i >= 0 && i < TASKS)
        __atomic_fetch_add(&calls[i], 1, __ATOMIC_RELAXED);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    int own[TASKS] = {0, 1, 2};
    for (int i = 0; i < TASKS; i++)
        /* place 2: one address for all */
        conc_wait_group_go(&tasks, work, &i);
    gate_open(&loop_is_over);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    return verdict(calls[0] == 1 && calls[1] == 1 && calls[2] == 1,
        "0, 1 and 2 were worked on %d, %d and %d times", calls[0], calls[1], calls[2]);
}
