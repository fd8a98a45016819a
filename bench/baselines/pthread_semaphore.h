/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_SEMAPHORE_H
#define BENCH_BASELINES_PTHREAD_SEMAPHORE_H

/*
 * The textbook's weighted semaphore: a number, a mutex and a condition. Whoever finds enough
 * permits takes them, whatever others have been waiting for: a large request may starve.
 */

#include <pthread.h>
#include <stdint.h>

struct textbook_semaphore {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t free; /* under mutex */
};

void textbook_semaphore_init(struct textbook_semaphore *semaphore, int64_t size);
void textbook_semaphore_destroy(struct textbook_semaphore *semaphore);
void textbook_semaphore_acquire(struct textbook_semaphore *semaphore, int64_t n);
void textbook_semaphore_release(struct textbook_semaphore *semaphore, int64_t n);

#endif
