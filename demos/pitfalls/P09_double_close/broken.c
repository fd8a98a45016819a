/* SPDX-License-Identifier: MIT */
/*
 * P09: A pool is stopped twice, and does twice what it does at its end
 *
 * @family documents
 * @kind misuse
 * @from Go concurrency patterns, 1 "worker pool", Stop: the second call closes the channel again;
 *     In-depth guide to Go's concurrency patterns, 7.1 DON'T 1
 * @weakness CWE-675 (an operation twice on one resource), CWE-252
 * @rule A channel is closed once, by its one owner. In Go the second close is a panic; conc returns
 *     EPIPE, which says "somebody else has ended this already". Who does not read it goes on, and
 *     does a second time what belongs to the end.
 * @detect native:wrong conc:close-twice
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/once.h"
#include "sync/wait_group.h"

static struct conc_chan *jobs;
static struct conc_wait_group workers = CONC_WAIT_GROUP_INIT;
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
    /* place 1: the second time it is closed already, and nobody reads that */
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
    stop(NULL);
    /* place 2: and once more, in what cleans up on every path */
    stop(NULL);
    conc_wait_group_destroy(&workers);
    conc_chan_destroy(jobs);
    return verdict(billed == 3, "of 3 jobs %d have been billed", billed);
}
