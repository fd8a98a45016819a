/* SPDX-License-Identifier: MIT */
/*
 * P04: A producer sends, and its consumer has gone
 *
 * @family documents
 * @kind deadlock
 * @from Producer-consumer, "errors and traps": deadlock, "the channel is not closed, or there is no
 *     consumer"
 * @weakness CWE-833, CWE-772
 * @rule Who receives from a channel and stops early leaves a sender waiting. So a consumer that
 *     gives up says so, by a context that the producer's sends watch, or takes the rest and drops
 *     it. The error path is the one on which it is forgotten.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

static struct conc_chan *items;
static struct conc_context work;
static int sum;

static void producer(void *arg)
{
    static const int all[] = {1, 2, -1, 4};
    (void)arg;
    for (int i = 0; i < 4; i++)
        /* place 1: the fourth waits for a receiver */
        if (conc_chan_send(items, &all[i], &work) != 0)
            return;
    conc_chan_close(items);
}

static void consume(void)
{
    int item;
    while (conc_chan_recv(items, &item, NULL) == 0) {
        if (item < 0) {
            /* place 2: a bad item, and the only receiver leaves without a word */
            return;
        }
        sum += item;
    }
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_chan_create(&items, sizeof(int), 0, NULL);
    conc_context_with_cancel(&work, NULL);
    conc_wait_group_go(&tasks, producer, NULL);
    consume();
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_context_destroy(&work);
    conc_chan_destroy(items);
    return verdict(sum == 3, "the items before the bad one add up to %d", sum);
}
