/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bounded_queue.h"
#include "runtime/memory.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/mutex.h"

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
    *made = (struct conc_bounded_queue){.size = size, .capacity = capacity, .drop = drop};
    conc_mutex_init(&made->mutex);
    conc_cond_init(&made->not_full);
    conc_cond_init(&made->not_empty);
    *queue = made;
    return 0;
}

static void *place(struct conc_bounded_queue *queue, size_t i)
{
    size_t at = queue->head + i; /* i <= capacity: cannot overflow, the ring fits into memory */
    return queue->ring + (at < queue->capacity ? at : at - queue->capacity) * queue->size;
}

/* Takes the oldest item out. Under the mutex, with len > 0. */
static void take(struct conc_bounded_queue *queue, void *item)
{
    if (item)
        conc_copy(item, place(queue, 0), queue->size);
    queue->head = queue->head + 1 == queue->capacity ? 0 : queue->head + 1;
    queue->len--;
}

void conc_bounded_queue_destroy(struct conc_bounded_queue *queue)
{
    if (!queue)
        return;
    for (; queue->drop && queue->len > 0; take(queue, NULL))
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

/* Waits when `site` is given. */
/* snippet: push */
int conc_bounded_queue_push_at(struct conc_bounded_queue *queue, const void *item,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!queue || !item)
        return EINVAL;
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

int conc_bounded_queue_try_push(struct conc_bounded_queue *queue, const void *item)
{
    return conc_bounded_queue_push_at(queue, item, NULL, NULL);
}

/* Waits when `site` is given. */
int conc_bounded_queue_pop_at(struct conc_bounded_queue *queue, void *item,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!queue)
        return EINVAL;
    int rc = 0;
    conc_mutex_lock(&queue->mutex, NULL);
    while (queue->len == 0 && !queue->closed && rc == 0)
        rc = wait_on(queue, &queue->not_empty, ctx, site);
    if (queue->len > 0) {
        rc = 0;
        take(queue, item);
        conc_cond_signal(&queue->not_full);
    } else if (queue->closed) {
        rc = EPIPE;
        if (item)
            memset(item, 0, queue->size);
    }
    conc_mutex_unlock(&queue->mutex);
    return rc;
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
