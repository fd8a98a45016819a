/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_TIMEOUT_H
#define BENCH_BASELINES_PTHREAD_TIMEOUT_H

/*
 * A function under a deadline, as a textbook does it: a thread for the call, a condition with a
 * timed wait, and a record of their own for argument and result, so that a late function does not
 * write where its caller has left. The late threads are kept in a list and joined at the end.
 */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct textbook_call;

struct textbook_timeout {
    pthread_mutex_t mutex; /* protects the list */
    struct textbook_call *late;
};

void textbook_timeout_init(struct textbook_timeout *timeout);

/* Joins what is late. */
void textbook_timeout_destroy(struct textbook_timeout *timeout);

/* Has fn work on a copy of the `size` bytes at `data`. 0: it has, and the copy has come back;
 * ETIMEDOUT: data is untouched; ENOMEM, EAGAIN: it was not called. */
int textbook_timeout_run(struct textbook_timeout *timeout, void (*fn)(void *data), void *data,
    size_t size, int64_t timeout_ns);

#endif
