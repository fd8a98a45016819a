/* SPDX-License-Identifier: MIT */
/*
 * P15: Three are asked, the first answer is taken, and two cannot get rid of theirs
 *
 * @family documents
 * @kind leak
 * @from Go concurrency patterns, best practices 2 "use buffered channels": results without a buffer
 *     "can leak goroutines"
 * @weakness CWE-772
 * @rule A worker whose result may not be wanted must be able to leave it behind: in a channel with
 *     room for every result, or through a context that calls its send off. Without either it waits
 *     for a receiver that has gone, one more for each request.
 * @detect native:leak conc:leak memcheck:possibly-lost tsan:thread-leak
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *answers;
static struct conc_wait_group servers = CONC_WAIT_GROUP_INIT;

static void server(void *arg)
{
    int answer = 42;
    (void)arg;
    /* place 1: who is not the first waits here for ever */
    conc_chan_send(answers, &answer, NULL);
}

int main(void)
{
    int answer = 0;
    /* place 2: room for none */
    conc_chan_create(&answers, sizeof answer, 0, NULL);
    for (int i = 0; i < 3; i++)
        conc_wait_group_go(&servers, server, NULL);
    conc_chan_recv(answers, &answer, NULL);
    wait_until_others_sleep(); /* the program goes on for long */
    return verdict(answer == 42, "the first answer is %d", answer);
}
