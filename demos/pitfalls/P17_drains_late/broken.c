/* SPDX-License-Identifier: MIT */
/*
 * P17: A pool waits for its workers before it reads their results
 *
 * @family own
 * @kind deadlock
 * @from Go 1.25.3 in practice, 1.1 "basic worker pool"; In-depth guide to Go's concurrency
 *     patterns, 3.2: Stop and Close wait for the workers, and the results are read after
 * @weakness CWE-833
 * @rule A worker that sends its result waits while the channel is full. Whoever waits for the
 *     workers first, and reads after, waits for what waits for him. The example has as many tasks
 *     as there is room for results, and passes; with one more it hangs.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

enum { WORKERS = 2, ROOM = 2 * WORKERS, TASKS = ROOM + 2 };

static struct conc_chan *tasks;
static struct conc_chan *results;
static struct conc_wait_group workers = CONC_WAIT_GROUP_INIT;

static void worker(void *arg)
{
    int number;
    (void)arg;
    while (conc_chan_recv(tasks, &number, NULL) == 0) {
        int square = number * number;
        /* place 1: room for four, and nobody reads yet */
        conc_chan_send(results, &square, NULL);
    }
}

static void stop(void)
{
    conc_chan_close(tasks);
    conc_wait_group_wait(&workers, NULL);
}

static int read_results(void)
{
    int square, sum = 0;
    for (int i = 0; i < TASKS; i++) {
        conc_chan_recv(results, &square, NULL);
        sum += square;
    }
    return sum;
}

int main(void)
{
    conc_chan_create(&tasks, sizeof(int), ROOM, NULL);
    conc_chan_create(&results, sizeof(int), ROOM, NULL);
    for (int i = 0; i < WORKERS; i++)
        conc_wait_group_go(&workers, worker, NULL);
    for (int i = 1; i <= TASKS; i++)
        conc_chan_send(tasks, &i, NULL);
    /* place 2: comes back when the workers have ended, and only then does somebody read */
    stop();
    int sum = read_results();
    conc_wait_group_destroy(&workers);
    conc_chan_destroy(tasks);
    conc_chan_destroy(results);
    return verdict(sum == 91, "the squares of 1 to 6 add up to %d", sum);
}
