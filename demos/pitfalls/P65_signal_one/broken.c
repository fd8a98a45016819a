/* SPDX-License-Identifier: MIT */
/*
 * P65: One is woken where all should be
 *
 * @family classic
 * @kind lost-wakeup
 * @weakness CERT CON38-C
 * @rule pthread_cond_signal wakes one waiter. Where a change lets several go on, or where
 *     the waiters wait for different things, it is broadcast: the one woken may be the wrong
 *     one, or goes on and tells nobody.
 * @detect native:hang memcheck:possibly-lost
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int open_now;
static int passed;

static void *guest(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!open_now)
        pthread_cond_wait(&changed, &mutex);
    /* place 2: goes in, and wakes nobody */
    passed++;
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, guest, NULL);
    wait_until_others_sleep();
    pthread_mutex_lock(&mutex);
    open_now = 1;
    /* place 1: wakes one of two */
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(passed == 2, "%d guests have passed", passed);
}
