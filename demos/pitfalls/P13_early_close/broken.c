/* SPDX-License-Identifier: MIT */
/*
 * P13: The producer that is ready first closes for all
 *
 * @family documents
 * @kind logic
 * @from Producer-consumer, "errors and traps": items lost, "the channel is closed too early"
 * @weakness CWE-362, CWE-664
 * @rule With several producers none of them knows when all are done, so none of them closes. Who
 *     has waited for all of them does, as a rule whoever started them. What is sent after an early
 *     close is refused, and missing at the end.
 * @detect native:wrong conc:send-closed
 */
#include "demos/pitfalls/pitfall.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *items;
static struct conc_wait_group producers = CONC_WAIT_GROUP_INIT;
static struct gate first_is_ready;
static int received;

static void produce(int n)
{
    for (int i = 0; i < n; i++)
        if (conc_chan_send(items, &i, NULL) != 0)
            return;
}

static void first(void *arg)
{
    (void)arg;
    produce(3);
    /* place 1: its own last item was not the last */
    conc_chan_close(items);
    gate_open(&first_is_ready);
}

static void second(void *arg)
{
    (void)arg;
    produce(1);
    gate_wait_as_task(&first_is_ready);
    /* place 2: is refused what it still has to send */
    produce(2);
}

static void consumer(void *arg)
{
    int item;
    (void)arg;
    while (conc_chan_recv(items, &item, NULL) == 0)
        received++;
}

int main(void)
{
    struct conc_task *task;
    conc_chan_create(&items, sizeof(int), 6, NULL);
    conc_task_start(&task, consumer, NULL);
    conc_wait_group_go(&producers, first, NULL);
    conc_wait_group_go(&producers, second, NULL);
    conc_wait_group_wait(&producers, NULL);
    conc_task_join(task);
    conc_wait_group_destroy(&producers);
    conc_chan_destroy(items);
    return verdict(received == 6, "of 6 items %d have come", received);
}
