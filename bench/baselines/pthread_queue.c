/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int textbook_queue_init(struct textbook_queue *q, size_t size, size_t capacity)
{
    size_t room = capacity > 0 ? capacity : 1;
    unsigned char *ring = calloc(room, size);
    if (!ring)
        return ENOMEM;
    *q = (struct textbook_queue){
        .ring = ring, .size = size, .room = room, .rendezvous = capacity == 0};
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    pthread_cond_init(&q->not_full, NULL);
    pthread_cond_init(&q->taken, NULL);
    return 0;
}

void textbook_queue_destroy(struct textbook_queue *q)
{
    pthread_cond_destroy(&q->taken);
    pthread_cond_destroy(&q->not_full);
    pthread_cond_destroy(&q->not_empty);
    pthread_mutex_destroy(&q->mutex);
    free(q->ring);
}

int textbook_queue_push(struct textbook_queue *q, const void *element)
{
    pthread_mutex_lock(&q->mutex);
    while (q->len == q->room && !q->closed)
        pthread_cond_wait(&q->not_full, &q->mutex);
    if (q->closed) {
        pthread_mutex_unlock(&q->mutex);
        return EPIPE;
    }
    size_t tail = (q->head + q->len) % q->room;
    memcpy(q->ring + tail * q->size, element, q->size);
    q->len++;
    uint64_t ticket = ++q->pushed;
    pthread_cond_signal(&q->not_empty);
    while (q->rendezvous && q->popped < ticket)
        pthread_cond_wait(&q->taken, &q->mutex);
    pthread_mutex_unlock(&q->mutex);
    return 0;
}

int textbook_queue_pop(struct textbook_queue *q, void *element)
{
    pthread_mutex_lock(&q->mutex);
    while (q->len == 0 && !q->closed)
        pthread_cond_wait(&q->not_empty, &q->mutex);
    if (q->len == 0) {
        pthread_mutex_unlock(&q->mutex);
        return EPIPE;
    }
    memcpy(element, q->ring + q->head * q->size, q->size);
    q->head = (q->head + 1) % q->room;
    q->len--;
    q->popped++;
    pthread_cond_signal(&q->not_full);
    if (q->rendezvous)
        pthread_cond_broadcast(&q->taken);
    pthread_mutex_unlock(&q->mutex);
    return 0;
}

void textbook_queue_close(struct textbook_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->closed = true;
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->mutex);
}
