/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_WAITER_H
#define CONC_SYNC_WAITER_H

/*
 * How everything in sync/ waits: waiters in queues. For authors of a new primitive; programs use
 * the primitives.
 *
 * A waiter is a record on the stack of the task that waits. It stands in the queue of what it waits
 * for through a node; a select has a node in the queue of each of its channels, and a wait with a
 * context has one more in the context's queue. Whoever wants to wake the task first *claims* its
 * waiter by one compare-and-swap from "unclaimed". Exactly one claim succeeds: a sender, a closer,
 * a canceller or the task's own deadline. The claimer fills in the result and unparks the task
 * once. The task removes its nodes from the other queues before its call returns.
 *
 *   waiting side                            waking side
 *   ------------                            -----------
 *   lock object                             lock object
 *   nothing ready: queue node               node = conc_wait_queue_claim(queue)
 *   conc_wait(&waiter, &object->lock, …)    fill in what node->data points to
 *     (parks; releases the lock)            unlock object
 *   look at waiter.claim                    conc_unpark(node's task)
 *
 * The waker unparks after it has released the lock, and touches the object no more: the woken task
 * may destroy it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/engine.h"

struct conc_context;

/* Who claimed a waiter: the index of the node (0 and up), or one of these. */
enum {
    CONC_UNCLAIMED = -1,
    CONC_CLAIM_CONTEXT = -2,  /* the context was cancelled */
    CONC_CLAIM_DEADLINE = -3, /* the context's deadline passed */
};

struct conc_waiter {
    struct conc_task *task; /* fixed: who waits */
    atomic_int claim;       /* from CONC_UNCLAIMED once to the claimer */
};

/*
 * Most tasks wait in one queue, without a context, and park with the lock of that queue. Whoever
 * holds the lock then claims them by taking them out: a sole node has no waiter.
 */
struct conc_wait_node {
    struct conc_wait_node *next;   /* under the queue's lock; the claimer's once claimed */
    struct conc_waiter *waiter;    /* fixed; NULL: a sole node, its index is 0 */
    int index;                     /* fixed: what a claim through this node writes */
    int result;                    /* the claimer's, then the waiter's */
    struct conc_wait_node *prev;   /* under the queue's lock; NULL when claimed */
    struct conc_task *task;        /* fixed: who waits */
    void *data;                    /* fixed: where to copy to or from, or a weight */
    struct conc_wait_queue *queue; /* under the queue's lock; NULL: in none */
    struct conc_wait_node *twin;   /* fixed: of the same waiter, under the same lock; they leave
                                      together */
};

/* First come, first served. Zero is empty, and so is whatever has no head: its tail says nothing.
 * Guarded by the lock of the object that embeds it; whether there is a head may be looked at
 * without. */
struct conc_wait_queue {
    _Atomic(struct conc_wait_node *) head;
    struct conc_wait_node *tail;
};

static inline struct conc_wait_node *conc_wait_queue_head(const struct conc_wait_queue *queue)
{
    return atomic_load_explicit(&queue->head, memory_order_relaxed);
}

/* For the functions below. */
static inline struct conc_wait_node *conc_wait_queue_last(const struct conc_wait_queue *queue)
{
    return conc_wait_queue_head(queue) ? queue->tail : NULL;
}

static inline void conc_wait_queue_set_head(
    struct conc_wait_queue *queue, struct conc_wait_node *head)
{
    atomic_store_explicit(&queue->head, head, memory_order_relaxed);
}

/* Makes a waiter of the calling task, and returns it. */
static inline struct conc_waiter *conc_waiter_init(struct conc_waiter *waiter)
{
    waiter->task = conc_self();
    atomic_init(&waiter->claim, CONC_UNCLAIMED);
    return waiter;
}

/* Appends a node with the given waiter (NULL: a sole node), index and data. */
static inline void conc_wait_queue_push(struct conc_wait_queue *queue, struct conc_wait_node *node,
    struct conc_waiter *waiter, int index, void *data)
{
    struct conc_wait_node *last = conc_wait_queue_last(queue);
    *node = (struct conc_wait_node){
        .prev = last,
        .queue = queue,
        .waiter = waiter,
        .task = waiter ? waiter->task : conc_self(),
        .index = index,
        .data = data,
    };
    if (last)
        last->next = node;
    else
        conc_wait_queue_set_head(queue, node);
    queue->tail = node;
}

/* Appends a sole node of the calling task, `self`, which will never be taken out but by a claim: so
 * nobody asks for its queue or its twin, and they are not set. */
static inline void conc_wait_queue_push_sole(
    struct conc_wait_queue *queue, struct conc_wait_node *node, struct conc_task *self, void *data)
{
    struct conc_wait_node *last = conc_wait_queue_last(queue);
    memset(node, 0, offsetof(struct conc_wait_node, prev)); /* in two stores */
    node->prev = last;
    node->task = self;
    node->data = data;
    if (last)
        last->next = node;
    else
        conc_wait_queue_set_head(queue, node);
    queue->tail = node;
}

