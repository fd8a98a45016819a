/* SPDX-License-Identifier: MIT */
/*
 * P27: A generator that is cancelled reports it, on a channel that nobody reads any more
 *
 * @family own
 * @kind leak
 * @from In-depth guide to Go's concurrency patterns, 2.3 "a pipeline for production":
 *     GeneratorWithContext sends ctx.Err() without a select
 * @weakness CWE-772
 * @rule Who is cancelled leaves, and waits for nobody: whoever cancelled has gone already. Every
 *     send of a task that can be called off is given the context, the one that brings the bad news
 *     most of all. Here the shutdown waits for the generator, and the generator for a reader.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
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
        /* place 1: the error is sent to the reader who has left */
        conc_chan_send(results, &last, NULL);
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
    /* place 2: has what it wants, cancels the rest, and reads no more */
    conc_context_cancel(&ctx);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(results);
    conc_context_destroy(&ctx);
    return verdict(r.value == 1, "the first value is %d", r.value);
}
