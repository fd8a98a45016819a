/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_RETRY_H
#define BENCH_BASELINES_PTHREAD_RETRY_H

#include <stdint.h>

/* The loop everybody writes: calls fn(arg) up to `attempts` times, until it returns 0, and sleeps
 * in between, twice as long each time. The last error, or 0. No jitter, no budget, no way out. */
int textbook_retry(int attempts, int64_t base_ns, int (*fn)(void *arg), void *arg);

#endif
