/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "bench/baselines/pthread_limiter.h"
#include "bench/baselines/pthread_sleep.h"

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void textbook_limiter_init(struct textbook_limiter *limiter, double rate, int64_t burst)
{
    pthread_mutex_init(&limiter->mutex, NULL);
    limiter->rate = rate;
    limiter->burst = (double)burst;
    limiter->tokens = (double)burst;
    limiter->last_ns = now_ns();
}

void textbook_limiter_destroy(struct textbook_limiter *limiter)
{
    pthread_mutex_destroy(&limiter->mutex);
}

/* Under the mutex. */
static void top_up(struct textbook_limiter *limiter)
{
    int64_t now = now_ns();
    limiter->tokens += (double)(now - limiter->last_ns) * 1e-9 * limiter->rate;
    if (limiter->tokens > limiter->burst)
        limiter->tokens = limiter->burst;
    limiter->last_ns = now;
}

bool textbook_limiter_allow(struct textbook_limiter *limiter)
{
    pthread_mutex_lock(&limiter->mutex);
    top_up(limiter);
    bool allowed = limiter->tokens >= 1;
    if (allowed)
        limiter->tokens -= 1;
    pthread_mutex_unlock(&limiter->mutex);
    return allowed;
}

void textbook_limiter_wait(struct textbook_limiter *limiter)
{
    pthread_mutex_lock(&limiter->mutex);
    top_up(limiter);
    limiter->tokens -= 1;
    double missing = -limiter->tokens;
    pthread_mutex_unlock(&limiter->mutex);
    if (missing > 0) /* not with the mutex held: others may want to learn their turn */
        textbook_sleep_ns((int64_t)(missing / limiter->rate * 1e9) + 1);
}
