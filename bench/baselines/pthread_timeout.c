/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_timeout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct textbook_call {
    pthread_t thread;
    pthread_mutex_t mutex; /* protects ended */
    pthread_cond_t end;
    bool ended;
    void (*fn)(void *data);
    struct textbook_call *next; /* under the owner's mutex */
    _Alignas(max_align_t) unsigned char data[];
};

static void *run_call(void *arg)
{
    struct textbook_call *call = arg;
    call->fn(call->data);
    pthread_mutex_lock(&call->mutex);
    call->ended = true;
    pthread_cond_signal(&call->end);
    pthread_mutex_unlock(&call->mutex);
    return NULL;
}

static void call_init(struct textbook_call *call)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&call->end, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&call->mutex, NULL);
}

static void call_free(struct textbook_call *call)
{
    pthread_mutex_destroy(&call->mutex);
    pthread_cond_destroy(&call->end);
    free(call);
}

static struct timespec time_after(int64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ns / 1000000000;
    t.tv_nsec += ns % 1000000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

void textbook_timeout_init(struct textbook_timeout *timeout)
{
    timeout->late = NULL;
    pthread_mutex_init(&timeout->mutex, NULL);
}

void textbook_timeout_destroy(struct textbook_timeout *timeout)
{
    while (timeout->late) {
        struct textbook_call *call = timeout->late;
        timeout->late = call->next;
        pthread_join(call->thread, NULL);
        call_free(call);
    }
    pthread_mutex_destroy(&timeout->mutex);
}

int textbook_timeout_run(struct textbook_timeout *timeout, void (*fn)(void *data), void *data,
    size_t size, int64_t timeout_ns)
{
    struct timespec deadline = time_after(timeout_ns);
    struct textbook_call *call = calloc(1, sizeof *call + size);
    if (!call)
        return ENOMEM;
    call_init(call);
    call->fn = fn;
    memcpy(call->data, data, size);
    int rc = pthread_create(&call->thread, NULL, run_call, call);
    if (rc != 0) {
        call_free(call);
        return rc;
    }
    pthread_mutex_lock(&call->mutex);
    while (!call->ended && rc == 0)
        rc = pthread_cond_timedwait(&call->end, &call->mutex, &deadline);
    bool ended = call->ended;
    pthread_mutex_unlock(&call->mutex);
    if (!ended) {
        pthread_mutex_lock(&timeout->mutex);
        call->next = timeout->late;
        timeout->late = call;
        pthread_mutex_unlock(&timeout->mutex);
        return ETIMEDOUT;
    }
    pthread_join(call->thread, NULL);
    memcpy(data, call->data, size);
    call_free(call);
    return 0;
}
