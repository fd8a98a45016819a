/* SPDX-License-Identifier: MIT */
/* P01, fixed: the sender closes. */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *numbers;
static int sum;

static void receiver(void *arg)
{
    int number;
    (void)arg;
    while (conc_chan_recv(numbers, &number, NULL) == 0)
        sum += number;
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_chan_create(&numbers, sizeof(int), 0, NULL);
    conc_wait_group_go(&tasks, receiver, NULL);
    for (int i = 1; i <= 3; i++)
        conc_chan_send(numbers, &i, NULL);
    conc_chan_close(numbers);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(numbers);
    return verdict(sum == 6, "the sum is %d", sum);
}
