/* SPDX-License-Identifier: MIT */
/*
 * P02: A receive that nothing can call off
 *
 * @family documents
 * @kind deadlock
 * @from In-depth guide to Go's concurrency patterns, 7.2 trap 1 "goroutine leak": a receive from a
 *     channel to which nobody sends
 * @weakness CWE-833, CWE-772
 * @rule A wait is for what another task will do, and that task may fail, or never come to it. So
 *     every wait that is part of a request takes the request's context: then whoever gives the
 *     request up ends the wait as well. A wait without one can only be ended from inside.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
#include <errno.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

static struct conc_chan *answers;
static struct conc_context request;
static int end;

static void asker(void *arg)
{
    int answer;
    (void)arg;
    /* place 1: waits for an answer, and for nothing else */
    end = conc_chan_recv(answers, &answer, NULL);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_chan_create(&answers, sizeof(int), 0, NULL);
    conc_context_with_cancel(&request, NULL);
    conc_wait_group_go(&tasks, asker, NULL);
    /* place 2: nobody answers, the request is given up, and the task does not learn of it */
    conc_context_cancel(&request);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_context_destroy(&request);
    conc_chan_destroy(answers);
    return verdict(end == ECANCELED, "the wait has been called off");
}
