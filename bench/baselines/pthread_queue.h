/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_QUEUE_H
#define BENCH_BASELINES_PTHREAD_QUEUE_H

/*
 * The bounded queue as a textbook on POSIX threads writes it: one mutex, two conditions, a ring.
 * The patterns are compared with it, so it has no tricks: a signal for every element, a futex for
 * every thread that has to wait, nobody spins.
 *
 * Capacity 0 is a rendezvous: the ring has one place, and a push returns when its element has been
 * taken. No textbook needs that, an unbuffered channel does.
 *
 * The names do not begin with pthread_: that prefix belongs to the C library.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct textbook_queue {
    pthread_mutex_t mutex; /* protects the fields below */
    pthread_cond_t not_empty;
    pthread_cond_t not_full;
    pthread_cond_t taken; /* of a rendezvous */
    unsigned char *ring;
    size_t size; /* of an element */
    size_t room;
    size_t head;
    size_t len;
    uint64_t pushed;
    uint64_t popped;
    bool rendezvous;
    bool closed;
};

/* 0; ENOMEM. */
int textbook_queue_init(struct textbook_queue *q, size_t size, size_t capacity);
void textbook_queue_destroy(struct textbook_queue *q);

/* Waits for room. 0; EPIPE: closed. */
int textbook_queue_push(struct textbook_queue *q, const void *element);

/* Waits for an element. 0; EPIPE: closed and empty. */
int textbook_queue_pop(struct textbook_queue *q, void *element);

/* No more pushes. To be called by whoever knows that none is under way. */
void textbook_queue_close(struct textbook_queue *q);

#endif
