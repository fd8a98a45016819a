/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_BATCHER_H
#define BENCH_BASELINES_PTHREAD_BATCHER_H

/*
 * The textbook's batcher: a buffer under a mutex, and whoever fills it flushes it, with the mutex
 * held. No time limit, no thread of its own: the program flushes the rest at the end.
 */

#include <pthread.h>
#include <stddef.h>

struct textbook_batcher {
    void (*flush)(void *arg, const void *items, size_t n); /* fixed */
    void *arg;                                             /* fixed */
    size_t size;                                           /* of an item; fixed */
    size_t max_items;                                      /* fixed */
    pthread_mutex_t mutex;                                 /* guards the fields below */
    size_t n;
    unsigned char *items;
};

/* 0; ENOMEM. */
int textbook_batcher_init(struct textbook_batcher *batcher, size_t size, size_t max_items,
    void (*flush)(void *arg, const void *items, size_t n), void *arg);
void textbook_batcher_destroy(struct textbook_batcher *batcher);

void textbook_batcher_add(struct textbook_batcher *batcher, const void *item);
void textbook_batcher_flush(struct textbook_batcher *batcher);

#endif
