/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bounded_queue.h"
#include "runtime/memory.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/mutex_internal.h"

/* Two conditions, one per state somebody may wait for. With a single one a signal meant for a
 * popper can wake a pusher, who finds no room and sleeps again; the signal is used up, and in the
 * end all sleep (broadcasting instead would wake everybody for each item). A ring, because a queue
 * that takes from the front of a growing array never gives that memory back. */
struct conc_bounded_queue {
    struct conc_mutex mutex;    /* guards what follows */
    struct conc_cond not_full;  /* pushers wait for it */
    struct conc_cond not_empty; /* poppers wait for it */
    bool closed;
    size_t len;
    size_t head; /* place of the oldest item */

    size_t size;          /* fixed: of an item */
    size_t capacity;      /* fixed */
    void (*drop)(void *); /* fixed */
    bool quick;           /* fixed: an item is copied in a few instructions */
    _Alignas(max_align_t) char ring[];
};

int conc_bounded_queue_create(
    struct conc_bounded_queue **queue, size_t size, size_t capacity, void (*drop)(void *item))
{
    size_t bytes;
    if (!queue || size == 0 || capacity == 0)
        return EINVAL;
    if (__builtin_mul_overflow(size, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct conc_bounded_queue), &bytes))
        return ENOMEM;
    struct conc_bounded_queue *made = conc_malloc(bytes);
    if (!made)
        return ENOMEM;
    *made = (struct conc_bounded_queue){
        .size = size, .capacity = capacity, .drop = drop, .quick = conc_copy_is_quick(size)};
    conc_mutex_init(&made->mutex);
    conc_cond_init(&made->not_full);
    conc_cond_init(&made->not_empty);
    *queue = made;
    return 0;
}

static inline void *place(struct conc_bounded_queue *queue, size_t i)
{
    size_t at = queue->head + i; /* i <= capacity: cannot overflow, the ring fits into memory */
    return queue->ring + (at < queue->capacity ? at : at - queue->capacity) * queue->size;
}

/* The oldest item is out. Under the mutex, with len > 0. */
static inline void advance(struct conc_bounded_queue *queue)
{
    queue->head = queue->head + 1 == queue->capacity ? 0 : queue->head + 1;
    queue->len--;
}

void conc_bounded_queue_destroy(struct conc_bounded_queue *queue)
{
    if (!queue)
        return;
    for (; queue->drop && queue->len > 0; advance(queue))
        queue->drop(place(queue, 0));
    conc_cond_destroy(&queue->not_empty);
    conc_cond_destroy(&queue->not_full);
    conc_mutex_destroy(&queue->mutex);
    conc_free(queue);
}

/* Waits on `cond`; the caller looks at the state again, whatever this returns. So an item or room
 * that came together with a cancel is not missed. */
static int wait_on(struct conc_bounded_queue *queue, struct conc_cond *cond,
    struct conc_context *ctx, const struct conc_site *site)
{
    return site ? conc_cond_wait_at(cond, &queue->mutex, ctx, site) : EAGAIN;
}

/* snippet: push */
static int push(struct conc_bounded_queue *queue, const void *item, struct conc_context *ctx,
    const struct conc_site *site)
{
    int rc = 0;
    conc_mutex_lock(&queue->mutex, NULL);
    while (queue->len == queue->capacity && !queue->closed && rc == 0)
        rc = wait_on(queue, &queue->not_full, ctx, site);
    if (queue->closed) {
        rc = EPIPE;
    } else if (queue->len < queue->capacity) {
        rc = 0;
        conc_copy(place(queue, queue->len++), item, queue->size);
        conc_cond_signal(&queue->not_empty);
    }
    conc_mutex_unlock(&queue->mutex);
    return rc;
}
/* end snippet */

/* The same where nobody has to wait or be woken: a few instructions, inside the mutex, which it
 * leaves (sync/mutex_internal.h). False: nothing is done. */
