/* SPDX-License-Identifier: MIT */
/*
 * P57: A lock kept on the way out of an error
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-667, CWE-772
 * @rule Every way out of a function gives back what it has taken. The way that is forgotten
 *     is the one that is rarely gone: the early return of an error. The next who wants the
 *     lock waits for ever.
 * @detect helgrind:exit-holding-lock drd:exit-holding-lock
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int stored;

static int store(int value)
{
    pthread_mutex_lock(&mutex);
    if (value < 0)
        /* place 1: leaves with the lock */
        return -1;
    stored = value;
    pthread_mutex_unlock(&mutex);
    return 0;
}

static void *client(void *arg)
{
    /* place 2: the error is handled, the lock is not */
    *(int *)arg = store(-1);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int rc = 0;
    pthread_create(&thread, NULL, client, &rc);
    pthread_join(thread, NULL);
    return verdict(rc == -1 && stored == 0, "a negative value was refused");
}
