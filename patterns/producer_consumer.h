/* SPDX-License-Identifier: MIT */
#ifndef CONC_PRODUCER_CONSUMER_H
#define CONC_PRODUCER_CONSUMER_H

/*
 * Producers and consumers: some tasks make items, others use them up, and a channel in between lets
 * each side go at its own pace. 1:1, 1:N, N:1 and N:M are two numbers in the options.
 *
 *   producers          items             consumers          results            the caller
 *   produce() ──┐                     ┌──▶ consume() ──┐
 *   produce() ──┼──▶ channel ─────────┼──▶ consume() ──┼──▶ channel ─────────▶ collect()
 *   produce() ──┘    closed by who    └──▶ consume() ──┘    closed by who
 *                    waited for all                         waited for all
 *                    producers                              consumers
 *
 *   struct conc_producer_consumer_options options = {
 *       .producers = 2, .consumers = 4, .capacity = 10,
 *       .item_size = sizeof(struct job), .result_size = sizeof(struct answer),
 *       .produce = next_job, .consume = do_job, .collect = print_answer, .arg = &shared};
 *   int rc = conc_producer_consumer_run(&options, ctx);
 *
 * The whole thing is one call: it starts the tasks, collects in the calling task, and returns when
 * all have been joined. Nobody is left behind, neither a producer whose consumers are gone nor a
 * consumer whose channel is never closed. The first error of anybody, or the context's end, stops
 * everybody.
 *
 * Where there is no error each item is consumed once and each result collected once. The items of
 * one producer are taken in the order it made them; with several consumers they may be finished in
 * another. What produce wrote is visible to consume, and what consume wrote to collect.
 */

#include <stddef.h>

#include "runtime/site.h"

struct conc_context;

struct conc_producer_consumer_options {
    size_t producers; /* at least 1 */
    size_t consumers; /* at least 1 */
    size_t capacity;  /* of the channel of items; 0: every item is handed over in person */
    size_t results_capacity;
    size_t item_size;   /* bytes */
    size_t result_size; /* bytes; not used without collect */

    /* Makes the next item of producer p (0 … producers - 1) in *item: 0; EPIPE: this producer has
     * no more; any other code: an error, which stops everybody. */
    int (*produce)(void *arg, size_t p, void *item, struct conc_context *ctx);

    /* Uses an item, which is its own from now on, in consumer c, and leaves the result in *result
     * (NULL without collect): 0, or an error. */
    int (*consume)(void *arg, size_t c, const void *item, void *result, struct conc_context *ctx);

    /* Takes a result, in the calling task, one after the other: 0, or an error. May be NULL: then
     * there are no results. */
    int (*collect)(void *arg, const void *result);

    void *arg; /* for all three; shared by all tasks */

    /* What becomes of an item, or a result, that an early end leaves without an owner; may be NULL.
     */
    void (*drop_item)(void *item);
    void (*drop_result)(void *result);
};

/*
 * int conc_producer_consumer_run(const struct conc_producer_consumer_options *options,
 *                                struct conc_context *ctx)
 *
 * Runs until every producer has said EPIPE, every item is consumed and every result collected; or
 * until an error, a cancel or the deadline. In every case it returns only after all of its tasks
 * have ended: a produce or consume that waits should do so with the context it is given. It is one
 * long job and has no try twin.
 *
 * 0: everything was done. The first error of a callback (EOWNERDEAD for produce or consume that
 * ends its thread with conc_task_exit); ECANCELED, ETIMEDOUT: the context's end, before everything
 * was done; ENOMEM, EAGAIN: no memory or no thread; EINVAL: options, produce or consume is NULL, or
 * a number is 0 that must not be.
 */
#define conc_producer_consumer_run(options, ctx)                                                   \
    conc_producer_consumer_run_at((options), (ctx), CONC_HERE)
int conc_producer_consumer_run_at(const struct conc_producer_consumer_options *options,
    struct conc_context *ctx, const struct conc_site *site);

#endif
