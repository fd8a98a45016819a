/* SPDX-License-Identifier: MIT */
/* P83, fixed: as many as will come. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

enum { WORKERS = 2 };

static pthread_barrier_t barrier;

static void *worker(void *arg)
{
    pthread_barrier_wait(&barrier);
    return arg;
}

int main(void)
{
    pthread_t threads[WORKERS];
    pthread_barrier_init(&barrier, NULL, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, worker, NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    return verdict(1, "%d workers have passed", WORKERS);
}
