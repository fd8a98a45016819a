/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_CHAN_H
#define CONC_SYNC_CHAN_H

/*
 * Channels: Go's chan. A channel hands elements of one size from tasks that send to tasks that
 * receive, first in, first out. With capacity 0 a send waits for the receive that takes its element
 * (a rendezvous); with capacity n up to n elements wait in the channel.
 *
 * Any number of tasks may call any function at once, but conc_chan_destroy, which belongs to the
 * owner and comes last. Elements are copied in and out; what they point to belongs to whoever holds
 * the element. Closing is the senders' business: it says "no more will come". With several senders,
 * the one that has waited for all of them closes.
 *
 *   sender                                      receiver
 *   ------                                      --------
 *   for (int i = 0; i < 10; i++)                int i;
 *       conc_chan_send(ch, &i, NULL);           while (conc_chan_recv(ch, &i, NULL) == 0)
 *   conc_chan_close(ch);                            use(i);
 *
 * Where C differs from Go: sending on a closed channel and closing twice return EPIPE and do not
 * end the program; a NULL channel in a plain call is EINVAL and does not sleep for ever; every wait
 * can be given up through a context. In every interleaving of send, receive, close, deadline and
 * cancel each element is received once, dropped once at destroy, or still the sender's: never lost,
 * never doubled.
 *
 * The algorithm is that of Go's runtime/chan.go: a lock, a ring, a queue of waiting senders and one
 * of waiting receivers, and a direct copy between the two stacks when one finds the other waiting.
 */

#include <stddef.h>

#include "runtime/site.h"

struct conc_chan; /* opaque */
struct conc_context;

/*
 * Makes a channel for elements of `size` bytes (0 is allowed: a signal without content) with room
 * for `capacity` of them. `drop` (may be NULL) is called at destroy with each element that nobody
 * has received. The caller owns *ch and destroys it.
 *
 * 0; EINVAL: ch is NULL; ENOMEM: no memory, or size × capacity is no size at all.
 */
int conc_chan_create(
    struct conc_chan **ch, size_t size, size_t capacity, void (*drop)(void *element));

/* Ends the channel's life; drops what is left in it. Nobody may be waiting in it (that ends the
 * program with a message) or call it afterwards. NULL is allowed. Safe as soon as the caller knows
 * that the last call of the others has delivered, even while that call is still on its way out. */
void conc_chan_destroy(struct conc_chan *ch);

/*
 * int conc_chan_send(struct conc_chan *ch, const void *element, struct conc_context *ctx)
 *
 * Sends a copy of *element. Waits until a receiver has taken it (capacity 0) or there is room for
 * it; woken by a receive, a close, a cancel or the deadline. Room that is there wins over a context
 * that is done. What was written before the send is visible to the receiver after its receive.
 *
 * 0: sent. Otherwise not sent, never will be, and still the caller's: EPIPE: the channel is closed,
 * or was closed while waiting; ECANCELED, ETIMEDOUT: the context's end; EINVAL: ch is NULL, or
 * element is NULL and the size is not 0.
 */
