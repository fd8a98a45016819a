/* SPDX-License-Identifier: MIT */
/* P29, fixed: the answer has its place in the question, which lives until the worker has ended. */
#include <errno.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

struct question {
    int number;
    int *answer;
    int room;
    struct conc_chan *done;
};

static struct conc_wait_group workers = CONC_WAIT_GROUP_INIT;
static struct gate is_late;
static struct gate has_written;

static void work(void *arg)
{
    struct question *q = arg;
    if (q->number == 1)
        gate_wait_as_task(&is_late);
    *q->answer = 100 * q->number;
    gate_open(q->number == 1 ? &has_written : &is_late);
    gate_wait_as_task(&has_written);
    conc_chan_close(q->done);
}

static int ask(struct question *q)
{
    struct conc_context ctx;
    q->answer = &q->room;
    conc_wait_group_go(&workers, work, q);
    conc_context_with_timeout(&ctx, NULL, q->number == 1 ? CONC_MS(1) : CONC_FOREVER);
    int rc = conc_chan_recv(q->done, NULL, &ctx);
    conc_context_destroy(&ctx);
    return rc == EPIPE ? *q->answer : 0; /* done: closed */
}

int main(void)
{
    struct question first = {.number = 1};
    struct question second = {.number = 2};
    conc_chan_create(&first.done, 0, 0, NULL);
    conc_chan_create(&second.done, 0, 0, NULL);
    ask(&first);
    int answer = ask(&second);
    conc_wait_group_wait(&workers, NULL);
    conc_wait_group_destroy(&workers);
    conc_chan_destroy(first.done);
    conc_chan_destroy(second.done);
    return verdict(answer == 200, "the second question was answered with %d", answer);
}
