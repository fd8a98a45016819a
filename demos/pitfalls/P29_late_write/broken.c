/* SPDX-License-Identifier: MIT */
/*
 * P29: A late worker writes its answer into the frame of a function that has returned
 *
 * @family own
 * @kind lifetime
 * @from Go concurrency patterns, 4 "time-outs and cancellation", carried over to C: in Go the
 *     variable moves to the heap, in C it goes with the frame
 * @weakness CWE-562, CWE-416, CERT DCL30-C
 * @rule Who is given an address must not outlive what is there. A function that returns at a
 *     time-out leaves a worker behind that still has the address of its local, where the next call
 *     has its own: here the answer to the first question is given to the second. The result belongs
 *     to what both outlive, or the worker is waited for.
 * @detect native:wrong helgrind:race tsan:race asan:use-after-return
 */
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
    /* place 1: where is the frame by now? */
    *q->answer = 100 * q->number;
    gate_open(q->number == 1 ? &has_written : &is_late);
    gate_wait_as_task(&has_written);
    conc_chan_close(q->done);
}

static int ask(struct question *q)
{
    struct conc_context ctx;
    int answer = 0;
    /* place 2: the address of a local, given to a task that may be late */
    q->answer = &answer;
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
