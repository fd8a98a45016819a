/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "producer_consumer.h"
#include "runtime/memory.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

/* One run. */
struct run {
    const struct conc_producer_consumer_options *options; /* fixed, as the next three */
    const struct conc_site *site;                         /* of the caller */
    struct conc_chan *items;
    struct conc_chan *results; /* NULL without collect */
    struct conc_context ctx;   /* ends everybody */
    struct conc_wait_group producing;
    struct conc_wait_group consuming;
    struct conc_wait_group closing;
    atomic_int error; /* the first, or 0 */
};

/* One producer or consumer: its number and the buffers for one item and one result. */
struct hand {
    struct run *run;
    size_t number;
    void *item;
    void *result;
};

static size_t at_least_1(size_t size)
{
    return size > 0 ? size : 1;
}

/* Ends the run for everybody. The first error is the one that counts. */
static void fail(struct run *run, int rc)
{
    int none = 0;
    atomic_compare_exchange_strong(&run->error, &none, rc);
    conc_context_cancel(&run->ctx);
}

/* Whether the run has been ended from outside or by somebody's error: a task that still finds room
 * or items would not notice otherwise. */
static bool stopped(struct run *run)
{
    int rc = conc_context_error(&run->ctx);
    if (rc != 0)
        fail(run, rc);
    return rc != 0;
}

/* Runs when a callback has ended its thread (conc_task_exit): what it held is lost. */
static void left_by_exit(void *arg)
{
    fail(arg, EOWNERDEAD);
}

/* --- the tasks ----------------------------------------------------------------------------------
 */

/* snippet: producer */
static void producer(void *arg)
{
    struct hand *me = arg;
    struct run *run = me->run;
    const struct conc_producer_consumer_options *o = run->options;
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, left_by_exit, run);
    while (!stopped(run)) {
        int rc = o->produce(o->arg, me->number, me->item, &run->ctx);
        if (rc == EPIPE)
            break;
        if (rc == 0 && (rc = conc_chan_send_at(run->items, me->item, &run->ctx, run->site)) != 0 &&
            o->drop_item)
            o->drop_item(me->item); /* nobody took it: it is still ours */
        if (rc != 0)
            fail(run, rc);
    }
    conc_cleanup_pop(&cleanup, false);
}
/* end snippet */

static void consumer(void *arg)
{
    struct hand *me = arg;
    struct run *run = me->run;
    const struct conc_producer_consumer_options *o = run->options;
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, left_by_exit, run);
    while (!stopped(run)) {
        int rc = conc_chan_recv_at(run->items, me->item, &run->ctx, run->site);
        if (rc == EPIPE)
            break;
        if (rc == 0)
            rc = o->consume(o->arg, me->number, me->item, me->result, &run->ctx);
        else
            continue; /* stopped */
        if (rc == 0 && run->results &&
            (rc = conc_chan_send_at(run->results, me->result, &run->ctx, run->site)) != 0 &&
            o->drop_result)
            o->drop_result(me->result);
        if (rc != 0)
            fail(run, rc);
        conc_chan_give_way(run->items, run->results);
    }
    conc_cleanup_pop(&cleanup, false);
}

/* Whoever has waited for all senders closes: a producer that closes when it is done itself would
 * cut off the others. */
/* snippet: closer */
static void closer(void *arg)
{
    struct run *run = arg;
    conc_wait_group_wait(&run->producing, NULL);
    conc_chan_close(run->items);
    conc_wait_group_wait(&run->consuming, NULL);
    if (run->results)
        conc_chan_close(run->results);
}
/* end snippet */

static void collect(struct run *run, void *result)
{
    const struct conc_producer_consumer_options *o = run->options;
    while (!stopped(run)) {
        int rc = conc_chan_recv_at(run->results, result, &run->ctx, run->site);
        if (rc == EPIPE)
            break;
        if (rc == 0 && (rc = o->collect(o->arg, result)) != 0)
            fail(run, rc);
    }
}

/* --- the run ------------------------------------------------------------------------------------
 */

/* Gives every hand its number and its buffers, all from one piece of memory. */
static struct hand *make_hands(struct run *run, size_t n)
{
    const struct conc_producer_consumer_options *o = run->options;
    size_t align = _Alignof(max_align_t);
    size_t item = (at_least_1(o->item_size) + align - 1) / align * align;
    size_t result = (at_least_1(o->result_size) + align - 1) / align * align;
    size_t head = (sizeof(struct hand) + align - 1) / align * align;
    size_t each, total;
    if (item < o->item_size || result < o->result_size ||
        __builtin_add_overflow(item, result, &each) || __builtin_add_overflow(each, head, &each) ||
        __builtin_mul_overflow(n, each, &total))
        return NULL;
    struct hand *hands = conc_calloc(1, total);
    char *buffers = (char *)hands + n * head;
    for (size_t i = 0; hands && i < n; i++, buffers += item + result)
        hands[i] = (struct hand){.run = run, .item = buffers, .result = buffers + item};
    return hands;
}

/* Starts everybody. The consumers first: where starting fails half-way, nothing was produced. */
static int start(struct run *run, struct hand *hands)
{
    const struct conc_producer_consumer_options *o = run->options;
    int rc = 0;
    for (size_t c = 0; c < o->consumers && rc == 0; c++) {
        hands[c].number = c;
        if (!run->results)
            hands[c].result = NULL;
        rc = conc_wait_group_go(&run->consuming, consumer, &hands[c]);
    }
    for (size_t p = 0; p < o->producers && rc == 0; p++) {
        hands[o->consumers + p].number = p;
        rc = conc_wait_group_go(&run->producing, producer, &hands[o->consumers + p]);
    }
    if (rc == 0)
        rc = conc_wait_group_go(&run->closing, closer, run);
    return rc;
}

int conc_producer_consumer_run_at(const struct conc_producer_consumer_options *options,
    struct conc_context *ctx, const struct conc_site *site)
{
    size_t n;
    if (!options || !options->produce || !options->consume || options->producers == 0 ||
        options->consumers == 0)
        return EINVAL;
    if (__builtin_add_overflow(options->producers, options->consumers, &n) ||
        __builtin_add_overflow(n, 1, &n)) /* and the caller, who collects */
        return ENOMEM;

    struct run run = {.options = options, .site = site};
    conc_context_with_cancel(&run.ctx, ctx);
    conc_wait_group_init(&run.producing);
    conc_wait_group_init(&run.consuming);
    conc_wait_group_init(&run.closing);
    struct hand *hands = make_hands(&run, n);
    int rc = hands ? 0 : ENOMEM;
    if (rc == 0)
        rc =
            conc_chan_create(&run.items, options->item_size, options->capacity, options->drop_item);
    if (rc == 0 && options->collect)
        rc = conc_chan_create(
            &run.results, options->result_size, options->results_capacity, options->drop_result);
    if (rc == 0)
        rc = start(&run, hands);
    if (rc != 0)
        fail(&run, rc);
    else if (options->collect)
        collect(&run, hands[n - 1].result);

    conc_wait_group_wait_at(&run.closing, NULL, site);
    conc_wait_group_wait_at(&run.producing, NULL, site); /* where the closer did not start */
    conc_wait_group_wait_at(&run.consuming, NULL, site);
    conc_wait_group_destroy(&run.closing);
    conc_wait_group_destroy(&run.producing);
    conc_wait_group_destroy(&run.consuming);
    conc_chan_destroy(run.items);
    conc_chan_destroy(run.results);
    conc_free(hands);
    conc_context_destroy(&run.ctx);
    return atomic_load(&run.error);
}
