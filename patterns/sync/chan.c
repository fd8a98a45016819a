/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/check.h"
#include "runtime/memory.h"
#include "sync/chan_internal.h"
#include "sync/context.h"

/* --- life ---------------------------------------------------------------------------------------
 */

int conc_chan_create(
    struct conc_chan **ch, size_t size, size_t capacity, void (*drop)(void *element))
{
    size_t bytes;
    if (!ch)
        return EINVAL;
    conc_check_init(); /* this may be the first call of a program */
    if (__builtin_mul_overflow(size, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct conc_chan), &bytes))
        return ENOMEM;
    struct conc_chan *made = conc_malloc(bytes);
    if (!made)
        return ENOMEM;
    *made = (struct conc_chan){.size = size,
        .capacity = capacity,
        .bytes = size * capacity,
        .quick = conc_copy_is_quick(size) && !conc_check_misuse_on(),
        .patience_ns = conc_wait_patience_ns(capacity),
        .drop = drop};
    conc_lock_init(&made->lock);
    *ch = made;
    return 0;
}

void conc_chan_destroy(struct conc_chan *ch)
{
    if (!ch)
        return;
    /* Taking the lock lets whoever delivered last finish with it. */
    conc_lock_acquire(&ch->lock);
    bool waited_for = conc_wait_queue_head(&ch->senders) || conc_wait_queue_head(&ch->receivers);
    conc_lock_release(&ch->lock);
    if (waited_for)
        conc_panic(CONC_HERE, "a channel is destroyed that a task waits on");
    for (size_t len = conc_chan_count(ch); ch->drop && len > 0; len--) {
        ch->drop(ch->ring + ch->head);
        ch->head = conc_chan_next(ch, ch->head);
    }
    if (conc_check_misuse_on())
        conc_check_forget_chan(ch);
    conc_lock_destroy(&ch->lock);
    conc_free(ch);
}

/* --- sending and receiving
 * ------------------------------------------------------------------------
 *
 * Each twice: once in full, and once for what happens nearly always. The latter makes no call but a
 * last one, so it has no registers to save: half of what it would cost else.
 */

static const char sends[] = "to send to channel";
static const char receives[] = "to receive from channel";

static void *unconst(const void *element)
{
    return (void *)(uintptr_t)element;
}

/* With the lock held, which is released. Waits when `site` is given. */
static __attribute__((noinline)) int send_locked(struct conc_chan *ch, const void *element,
    struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_node *wake = NULL;
    int rc = conc_chan_send_locked(ch, element, &wake);
    if (conc_check_misuse_on() && (rc != EAGAIN || site))
        conc_check_sends(ch, rc, site);
    if (rc == EAGAIN && site)
        return conc_wait_in(&ch->lock, unconst(element), ctx, site, &ch->senders, sends);
    conc_lock_release(&ch->lock);
    if (wake)
        conc_wait_node_unpark(wake);
    return rc;
}

static __attribute__((noinline)) int recv_locked(
    struct conc_chan *ch, void *element, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_node *wake = NULL;
    int rc = conc_chan_recv_locked(ch, element, &wake);
    if (conc_check_misuse_on() && (rc == 0 || (rc == EAGAIN && site)))
        conc_check_receives(ch);
    if (rc == EAGAIN && site)
        return conc_wait_in(&ch->lock, element, ctx, site, &ch->receivers, receives);
    conc_lock_release(&ch->lock);
    if (wake)
        conc_wait_node_unpark(wake);
    return rc;
}

static __attribute__((noinline)) int send_patiently(struct conc_chan *ch, const void *element,
    struct conc_context *ctx, const struct conc_site *site)
{
    conc_wait_stay_away(&ch->senders, &ch->lock, ch->patience_ns);
    return send_locked(ch, element, ctx, site);
}

static __attribute__((noinline)) int recv_patiently(
    struct conc_chan *ch, void *element, struct conc_context *ctx, const struct conc_site *site)
{
    conc_wait_stay_away(&ch->receivers, &ch->lock, ch->patience_ns);
    return recv_locked(ch, element, ctx, site);
}

/* With the lock held, which is released. */
static inline __attribute__((always_inline)) int send_quick(struct conc_chan *ch,
    const void *element, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_node *receiver = conc_wait_queue_head(&ch->receivers);
    if (!ch->quick || (receiver && receiver->waiter))
        return send_locked(ch, element, ctx, site);
    if (receiver) {
        conc_wait_queue_take_sole(&ch->receivers, receiver);
        if (receiver->data)
            conc_copy_quick(receiver->data, element, ch->size);
        conc_lock_release(&ch->lock);
        conc_unpark_sole(receiver->task);
        return 0;
    }
    if (conc_chan_count(ch) == ch->capacity) {
        if (site && ch->patience_ns > 0)
            return send_patiently(ch, element, ctx, site);
        if (site)
            return conc_wait_in(&ch->lock, unconst(element), ctx, site, &ch->senders, sends);
        conc_lock_release(&ch->lock);
        return EAGAIN;
    }
    conc_copy_quick(ch->ring + ch->tail, element, ch->size);
    conc_chan_count_in(ch);
    conc_lock_release(&ch->lock);
    return 0;
}

/* All of sim's go this way: acquire_quick is not for it. What happens nearly always happens to it,
 * too. */
static __attribute__((noinline)) int send_contended(struct conc_chan *ch, const void *element,
    struct conc_context *ctx, const struct conc_site *site)
{
    conc_lock_acquire(&ch->lock);
    return send_quick(ch, element, ctx, site);
}

