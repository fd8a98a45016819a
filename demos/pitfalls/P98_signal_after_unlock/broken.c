/* SPDX-License-Identifier: MIT */
/*
 * P98: A condition signalled after the unlock: allowed, and called dubious
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule The predicate is changed under the mutex, and the signal may come after the unlock: it is
 *     often the better order, for the woken finds the mutex free. Helgrind and DRD call every
 *     signal without its mutex dubious, since many such are wrong:
 *     what has to be under the mutex is the change, not the signal.
 * @detect helgrind:dubious-signal drd:dubious-signal
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

static void *maker(void *arg)
{
    wait_until_others_sleep();
    pthread_mutex_lock(&mutex);
    /* place 1: the change is under the mutex */
    ready = 1;
    pthread_mutex_unlock(&mutex);
    /* place 2: the signal is not, and need not be */
    pthread_cond_signal(&changed);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, maker, NULL);
    pthread_mutex_lock(&mutex);
    while (!ready)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return verdict(ready, "it is ready");
}
