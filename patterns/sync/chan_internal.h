/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_CHAN_INTERNAL_H
#define CONC_SYNC_CHAN_INTERNAL_H

/* What chan.c and select.c share: the channel itself and the two moves on it. Not installed. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "runtime/lock.h"
#include "sync/chan.h"
#include "sync/waiter.h"

/* Invariants, whenever the lock is free: no receiver waits while there is an element or a sender
 * waits; no sender waits while there is room; nobody waits once it is closed. (Nodes whose waiter
 * somebody else has claimed do not count: they are on their way out.) */
struct conc_chan {
    struct conc_lock lock;
    size_t size;          /* fixed: of an element */
    size_t capacity;      /* fixed */
    void (*drop)(void *); /* fixed */
    bool closed;          /* under lock, as all below */
    size_t len;
    size_t head; /* the slot of the oldest element */
    size_t tail; /* the slot for the next one */
    struct conc_wait_queue receivers;
    struct conc_wait_queue senders;
    _Alignas(max_align_t) char ring[]; /* capacity slots */
};

static inline void *conc_chan_slot(struct conc_chan *ch, size_t i)
{
    return ch->ring + i * ch->size;
}

static inline size_t conc_chan_next(const struct conc_chan *ch, size_t i)
{
    return i + 1 == ch->capacity ? 0 : i + 1;
}

/* Copies one element, unless nobody wants it. Most are a pointer or a number: no call of memcpy. */
static inline void conc_chan_copy(const struct conc_chan *ch, void *to, const void *from)
{
    if (!to)
        return;
    if (ch->size == sizeof(void *))
        memcpy(to, from, sizeof(void *));
    else if (ch->size > 0)
        memcpy(to, from, ch->size);
}

/* What a receiver gets from a closed channel. */
static inline void conc_chan_zero(const struct conc_chan *ch, void *element)
{
    if (element && ch->size > 0)
        memset(element, 0, ch->size);
}

/* Try to send or to receive, with the lock held: 0, EPIPE or EAGAIN. *wake is set to the waiter on
 * the other side, if one was served: to be unparked after the lock is released. */
int conc_chan_send_locked(struct conc_chan *ch, const void *element, struct conc_wait_node **wake);
int conc_chan_recv_locked(struct conc_chan *ch, void *element, struct conc_wait_node **wake);

#endif
