/* SPDX-License-Identifier: MIT */
/*
 * P16: The result is read, and nobody has waited for it
 *
 * @family documents
 * @kind race
 * @from Go 1.25.3 in practice, best practices 2 "always wait for the goroutine"; In-depth guide to
 *     Go's concurrency patterns, 7.1 DO 3
 * @weakness CWE-366, CWE-362, CERT CON43-C
 * @rule To start a task is not to run it: when the start returns, the task may not have begun. What
 *     it writes is there after a wait for it (join, wait group, receive), and not before. That the
 *     result was right in every test says only that the task was faster.
 * @detect native:wrong helgrind:race drd:race memcheck:possibly-lost tsan:race,thread-leak
 */
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
        /* place 1: written by the task */
        sum += i;
}

int main(void)
{
    conc_wait_group_go(&tasks, add, NULL);
    /* place 2: read by main, which has not waited */
    int seen = sum;
    gate_open(&may_begin);
    wait_until_others_sleep(); /* too late, it is there */
    return verdict(seen == 10, "the sum is %d", seen);
}
