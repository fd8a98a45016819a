/* SPDX-License-Identifier: MIT */
/*
 * P67: A condition is destroyed on which a thread waits
 *
 * @family classic
 * @kind lifetime
 * @weakness CERT CON31-C
 * @rule Destroy comes after the last waiter has left. glibc waits for those that were
 *     already woken, and for ever for one that was not; others crash.
 * @detect native:hang helgrind:destroy-waited memcheck:possibly-lost tsan:race?
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

static void *waiter(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!ready)
        /* place 1: waits */
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, waiter, NULL);
    wait_until_others_sleep();
    pthread_mutex_lock(&mutex);
    ready = 1;
    pthread_mutex_unlock(&mutex);
    /* place 2: takes the waiter for woken */
    pthread_cond_destroy(&changed);
    pthread_join(thread, NULL);
    return verdict(ready, "it is ready");
}
