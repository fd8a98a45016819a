/* SPDX-License-Identifier: MIT */
/* P09, fixed: whoever stops it, it is stopped once. */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/once.h"
#include "sync/wait_group.h"

static struct conc_chan *jobs;
static struct conc_wait_group workers = CONC_WAIT_GROUP_INIT;
static struct conc_once stopped = CONC_ONCE_INIT;
static int done;
static int billed;

static void worker(void *arg)
{
    int job;
    (void)arg;
    while (conc_chan_recv(jobs, &job, NULL) == 0)
        done++;
}

static void stop(void *arg)
{
    (void)arg;
    conc_chan_close(jobs);
    conc_wait_group_wait(&workers, NULL);
    billed += done;
}

int main(void)
{
    conc_chan_create(&jobs, sizeof(int), 0, NULL);
    conc_wait_group_go(&workers, worker, NULL);
    for (int i = 0; i < 3; i++)
        conc_chan_send(jobs, &i, NULL);
    conc_once_do(&stopped, stop, NULL, NULL);
    conc_once_do(&stopped, stop, NULL, NULL);
    conc_wait_group_destroy(&workers);
    conc_chan_destroy(jobs);
    return verdict(billed == 3, "of 3 jobs %d have been billed", billed);
}
