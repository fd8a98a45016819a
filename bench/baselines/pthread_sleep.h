/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_SLEEP_H
#define BENCH_BASELINES_PTHREAD_SLEEP_H

#include <stdint.h>
#include <time.h>

/* How a pthread program sleeps. */
static inline void textbook_sleep_ns(int64_t ns)
{
    struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &span) != 0) {
    }
}

#endif
