/* SPDX-License-Identifier: MIT */
/*
 * P28: Ten time-outs, and ten workers that cannot get rid of their results
 *
 * @family own
 * @kind leak
 * @from Go concurrency patterns, 4 "time-outs and cancellation": its result channel has room for
 *     one, which is all that keeps it from this, and the text does not say so
 * @weakness CWE-772
 * @rule Who gives up waiting gives up receiving. A worker that then sends its late result on a
 *     channel without room waits for ever: one task more for each time-out, just when the service
 *     is slow. Room for one result lets it go; a context tells it not to begin.
 * @detect native:leak conc:leak memcheck:possibly-lost
 */
#include <errno.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

enum { REQUESTS = 10 };

static struct conc_wait_group workers = CONC_WAIT_GROUP_INIT;
static struct conc_chan *results[REQUESTS];
static struct gate is_late;

static void slow(void *result)
{
    int answer = 42;
    gate_wait_as_task(&is_late);
    /* place 1: whoever asked has gone */
    conc_chan_send(result, &answer, NULL);
}

static int ask(struct conc_chan **result)
{
    struct conc_context ctx;
    int answer;
    /* place 2: no room for a result that nobody waits for */
    conc_chan_create(result, sizeof answer, 0, NULL);
    conc_wait_group_go(&workers, slow, *result);
    conc_context_with_timeout(&ctx, NULL, CONC_MS(1));
    int rc = conc_chan_recv(*result, &answer, &ctx);
    conc_context_destroy(&ctx);
    return rc;
}

int main(void)
{
    int late = 0;
    for (int i = 0; i < REQUESTS; i++)
        late += ask(&results[i]) == ETIMEDOUT;
    gate_open(&is_late);
    return verdict(late == REQUESTS, "%d of %d requests timed out", late, REQUESTS);
}