/* The same at the front: for a waiter that was woken, found nothing, and keeps its place. */
void conc_wait_queue_push_front(struct conc_wait_queue *queue, struct conc_wait_node *node,
    struct conc_waiter *waiter, int index, void *data);

/* Takes a node out of its queue; does nothing when it is in none. */
void conc_wait_queue_remove(struct conc_wait_node *node);

/* Claims a node's waiter: true when the caller is the one who must now unpark it. */
static inline bool conc_wait_node_claim(struct conc_wait_node *node)
{
    if (!node->waiter)
        return true;
    int unclaimed = CONC_UNCLAIMED;
    return atomic_compare_exchange_strong(&node->waiter->claim, &unclaimed, node->index);
}

/* Takes nodes from the front until one can be claimed: that node, or NULL when none is left. The
 * twin of the claimed node leaves its queue too. */
static inline struct conc_wait_node *conc_wait_queue_claim(struct conc_wait_queue *queue)
{
    struct conc_wait_node *node;
    while ((node = conc_wait_queue_head(queue))) {
        conc_wait_queue_set_head(queue, node->next);
        if (node->next)
            node->next->prev = NULL;
        node->queue = NULL;
        if (!node->waiter)
            break;
        if (node->twin)
            conc_wait_queue_remove(node->twin);
        if (conc_wait_node_claim(node))
            break;
    }
    return node;
}

/* Claims the first, known to be a sole one: it has no twin, nobody else will look at its queue, and
 * its result is 0 as it was. */
static inline void conc_wait_queue_take_sole(
    struct conc_wait_queue *queue, struct conc_wait_node *first)
{
    struct conc_wait_node *next = first->next;
    conc_wait_queue_set_head(queue, next);
    if (next)
        next->prev = NULL;
}

/* Claims all: a list linked by next, in order. To be given to conc_wait_list_unpark after unlock.
 */
struct conc_wait_node *conc_wait_queue_claim_all(struct conc_wait_queue *queue);

/* In a list that may be long, prev of each may say which node comes so many later. */
enum { CONC_WAIT_AHEAD = 8 };

/* Unparks every task of such a list. The nodes are gone afterwards. */
void conc_wait_list_unpark(struct conc_wait_node *list);

/* Unparks the task of one claimed node. */
static inline void conc_wait_node_unpark(struct conc_wait_node *node)
{
    if (node->waiter)
        conc_unpark(node->task);
    else
        conc_unpark_sole(node->task);
}

/*
 * Waits until the waiter (NULL: the caller's sole node) is claimed, by a waker, by `ctx` or by its
 * deadline; returns the claim. It must be in its queues and `held`, the lock of the last of them,
 * be held: it is released. On CONC_CLAIM_CONTEXT and CONC_CLAIM_DEADLINE the caller still has to
 * take its nodes out of the queues; conc_wait_error gives the code to return.
 */
int conc_wait_shared(struct conc_waiter *waiter, struct conc_lock *held, struct conc_context *ctx,
    const struct conc_wait_info *info);
static inline int conc_wait(struct conc_waiter *waiter, struct conc_lock *held,
    struct conc_context *ctx, const struct conc_wait_info *info)
{
    if (waiter)
        return conc_wait_shared(waiter, held, ctx, info);
    conc_park_sole(conc_self(), held, info);
    return 0;
}

/* The error code of a wait that ended by its context: ECANCELED or ETIMEDOUT. */
int conc_wait_error(int claim, struct conc_context *ctx);

/*
 * The whole of a wait in one queue: queues the caller with `data`, waits, and after a cancel or a
 * deadline takes itself out of the queue again, for which it takes `held` again and releases it.
 * Returns what the waker left in the node's result (0 if nothing), or the error. In reports the
 * caller waits `what` (see struct conc_wait_info) with the address of `held` as the object: let the
 * lock be its first member.
 *
 * The first four arguments are in the order in which a primitive is given them itself, so that it
 * need not move them. Best called last of all. One place in the program is where tasks fall asleep
 * and wake up, and it returns by a jump (jump_return.h).
 */
int conc_wait_in(struct conc_lock *held, void *data, struct conc_context *ctx,
    const struct conc_site *site, struct conc_wait_queue *queue, const char *what);

/*
 * Two threads at a buffer, each on a core of its own: the quicker one would find it empty or full
 * at every turn, and to wait costs both many times what a message does. So it first stays away for
 * as long as the other takes to fill or to empty the buffer by itself, though not for longer than a
 * wait may cost. That time, for a buffer of so many elements; 0 where it is of no use.
 */
int conc_wait_patience_ns(size_t capacity);

/* Releases the lock for so long, unless others wait in the queue already. */
void conc_wait_stay_away(const struct conc_wait_queue *queue, struct conc_lock *held, int64_t ns);

#endif
