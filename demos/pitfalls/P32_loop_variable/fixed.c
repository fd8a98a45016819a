/* SPDX-License-Identifier: MIT */
/* P32, fixed: each task has a place of its own, which outlives it. */
#include "demos/pitfalls/pitfall.h"
#include "sync/wait_group.h"

enum { TASKS = 3 };

static struct gate loop_is_over;
static int calls[TASKS + 1];

static void work(void *arg)
{
    gate_wait_as_task(&loop_is_over);
    int i = *(int *)arg;
    if (i >= 0 && i < TASKS)
        __atomic_fetch_add(&calls[i], 1, __ATOMIC_RELAXED);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    int own[TASKS] = {0, 1, 2};
    for (int i = 0; i < TASKS; i++)
        conc_wait_group_go(&tasks, work, &own[i]);
    gate_open(&loop_is_over);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    return verdict(calls[0] == 1 && calls[1] == 1 && calls[2] == 1,
        "0, 1 and 2 were worked on %d, %d and %d times", calls[0], calls[1], calls[2]);
}
