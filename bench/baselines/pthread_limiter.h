/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_LIMITER_H
#define BENCH_BASELINES_PTHREAD_LIMITER_H

/*
 * The textbook's token bucket: the tokens as a floating-point number, topped up under a mutex by
 * whoever looks. No reservations, no context, no change of rate.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct textbook_limiter {
    pthread_mutex_t mutex;
    double rate;     /* tokens per second; fixed */
    double burst;    /* fixed */
    double tokens;   /* under mutex; negative: promised to those who wait */
    int64_t last_ns; /* under mutex: when it was topped up */
};

void textbook_limiter_init(struct textbook_limiter *limiter, double rate, int64_t burst);
void textbook_limiter_destroy(struct textbook_limiter *limiter);

/* Takes a token if there is one. */
bool textbook_limiter_allow(struct textbook_limiter *limiter);

/* Takes a token, of the future if need be, and sleeps until it is there. */
void textbook_limiter_wait(struct textbook_limiter *limiter);

#endif
