/* SPDX-License-Identifier: MIT */
/* P31, fixed: counted before it is started. The gate is opened before the wait, which now waits.
 * (conc_wait_group_go counts and starts in one.) */
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
    *(int *)arg = 1;
    conc_wait_group_done(&group);
}

int main(void)
{
    struct conc_task *tasks[TASKS];
    for (int i = 0; i < TASKS; i++) {
        conc_wait_group_add(&group, 1);
        conc_task_start(&tasks[i], work, &done[i]);
    }
    gate_open(&is_slow_to_start);
    conc_wait_group_wait(&group, NULL);
    int sum = done[0] + done[1] + done[2];
    for (int i = 0; i < TASKS; i++)
        conc_task_join(tasks[i]);
    conc_wait_group_destroy(&group);
    return verdict(sum == TASKS, "after the wait %d of %d are done", sum, TASKS);
}
