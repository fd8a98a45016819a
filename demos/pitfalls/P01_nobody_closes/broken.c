/* SPDX-License-Identifier: MIT */
/*
 * P01: The receiver waits for ever, because nobody closes
 *
 * @family documents
 * @kind leak
 * @from Go 1.25.3 in practice, 8.1 "goroutine leaks": range over a channel that is never closed
 * @weakness CWE-772, CWE-833
 * @rule A loop that receives until the channel is closed ends when somebody closes it, and only
 *     then. The sender knows that it has sent the last, so the sender closes.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *numbers;
static int sum;

static void receiver(void *arg)
{
    int number;
    (void)arg;
    /* place 1: waits for a fourth number, or the end */
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
    /* place 2: the sender has sent the last, and does not say so */
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(numbers);
    return verdict(sum == 6, "the sum is %d", sum);
}
