/* SPDX-License-Identifier: MIT */
#ifndef CONC_BOUNDED_QUEUE_H
#define CONC_BOUNDED_QUEUE_H

/*
 * A bounded queue made of a mutex, two conditions and a ring: what is under every channel, and what
 * one writes where there are none. In Go it is a slice with a sync.Mutex and two sync.Conds.
 *
 *   pushing side                                 popping side
 *   ------------                                 ------------
 *   while (more(&job))                           while (conc_bounded_queue_pop(q, &job, ctx) == 0)
 *       conc_bounded_queue_push(q, &job, ctx);       do_it(&job);
 *   conc_bounded_queue_close(q);
 *
 * Any number of tasks may call any function at once, but destroy. Items are of one size and copied
 * in and out, first in, first out; what they point to belongs to whoever holds the item. Closing is
 * the pushers' business, as with a channel. It cannot stand in a select, and its capacity is at
 * least 1: where that matters, or tasks often wait, take sync/chan.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/site.h"

struct conc_bounded_queue; /* opaque */
struct conc_context;

/* Makes a queue with room for `capacity` items of `size` bytes each. `drop` (may be NULL) is called
 * at destroy with each item that nobody has popped. The caller owns *queue and destroys it. 0;
 * EINVAL: queue is NULL, or size or capacity is 0; ENOMEM. */
int conc_bounded_queue_create(
    struct conc_bounded_queue **queue, size_t size, size_t capacity, void (*drop)(void *item));

/* Ends its life and drops what is left in it. Nobody may be using it any more. NULL is allowed. */
void conc_bounded_queue_destroy(struct conc_bounded_queue *queue);

/*
 * int conc_bounded_queue_push(struct conc_bounded_queue *queue, const void *item,
 *                             struct conc_context *ctx)
 *
 * Appends a copy of *item. Waits until there is room; woken by a pop, a close, a cancel or the
 * deadline. Room that is there wins over a context that is done. What was written before the push
 * is visible to whoever pops the item.
 *
 * 0. Otherwise the item was not taken and stays the caller's: EPIPE: the queue is closed, or was
 * closed while waiting; ECANCELED, ETIMEDOUT: the context's end; EINVAL: an argument is NULL (ctx
 * may be).
 */
#define conc_bounded_queue_push(queue, item, ctx)                                                  \
    conc_bounded_queue_push_at((queue), (item), (ctx), CONC_HERE)
int conc_bounded_queue_push_at(struct conc_bounded_queue *queue, const void *item,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when the queue is full. */
int conc_bounded_queue_try_push(struct conc_bounded_queue *queue, const void *item);

/*
 * int conc_bounded_queue_pop(struct conc_bounded_queue *queue, void *item,
 *                            struct conc_context *ctx)
 *
 * Takes the oldest item into *item (NULL: takes and forgets it; `drop` is not called). Waits until
 * there is one; woken by a push, a close, a cancel or the deadline. An item that is there wins over
 * a context that is done.
 *
 * 0; EPIPE: closed and empty, *item is zeroed; ECANCELED, ETIMEDOUT: the context's end, and EINVAL:
 * queue is NULL: nothing was taken, *item is untouched.
 */
#define conc_bounded_queue_pop(queue, item, ctx)                                                   \
    conc_bounded_queue_pop_at((queue), (item), (ctx), CONC_HERE)
int conc_bounded_queue_pop_at(struct conc_bounded_queue *queue, void *item,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when the queue is empty. */
int conc_bounded_queue_try_pop(struct conc_bounded_queue *queue, void *item);

/* Closes it: pushers get EPIPE, poppers what is left and then EPIPE. Never waits for an item. 0;
 * EPIPE: already closed; EINVAL: queue is NULL. */
int conc_bounded_queue_close(struct conc_bounded_queue *queue);

/* How many items are in it at this moment, and how many fit; 0 for NULL. */
size_t conc_bounded_queue_len(struct conc_bounded_queue *queue);
size_t conc_bounded_queue_cap(const struct conc_bounded_queue *queue);

#endif
