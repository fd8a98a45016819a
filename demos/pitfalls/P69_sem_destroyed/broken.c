/* SPDX-License-Identifier: MIT */
/*
 * P69: A semaphore is destroyed on which a thread waits
 *
 * @family classic
 * @kind lifetime
 * @weakness CERT CON31-C
 * @rule Destroy comes after the last waiter has left. glibc frees nothing and says nothing:
 *     the waiter sleeps on an object that is gone, and whatever is put there next wakes it
 *     or does not.
 * @detect drd:destroy-waited
 */
#include <pthread.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

static sem_t permits;
static int got;

static void *worker(void *arg)
{
    /* place 1: waits for a permit */
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
    /* place 2: destroyed before the worker has come back */
    sem_destroy(&permits);
    sem_post(&permits);
    pthread_join(thread, NULL);
    return verdict(got, "the worker has got its permit");
}
