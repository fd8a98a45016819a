/* SPDX-License-Identifier: MIT */
/* P59, fixed: a semaphore, which belongs to nobody. */
#include <pthread.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

static sem_t ready;

static void *maker(void *arg)
{
    sem_post(&ready);
    return arg;
}

int main(void)
{
    pthread_t thread;
    sem_init(&ready, 0, 0);
    pthread_create(&thread, NULL, maker, NULL);
    sem_wait(&ready);
    pthread_join(thread, NULL);
    sem_destroy(&ready);
    return verdict(1, "it was signalled");
}
