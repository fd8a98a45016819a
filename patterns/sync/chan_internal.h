/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_CHAN_INTERNAL_H
#define CONC_SYNC_CHAN_INTERNAL_H

/* What chan.c and select.c share: the channel itself and the two moves on it. Not installed. */

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "runtime/lock.h"
#include "runtime/memory.h"
#include "sync/chan.h"
#include "sync/waiter.h"

/* Invariants, whenever the lock is free: no receiver waits while there is an element or a sender
 * waits; no sender waits while there is room; nobody waits once it is closed. (Nodes whose waiter
 * somebody else has claimed do not count: they are on their way out.) */
struct conc_chan {
    struct conc_lock lock;
    size_t size;          /* fixed: of an element */
    size_t capacity;      /* fixed */
    size_t bytes;         /* fixed: of the ring */
    int patience_ns;      /* fixed: who finds it empty or full looks again after so long */
    void (*drop)(void *); /* fixed */
    /* Under lock, as all below. The first two may be looked at without it. */
    atomic_bool closed;
    _Atomic(size_t) len;
    bool quick;  /* not closed, elements are copied by conc_copy_quick, and no check looks */
    size_t head; /* where in the ring the oldest element is */
    size_t tail; /* where the next one goes */
    struct conc_wait_queue receivers;
    struct conc_wait_queue senders;
    _Alignas(max_align_t) char ring[]; /* capacity elements */
};

static inline bool conc_chan_is_closed(const struct conc_chan *ch)
{
    return atomic_load_explicit(&ch->closed, memory_order_relaxed);
}

static inline size_t conc_chan_count(const struct conc_chan *ch)
{
    return atomic_load_explicit(&ch->len, memory_order_relaxed);
}

/* The place after another in the ring. */
static inline size_t conc_chan_next(const struct conc_chan *ch, size_t at)
{
    at += ch->size;
    return at == ch->bytes ? 0 : at;
}

/* Copies one element, unless nobody wants it. */
static inline void conc_chan_copy(const struct conc_chan *ch, void *to, const void *from)
{
    if (to)
        conc_copy(to, from, ch->size);
}

/* What a receiver gets from a closed channel. */
static inline void conc_chan_zero(const struct conc_chan *ch, void *element)
{
    if (element && ch->size > 0)
        memset(element, 0, ch->size);
}

/* An element has come into the ring at the tail, or gone out at the head. */
static inline void conc_chan_count_in(struct conc_chan *ch)
{
    ch->tail = conc_chan_next(ch, ch->tail);
    atomic_store_explicit(&ch->len, conc_chan_count(ch) + 1, memory_order_relaxed);
}

static inline void conc_chan_count_out(struct conc_chan *ch)
{
    ch->head = conc_chan_next(ch, ch->head);
    atomic_store_explicit(&ch->len, conc_chan_count(ch) - 1, memory_order_relaxed);
}

/* Appends an element, and takes the oldest out. Under the lock, with room for it, or len > 0. */
static inline void conc_chan_put(struct conc_chan *ch, const void *element)
{
    conc_chan_copy(ch, ch->ring + ch->tail, element);
    conc_chan_count_in(ch);
}

static inline void conc_chan_take(struct conc_chan *ch, void *element)
{
    conc_chan_copy(ch, element, ch->ring + ch->head);
    conc_chan_count_out(ch);
}

/*
 * The two moves, with the lock held: 0, EPIPE or EAGAIN. *wake is set to the waiter on the other
 * side, if one was served: to be unparked after the lock is released.
 */
static inline int conc_chan_send_locked(
    struct conc_chan *ch, const void *element, struct conc_wait_node **wake)
{
    if (conc_chan_is_closed(ch))
        return EPIPE;
    struct conc_wait_node *receiver = conc_wait_queue_claim(&ch->receivers);
    if (receiver) {
        conc_chan_copy(ch, receiver->data, element);
        receiver->result = 0;
        *wake = receiver;
        return 0;
    }
    if (conc_chan_count(ch) == ch->capacity)
        return EAGAIN;
    conc_chan_put(ch, element);
    return 0;
}

static inline int conc_chan_recv_locked(
    struct conc_chan *ch, void *element, struct conc_wait_node **wake)
{
    bool buffered = conc_chan_count(ch) > 0;
    if (buffered)
        conc_chan_take(ch, element);
    struct conc_wait_node *sender = conc_wait_queue_claim(&ch->senders);
    if (sender) {
        /* A sender that waits for room moves in: its turn comes before that of any sender to come.
         */
        if (buffered)
            conc_chan_put(ch, sender->data);
        else
            conc_chan_copy(ch, element, sender->data);
        sender->result = 0;
        *wake = sender;
        return 0;
    }
    if (buffered)
        return 0;
    if (!conc_chan_is_closed(ch))
        return EAGAIN;
    conc_chan_zero(ch, element);
    return EPIPE;
}

#endif