static inline bool put(struct conc_bounded_queue *queue, const void *item)
{
    bool can =
        queue->len < queue->capacity && !queue->closed && !conc_cond_has_waiters(&queue->not_empty);
    if (can)
        conc_copy_quick(place(queue, queue->len++), item, queue->size);
    conc_mutex_leave(&queue->mutex);
    return can;
}

static __attribute__((noinline)) int push_contended(struct conc_bounded_queue *queue,
    const void *item, struct conc_context *ctx, const struct conc_site *site)
{
    bool done = conc_mutex_enter(&queue->mutex) && put(queue, item);
    return done ? 0 : push(queue, item, ctx, site);
}

/* Waits when `site` is given. */
int conc_bounded_queue_push_at(struct conc_bounded_queue *queue, const void *item,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!queue || !item)
        return EINVAL;
    if (queue->quick) {
        if (!conc_mutex_enter_quick(&queue->mutex))
            return push_contended(queue, item, ctx, site);
        if (put(queue, item))
            return 0;
    }
    return push(queue, item, ctx, site);
}

int conc_bounded_queue_try_push(struct conc_bounded_queue *queue, const void *item)
{
    return conc_bounded_queue_push_at(queue, item, NULL, NULL);
}

static int pop(struct conc_bounded_queue *queue, void *item, struct conc_context *ctx,
    const struct conc_site *site)
{
    int rc = 0;
    conc_mutex_lock(&queue->mutex, NULL);
    while (queue->len == 0 && !queue->closed && rc == 0)
        rc = wait_on(queue, &queue->not_empty, ctx, site);
    if (queue->len > 0) {
        rc = 0;
        if (item)
            conc_copy(item, place(queue, 0), queue->size);
        advance(queue);
        conc_cond_signal(&queue->not_full);
    } else if (queue->closed) {
        rc = EPIPE;
        if (item)
            memset(item, 0, queue->size);
    }
    conc_mutex_unlock(&queue->mutex);
    return rc;
}

/* Where nobody has to wait or be woken: as put. */
static inline bool take(struct conc_bounded_queue *queue, void *item)
{
    bool can = queue->len > 0 && !conc_cond_has_waiters(&queue->not_full);
    if (can && item)
        conc_copy_quick(item, place(queue, 0), queue->size);
    if (can)
        advance(queue);
    conc_mutex_leave(&queue->mutex);
    return can;
}

static __attribute__((noinline)) int pop_contended(struct conc_bounded_queue *queue, void *item,
    struct conc_context *ctx, const struct conc_site *site)
{
    bool done = conc_mutex_enter(&queue->mutex) && take(queue, item);
    return done ? 0 : pop(queue, item, ctx, site);
}

/* Waits when `site` is given. */
int conc_bounded_queue_pop_at(struct conc_bounded_queue *queue, void *item,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!queue)
        return EINVAL;
    if (queue->quick) {
        if (!conc_mutex_enter_quick(&queue->mutex))
            return pop_contended(queue, item, ctx, site);
        if (take(queue, item))
            return 0;
    }
    return pop(queue, item, ctx, site);
}

int conc_bounded_queue_try_pop(struct conc_bounded_queue *queue, void *item)
{
    return conc_bounded_queue_pop_at(queue, item, NULL, NULL);
}

int conc_bounded_queue_close(struct conc_bounded_queue *queue)
{
    if (!queue)
        return EINVAL;
    conc_mutex_lock(&queue->mutex, NULL);
    int rc = queue->closed ? EPIPE : 0;
    queue->closed = true;
    conc_cond_broadcast(&queue->not_full);
    conc_cond_broadcast(&queue->not_empty);
    conc_mutex_unlock(&queue->mutex);
    return rc;
}

size_t conc_bounded_queue_len(struct conc_bounded_queue *queue)
{
    if (!queue)
        return 0;
    conc_mutex_lock(&queue->mutex, NULL);
    size_t len = queue->len;
    conc_mutex_unlock(&queue->mutex);
    return len;
}

size_t conc_bounded_queue_cap(const struct conc_bounded_queue *queue)
{
    return queue ? queue->capacity : 0;
}
