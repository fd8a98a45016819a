/* SPDX-License-Identifier: MIT */
/* P16, fixed: waits, then reads. */
#include "demos/pitfalls/pitfall.h"
#include "sync/wait_group.h"

static struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
static struct gate may_begin;
static int sum;

static void add(void *arg)
{
    (void)arg;
    gate_wait_as_task(&may_begin);
    for (int i = 1; i <= 4; i++)
        sum += i;
}

int main(void)
{
    conc_wait_group_go(&tasks, add, NULL);
    gate_open(&may_begin);
    conc_wait_group_wait(&tasks, NULL);
    int seen = sum;
    conc_wait_group_destroy(&tasks);
    return verdict(seen == 10, "the sum is %d", seen);
}
