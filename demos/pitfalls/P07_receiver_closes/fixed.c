/* SPDX-License-Identifier: MIT */
/* P07, fixed: a receiver that has enough leaves, and the sender closes. */
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
        if (conc_chan_send(numbers, &i, NULL) != 0)
            break;
    }
    conc_chan_close(numbers);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(numbers);
    return verdict(taken[0] + taken[1] == 4, "of 4 numbers %d have come", taken[0] + taken[1]);
}
