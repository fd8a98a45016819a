/* SPDX-License-Identifier: MIT */
/*
 * P07: A receiver closes the channel, because it has enough
 *
 * @family documents
 * @kind misuse
 * @from In-depth guide to Go's concurrency patterns, 7.1 DON'T 1: "do not close a channel on the
 *     receiving side"
 * @weakness none of its own; CWE-664 (control of a resource through its lifetime) is the nearest
 * @rule A close says "no more will come", and only who sends can know that. A receiver that has
 *     enough speaks for itself alone: when it closes, the other receivers are told of an end that
 *     is none, and the senders are refused. To stop the senders, cancel their context.
 * @detect native:wrong conc:close-by-receiver,send-closed
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *numbers;
static struct gate has_enough;
static int taken[2];

static void first(void *arg)
{
    int number;
    (void)arg;
    while (taken[0] < 2 && conc_chan_recv(numbers, &number, NULL) == 0)
        taken[0]++;
    /* place 1: has enough, and closes for everybody */
    conc_chan_close(numbers);
    gate_open(&has_enough);
}

static void second(void *arg)
{
    int number;
    (void)arg;
    gate_wait_as_task(&has_enough);
    while (conc_chan_recv(numbers, &number, NULL) == 0)
        taken[1]++;
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_chan_create(&numbers, sizeof(int), 0, NULL);
    conc_wait_group_go(&tasks, first, NULL);
    conc_wait_group_go(&tasks, second, NULL);
    for (int i = 1; i <= 4; i++) {
        if (i == 3)
            gate_wait_as_task(&has_enough);
        /* place 2: the third and the fourth are refused */
        if (conc_chan_send(numbers, &i, NULL) != 0)
            break;
    }
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(numbers);
    return verdict(taken[0] + taken[1] == 4, "of 4 numbers %d have come", taken[0] + taken[1]);
}
