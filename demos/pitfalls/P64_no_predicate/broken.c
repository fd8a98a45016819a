/* SPDX-License-Identifier: MIT */
/*
 * P64: A wake-up that comes before the wait is lost
 *
 * @family classic
 * @kind lost-wakeup
 * @weakness CERT CON38-C
 * @rule A condition remembers nothing: a signal that finds nobody waiting is gone. So a wait
 *     stands in a loop around a predicate, and what the waiter looks at was changed under
 *     the same mutex. Who waits for the signal itself may wait for ever.
 * @detect native:hang helgrind:dubious-signal? memcheck:possibly-lost?
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct gate signalled;

static void *maker(void *arg)
{
    pthread_mutex_lock(&mutex);
    /* place 1: nobody waits yet */
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    gate_open(&signalled);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, maker, NULL);
    gate_wait(&signalled);
    pthread_mutex_lock(&mutex);
    /* place 2: waits for a signal that has been */
    pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return verdict(1, "it was made");
}
