/* SPDX-License-Identifier: MIT */
/*
 * P59: A mutex is unlocked by a thread that does not hold it
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-832, CERT POS48-C
 * @rule A mutex belongs to the thread that locked it. To let another go on is the work of a
 *     semaphore, a condition or a channel: a mutex given back by somebody else is undefined,
 *     and what it guarded is guarded no more.
 * @detect helgrind:exit-holding-lock,unlock-other-thread drd:relock,unlock-other-thread
 *     tsan:bad-unlock
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t ready = PTHREAD_MUTEX_INITIALIZER;

static void *maker(void *arg)
{
    /* place 1: a signal, by way of somebody else's mutex */
    pthread_mutex_unlock(&ready);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_mutex_lock(&ready);
    pthread_create(&thread, NULL, maker, NULL);
    /* place 2: waits for the signal */
    pthread_mutex_lock(&ready);
    pthread_join(thread, NULL);
    pthread_mutex_unlock(&ready);
    return verdict(1, "it was signalled");
}