#define conc_chan_send(ch, element, ctx) conc_chan_send_at((ch), (element), (ctx), CONC_HERE)
int conc_chan_send_at(struct conc_chan *ch, const void *element, struct conc_context *ctx,
    const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_chan_try_send(struct conc_chan *ch, const void *element);

/*
 * int conc_chan_recv(struct conc_chan *ch, void *element, struct conc_context *ctx)
 *
 * Receives the oldest element into *element (NULL: takes it and forgets it; `drop` is not called).
 * Waits until there is one; woken by a send, a close, a cancel or the deadline. An element that is
 * there wins over a context that is done. What the sender wrote before its send is visible
 * afterwards.
 *
 * 0: received. EPIPE: closed and drained, *element is zeroed. Otherwise nothing was taken and
 * *element is untouched: ECANCELED, ETIMEDOUT: the context's end; EINVAL: ch is NULL.
 */
#define conc_chan_recv(ch, element, ctx) conc_chan_recv_at((ch), (element), (ctx), CONC_HERE)
int conc_chan_recv_at(
    struct conc_chan *ch, void *element, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_chan_try_recv(struct conc_chan *ch, void *element);

/*
 * int conc_chan_close(struct conc_chan *ch)
 *
 * Closes the channel: receivers drain what is in it and then get EPIPE, waiting senders get EPIPE
 * at once. Never waits. 0; EPIPE: already closed; EINVAL: ch is NULL. What was written before the
 * close is visible to whoever gets EPIPE from it.
 */
#define conc_chan_close(ch) conc_chan_close_at((ch), CONC_HERE)
int conc_chan_close_at(struct conc_chan *ch, const struct conc_site *site);

/*
 * For a task that works on elements of `in` and sends to `out` (NULL: does not), after each. Where
 * a task keeps its thread until it waits, lets others run when `in` is more than half empty or
 * `out` more than half full: so whoever fills the one and empties the other runs while there is
 * work for all, and not when workers wait already. Never waits for anything.
 */
void conc_chan_give_way(const struct conc_chan *in, const struct conc_chan *out);

/* How many elements are in the channel at this moment, and how many fit; 0 for NULL. */
size_t conc_chan_len(struct conc_chan *ch);
size_t conc_chan_cap(const struct conc_chan *ch);

/* The size of its elements in bytes, as given to create; 0 for NULL. */
size_t conc_chan_size(const struct conc_chan *ch);

/* Whether the channel has been closed, at this moment; true for NULL never. */
int conc_chan_closed(struct conc_chan *ch);

/*
 * A channel with a type. CONC_CHAN_DECLARE(int_chan, int) declares struct int_chan and, inline,
 *
 *   int  int_chan_create(struct int_chan **ch, size_t capacity);
 *   int  int_chan_send(struct int_chan *ch, int element, struct conc_context *ctx);
 *   int  int_chan_try_send(struct int_chan *ch, int element);
 *   int  int_chan_recv(struct int_chan *ch, int *element, struct conc_context *ctx);
 *   int  int_chan_try_recv(struct int_chan *ch, int *element);
 *   int  int_chan_close(struct int_chan *ch);
 *   void int_chan_destroy(struct int_chan *ch);
 *   struct conc_chan *int_chan_raw(struct int_chan *ch);       // for select, len, cap
 *
 * with the contracts above. Reports name the line of the declaration as the place of a wait, for an
 * inline function cannot see its caller's line.
 */
#define CONC_CHAN_DECLARE(name, type)                                                              \
    struct name;                                                                                   \
    static inline struct conc_chan *name##_raw(struct name *ch)                                    \
    {                                                                                              \
        return (struct conc_chan *)ch;                                                             \
    }                                                                                              \
    __attribute__((unused)) static inline int name##_create(struct name **ch, size_t capacity)     \
    {                                                                                              \
        struct conc_chan *made = 0;                                                                \
        int rc_ = ch ? conc_chan_create(&made, sizeof(type), capacity, 0)                          \
                     : conc_chan_create(0, 0, 0, 0);                                               \
        if (rc_ == 0)                                                                              \
            *ch = (struct name *)made;                                                             \
        return rc_;                                                                                \
    }                                                                                              \
    __attribute__((unused)) static inline int name##_send(                                         \
        struct name *ch, type element, struct conc_context *ctx)                                   \
    {                                                                                              \
        return conc_chan_send(name##_raw(ch), &element, ctx);                                      \
    }                                                                                              \
    __attribute__((unused)) static inline int name##_try_send(struct name *ch, type element)       \
    {                                                                                              \
        return conc_chan_try_send(name##_raw(ch), &element);                                       \
    }                                                                                              \
    __attribute__((unused)) static inline int name##_recv(                                         \
        struct name *ch, type *element, struct conc_context *ctx)                                  \
    {                                                                                              \
        return conc_chan_recv(name##_raw(ch), element, ctx);                                       \
    }                                                                                              \
    __attribute__((unused)) static inline int name##_try_recv(struct name *ch, type *element)      \
    {                                                                                              \
        return conc_chan_try_recv(name##_raw(ch), element);                                        \
    }                                                                                              \
    __attribute__((unused)) static inline int name##_close(struct name *ch)                        \
    {                                                                                              \
        return conc_chan_close(name##_raw(ch));                                                    \
    }                                                                                              \
    __attribute__((unused)) static inline void name##_destroy(struct name *ch)                     \
    {                                                                                              \
        conc_chan_destroy(name##_raw(ch));                                                         \
    }

#endif
