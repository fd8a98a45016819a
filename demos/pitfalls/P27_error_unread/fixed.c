/* SPDX-License-Identifier: MIT */
/* P27, fixed: the bad news goes with the context, too: to a reader who is waiting for it, and else
 * nowhere. */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

struct result {
    int value;
    int error;
};

static struct conc_chan *results;
static struct conc_context ctx;

static void generator(void *arg)
{
    (void)arg;
    for (struct result r = {.value = 1};; r.value++) {
        if (conc_chan_send(results, &r, &ctx) == 0)
            continue;
        struct result last = {.error = conc_context_error(&ctx)};
        conc_chan_send(results, &last, &ctx);
        break;
    }
    conc_chan_close(results);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    struct result r;
    conc_context_with_cancel(&ctx, NULL);
    conc_chan_create(&results, sizeof r, 0, NULL);
    conc_wait_group_go(&tasks, generator, NULL);
    conc_chan_recv(results, &r, NULL);
    conc_context_cancel(&ctx);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(results);
    conc_context_destroy(&ctx);
    return verdict(r.value == 1, "the first value is %d", r.value);
}