int conc_chan_send_at(struct conc_chan *ch, const void *element, struct conc_context *ctx,
    const struct conc_site *site)
{
    if (!ch || (!element && ch->size > 0))
        return EINVAL;
    if (!conc_lock_acquire_quick(&ch->lock))
        return send_contended(ch, element, ctx, site);
    return send_quick(ch, element, ctx, site);
}

int conc_chan_try_send(struct conc_chan *ch, const void *element)
{
    return conc_chan_send_at(ch, element, NULL, NULL);
}

static inline __attribute__((always_inline)) int recv_quick(
    struct conc_chan *ch, void *element, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_node *sender = conc_wait_queue_head(&ch->senders);
    bool buffered = conc_chan_count(ch) > 0;
    if (!ch->quick || !element || (sender && sender->waiter))
        return recv_locked(ch, element, ctx, site);
    if (sender) {
        conc_wait_queue_take_sole(&ch->senders, sender);
        if (buffered) {
            /* It waits, so the ring is full, and the tail at the head: it moves in where the oldest
             * goes out, for its turn comes before that of any sender to come. */
            void *place = ch->ring + ch->head;
            conc_copy_quick(element, place, ch->size);
            conc_copy_quick(place, sender->data, ch->size);
            ch->head = ch->tail = conc_chan_next(ch, ch->head);
        } else {
            conc_copy_quick(element, sender->data, ch->size);
        }
        conc_lock_release(&ch->lock);
        conc_unpark_sole(sender->task);
        return 0;
    }
    if (buffered) {
        conc_copy_quick(element, ch->ring + ch->head, ch->size);
        conc_chan_count_out(ch);
        conc_lock_release(&ch->lock);
        return 0;
    }
    if (site && ch->patience_ns > 0)
        return recv_patiently(ch, element, ctx, site);
    if (site)
        return conc_wait_in(&ch->lock, element, ctx, site, &ch->receivers, receives);
    conc_lock_release(&ch->lock);
    return EAGAIN;
}

static __attribute__((noinline)) int recv_contended(
    struct conc_chan *ch, void *element, struct conc_context *ctx, const struct conc_site *site)
{
    conc_lock_acquire(&ch->lock);
    return recv_quick(ch, element, ctx, site);
}

int conc_chan_recv_at(
    struct conc_chan *ch, void *element, struct conc_context *ctx, const struct conc_site *site)
{
    if (!ch)
        return EINVAL;
    if (!conc_lock_acquire_quick(&ch->lock))
        return recv_contended(ch, element, ctx, site);
    return recv_quick(ch, element, ctx, site);
}

int conc_chan_try_recv(struct conc_chan *ch, void *element)
{
    return conc_chan_recv_at(ch, element, NULL, NULL);
}

/* --- the rest -----------------------------------------------------------------------------------
 */

/* Claims all that wait in a queue of a channel that has been closed, and appends them to the list
 * which ends at `end`; returns its end. In one pass, which tells the next what is to come: to find
 * a hundred thousand stacks, one after the other, takes 20 ms. */
static struct conc_wait_node **dismiss(
    struct conc_chan *ch, struct conc_wait_queue *queue, struct conc_wait_node **end)
{
    struct conc_wait_node *before[CONC_WAIT_AHEAD] = {NULL};
    size_t i = 0;
    for (struct conc_wait_node *node; (node = conc_wait_queue_claim(queue)); end = &node->next) {
        if (queue == &ch->receivers)
            conc_chan_zero(ch, node->data);
        node->result = EPIPE;
        *end = node;
        if (before[i])
            before[i]->prev = node;
        before[i] = node;
        i = (i + 1) % CONC_WAIT_AHEAD;
    }
    *end = NULL;
    return end;
}

int conc_chan_close_at(struct conc_chan *ch, const struct conc_site *site)
{
    if (!ch)
        return EINVAL;
    conc_lock_acquire(&ch->lock);
    if (conc_check_misuse_on())
        conc_check_closes(ch, conc_chan_is_closed(ch) ? EPIPE : 0, site);
    if (conc_chan_is_closed(ch)) {
        conc_lock_release(&ch->lock);
        return EPIPE;
    }
    atomic_store_explicit(&ch->closed, true, memory_order_relaxed);
    ch->quick = false;
    struct conc_wait_node *list;
    dismiss(ch, &ch->senders, dismiss(ch, &ch->receivers, &list));
    conc_lock_release(&ch->lock);
    conc_wait_list_unpark(list);
    return 0;
}

void conc_chan_give_way(const struct conc_chan *in, const struct conc_chan *out)
{
    const struct conc_engine *engine = conc_self()->engine;
    if (!engine->cooperative)
        return;
    size_t filled = in ? conc_chan_count(in) : 0; /* where that is 0 the task is about to wait */
    bool low = filled > 0 && 2 * filled < in->capacity;
    bool high = out && 2 * conc_chan_count(out) > out->capacity;
    if (low || high)
        engine->yield();
}

size_t conc_chan_len(struct conc_chan *ch)
{
    if (!ch)
        return 0;
    conc_lock_acquire(&ch->lock);
    size_t len = conc_chan_count(ch);
    conc_lock_release(&ch->lock);
    return len;
}

size_t conc_chan_size(const struct conc_chan *ch)
{
    return ch ? ch->size : 0;
}

size_t conc_chan_cap(const struct conc_chan *ch)
{
    return ch ? ch->capacity : 0;
}

int conc_chan_closed(struct conc_chan *ch)
{
    if (!ch)
        return 0;
    conc_lock_acquire(&ch->lock);
    int closed = conc_chan_is_closed(ch);
    conc_lock_release(&ch->lock);
    return closed;
}
