/* SPDX-License-Identifier: MIT */
/* P18, fixed: who takes an item signals that there is room, to those who wait for room. */
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
    conc_cond_signal(&not_full);
    conc_mutex_unlock(&mutex);
}

static void push(void)
{
    while (items == 1)
        conc_cond_wait(&not_full, &mutex, NULL);
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
