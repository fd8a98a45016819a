/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_POOL_H
#define BENCH_BASELINES_PTHREAD_POOL_H

/* The textbook's thread pool: n threads that pop tasks from one bounded queue. Errors, results,
 * priorities and limits are not in it; ours has them and still has to keep up. */

#include "bench/baselines/pthread_queue.h"
#include "bench/baselines/pthread_team.h"

struct textbook_pool {
    struct textbook_queue tasks;
    struct textbook_team workers;
};

/* Starts the workers. 0; ENOMEM, EAGAIN: and nothing is left running. */
int textbook_pool_start(struct textbook_pool *pool, size_t workers, size_t capacity);

/* Has fn(arg) called by a worker; waits while the queue is full. 0; EPIPE: stopped. */
int textbook_pool_submit(struct textbook_pool *pool, void (*fn)(void *), void *arg);

/* Waits until every task submitted has run, and ends the workers. */
void textbook_pool_stop(struct textbook_pool *pool);

#endif
