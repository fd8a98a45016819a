/* SPDX-License-Identifier: MIT */
/* P04, fixed: who gives up cancels the work, and the producer's sends watch that. */
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
        if (conc_chan_send(items, &all[i], &work) != 0)
            return;
    conc_chan_close(items);
}

static void consume(void)
{
    int item;
    while (conc_chan_recv(items, &item, NULL) == 0) {
        if (item < 0) {
            conc_context_cancel(&work);
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
