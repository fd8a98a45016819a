/* SPDX-License-Identifier: MIT */
/*
 * P18: One condition for two kinds of waiter, and the signal wakes the wrong one
 *
 * @family own
 * @kind lost-wakeup
 * @from Go 1.25.3 in practice, 6.2 "producer-consumer queue": notEmpty is signalled by push and by
 *     pop, and both wait on it
 * @weakness CWE-833, CERT CON38-C
 * @rule A signal wakes one waiter, the first. Where those who wait for room and those who wait for
 *     items stand in one queue, the first may be of the kind that can do nothing with it, waits
 *     again, and the signal is gone. One condition for each state; or a broadcast.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 * @explore 20
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/cond.h"
#include "sync/wait_group.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct conc_cond not_empty = CONC_COND_INIT;
static struct conc_cond not_full = CONC_COND_INIT;
static struct gate is_empty[2];
static int items; /* one fits */
static int taken;

static void pop(struct gate *is_empty_for_me)
{
    conc_mutex_lock(&mutex, NULL);
    while (items == 0) {
        gate_open(is_empty_for_me);
        conc_cond_wait(&not_empty, &mutex, NULL);
    }
    items--;
    taken++;
    /* place 1: is to wake who waits for room, and wakes the other who waits for an item */
    conc_cond_signal(&not_empty);
    conc_mutex_unlock(&mutex);
}

static void push(void)
{
    while (items == 1)
        /* place 2: waits for room, on the condition that says that there are items */
        conc_cond_wait(&not_empty, &mutex, NULL);
    items++;
    conc_cond_signal(&not_empty);
}

static void take_two(void *is_empty_for_me)
{
    pop(is_empty_for_me);
    pop(is_empty_for_me);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < 2; i++) {
        conc_wait_group_go(&tasks, take_two, &is_empty[i]);
        gate_wait_as_task(&is_empty[i]);
    }
    /* Both wait, for they give the mutex up by waiting. */
    conc_mutex_lock(&mutex, NULL);
    for (int i = 0; i < 4; i++)
        push();
    conc_mutex_unlock(&mutex);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    return verdict(taken == 4, "%d of 4 items were taken", taken);
}
