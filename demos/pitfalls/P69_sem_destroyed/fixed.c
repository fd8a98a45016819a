/* SPDX-License-Identifier: MIT */
/* P69, fixed: posted, joined, destroyed. */
#include <pthread.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

static sem_t permits;
static int got;

static void *worker(void *arg)
{
    sem_wait(&permits);
    got = 1;
    return arg;
}

int main(void)
{
    pthread_t thread;
    sem_init(&permits, 0, 0);
    pthread_create(&thread, NULL, worker, NULL);
    wait_until_others_sleep();
    sem_post(&permits);
    pthread_join(thread, NULL);
    sem_destroy(&permits);
    return verdict(got, "the worker has got its permit");
}
