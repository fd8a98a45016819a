/* SPDX-License-Identifier: MIT */
/* P62, fixed: who must have it waits for it. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct gate has_read;
static int counter;

static void *first(void *arg)
{
    pthread_mutex_lock(&mutex);
    int seen = counter;
    gate_open(&has_read);
    counter = seen + 1;
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *second(void *arg)
{
    gate_wait(&has_read);
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, first, NULL);
    pthread_create(&threads[1], NULL, second, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(counter == 2, "two threads have counted to %d", counter);
}
