/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_retry.h"

#include "bench/baselines/pthread_sleep.h"

int textbook_retry(int attempts, int64_t base_ns, int (*fn)(void *arg), void *arg)
{
    int rc = fn(arg);
    for (int i = 1; rc != 0 && i < attempts; i++) {
        textbook_sleep_ns(base_ns);
        base_ns *= 2;
        rc = fn(arg);
    }
    return rc;
}
