/* SPDX-License-Identifier: MIT */
/* P17, fixed: a task of its own submits, and main reads meanwhile. (Where the number of results is
 * not known, that task also waits for the workers and closes the results.) */
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
        conc_chan_send(results, &square, NULL);
    }
}

static void submit(void *arg)
{
    (void)arg;
    for (int i = 1; i <= TASKS; i++)
        conc_chan_send(tasks, &i, NULL);
    conc_chan_close(tasks);
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
    conc_wait_group_go(&workers, submit, NULL);
    int sum = read_results();
    conc_wait_group_wait(&workers, NULL);
    conc_wait_group_destroy(&workers);
    conc_chan_destroy(tasks);
    conc_chan_destroy(results);
    return verdict(sum == 91, "the squares of 1 to 6 add up to %d", sum);
}
