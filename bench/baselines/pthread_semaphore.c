/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_semaphore.h"

void textbook_semaphore_init(struct textbook_semaphore *semaphore, int64_t size)
{
    pthread_mutex_init(&semaphore->mutex, NULL);
    pthread_cond_init(&semaphore->changed, NULL);
    semaphore->free = size;
}

void textbook_semaphore_destroy(struct textbook_semaphore *semaphore)
{
    pthread_cond_destroy(&semaphore->changed);
    pthread_mutex_destroy(&semaphore->mutex);
}

void textbook_semaphore_acquire(struct textbook_semaphore *semaphore, int64_t n)
{
    pthread_mutex_lock(&semaphore->mutex);
    while (semaphore->free < n)
        pthread_cond_wait(&semaphore->changed, &semaphore->mutex);
    semaphore->free -= n;
    pthread_mutex_unlock(&semaphore->mutex);
}

/* Broadcast: one signal could wake a waiter that needs more than is there, and no other. */
void textbook_semaphore_release(struct textbook_semaphore *semaphore, int64_t n)
{
    pthread_mutex_lock(&semaphore->mutex);
    semaphore->free += n;
    pthread_cond_broadcast(&semaphore->changed);
    pthread_mutex_unlock(&semaphore->mutex);
}
