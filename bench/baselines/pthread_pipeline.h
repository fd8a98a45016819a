/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_PIPELINE_H
#define BENCH_BASELINES_PTHREAD_PIPELINE_H

/* The textbook's pipeline: a thread per stage, a bounded queue between each two. */

#include <stdbool.h>
#include <stddef.h>

struct textbook_pipeline {
    size_t size;                           /* of an item */
    size_t capacity;                       /* of the queues; 0: a rendezvous at each */
    bool (*source)(void *item, void *arg); /* makes the next item; false: there are no more */
    bool (*const *stages)(void *item, void *arg); /* changes the item; false: drops it */
    size_t n_stages;
    void (*sink)(const void *item, void *arg); /* by the calling thread */
    void *arg;                                 /* for all of them */
};

/* Starts the threads, runs everything through, joins them. 0; ENOMEM, EAGAIN: it did not run. */
int textbook_pipeline_run(const struct textbook_pipeline *pipeline);

#endif
