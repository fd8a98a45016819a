/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>

#include "bench/baselines/pthread_counter.h"

struct textbook_counter {
    pthread_mutex_t mutex;
    int64_t value; /* under mutex */
};

struct textbook_counter *textbook_counter_create(void)
{
    struct textbook_counter *counter = calloc(1, sizeof *counter);
    if (counter)
        pthread_mutex_init(&counter->mutex, NULL);
    return counter;
}

void textbook_counter_destroy(struct textbook_counter *counter)
{
    if (!counter)
        return;
    pthread_mutex_destroy(&counter->mutex);
    free(counter);
}

void textbook_counter_add(struct textbook_counter *counter, int64_t delta)
{
    pthread_mutex_lock(&counter->mutex);
    counter->value += delta;
    pthread_mutex_unlock(&counter->mutex);
}

int64_t textbook_counter_get(struct textbook_counter *counter)
{
    pthread_mutex_lock(&counter->mutex);
    int64_t value = counter->value;
    pthread_mutex_unlock(&counter->mutex);
    return value;
}
