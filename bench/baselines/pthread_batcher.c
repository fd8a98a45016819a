/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_batcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int textbook_batcher_init(struct textbook_batcher *batcher, size_t size, size_t max_items,
    void (*flush)(void *arg, const void *items, size_t n), void *arg)
{
    *batcher = (struct textbook_batcher){.flush = flush,
        .arg = arg,
        .size = size,
        .max_items = max_items,
        .items = calloc(max_items, size)};
    if (!batcher->items)
        return ENOMEM;
    pthread_mutex_init(&batcher->mutex, NULL);
    return 0;
}

void textbook_batcher_destroy(struct textbook_batcher *batcher)
{
    pthread_mutex_destroy(&batcher->mutex);
    free(batcher->items);
}

/* Under the mutex. */
static void flush_locked(struct textbook_batcher *batcher)
{
    if (batcher->n > 0)
        batcher->flush(batcher->arg, batcher->items, batcher->n);
    batcher->n = 0;
}

void textbook_batcher_add(struct textbook_batcher *batcher, const void *item)
{
    pthread_mutex_lock(&batcher->mutex);
    memcpy(batcher->items + batcher->n * batcher->size, item, batcher->size);
    if (++batcher->n == batcher->max_items)
        flush_locked(batcher);
    pthread_mutex_unlock(&batcher->mutex);
}

void textbook_batcher_flush(struct textbook_batcher *batcher)
{
    pthread_mutex_lock(&batcher->mutex);
    flush_locked(batcher);
    pthread_mutex_unlock(&batcher->mutex);
}
