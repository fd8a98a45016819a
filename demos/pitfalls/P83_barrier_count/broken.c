/* SPDX-License-Identifier: MIT */
/*
 * P83: A barrier that waits for one more than there are
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-833
 * @rule A barrier lets go when as many have come as it was made for. One too few, because a
 *     worker could not be started or has left early, and all wait for ever.
 * @detect native:hang memcheck:possibly-lost
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

enum { WORKERS = 2 };

static pthread_barrier_t barrier;

static void *worker(void *arg)
{
    /* place 2: waits for a third */
    pthread_barrier_wait(&barrier);
    return arg;
}

int main(void)
{
    pthread_t threads[WORKERS];
    /* place 1: main counts itself, and does not come */
    pthread_barrier_init(&barrier, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, worker, NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    return verdict(1, "%d workers have passed", WORKERS);
}
