/* SPDX-License-Identifier: MIT */
/*
 * P31: The task adds itself to the wait group, and the wait comes first
 *
 * @family own
 * @kind race
 * @from In-depth guide to Go's concurrency patterns, 7.1 DO 3, has wg.Add before the go; inside it
 *     is the slip that Go's vet and the documentation of sync.WaitGroup.Add warn of
 * @weakness CWE-362, CWE-820
 * @rule A wait returns when the count is 0, and before the first task has run it is 0. So whoever
 *     starts a task counts it before it starts, never the task itself: between the start and its
 *     first line anything may happen, the wait in particular.
 * @detect native:wrong helgrind:race drd:race tsan:race conc:count-late
 * @explore 20
 */
#include "demos/pitfalls/pitfall.h"
#include "runtime/task.h"
#include "sync/wait_group.h"

enum { TASKS = 3 };

static struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
static struct gate is_slow_to_start;
static int done[TASKS];

static void work(void *arg)
{
    gate_wait_as_task(&is_slow_to_start);
    /* place 1: counts itself */
    conc_wait_group_add(&group, 1);
    *(int *)arg = 1;
    conc_wait_group_done(&group);
}

int main(void)
{
    struct conc_task *tasks[TASKS];
    for (int i = 0; i < TASKS; i++)
        conc_task_start(&tasks[i], work, &done[i]);
    /* place 2: nobody has been counted yet */
    conc_wait_group_wait(&group, NULL);
    int sum = done[0] + done[1] + done[2];
    gate_open(&is_slow_to_start);
    for (int i = 0; i < TASKS; i++)
        conc_task_join(tasks[i]);
    conc_wait_group_destroy(&group);
    return verdict(sum == TASKS, "after the wait %d of %d are done", sum, TASKS);
}
