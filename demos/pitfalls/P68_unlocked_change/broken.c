/* SPDX-License-Identifier: MIT */
/*
 * P68: The predicate is changed without the mutex
 *
 * @family classic
 * @kind race
 * @weakness CERT CON43-C
 * @rule The waiter looks at the predicate and goes to sleep in one step, as far as the mutex
 *     goes. A change without the mutex, and its signal, can come between the look and the
 *     sleep: the waiter has seen the old value and sleeps through the signal.
 * @detect helgrind:dubious-signal,race drd:dubious-signal,race tsan:race
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

static void *maker(void *arg)
{
    wait_until_others_sleep();
    /* place 1: changed without the mutex */
    ready = 1;
    pthread_cond_signal(&changed);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_mutex_lock(&mutex);
    pthread_create(&thread, NULL, maker, NULL);
    /* place 2: looked at with it */
    while (!ready)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return verdict(ready, "it is ready");
}
