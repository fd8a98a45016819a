/* SPDX-License-Identifier: MIT */
/* P28, fixed: room for one result, which the worker leaves behind; and main waits for the workers,
 * which end now. */
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
    conc_chan_send(result, &answer, NULL);
}

static int ask(struct conc_chan **result)
{
    struct conc_context ctx;
    int answer;
    conc_chan_create(result, sizeof answer, 1, NULL);
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
    conc_wait_group_wait(&workers, NULL);
    conc_wait_group_destroy(&workers);
    for (int i = 0; i < REQUESTS; i++)
        conc_chan_destroy(results[i]);
    return verdict(late == REQUESTS, "%d of %d requests timed out", late, REQUESTS);
}
