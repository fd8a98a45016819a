/* SPDX-License-Identifier: MIT */
/*
 * P60: A mutex is destroyed while it is held
 *
 * @family classic
 * @kind lifetime
 * @weakness CERT CON31-C, POS48-C
 * @rule Destroy comes after the last unlock, and whoever destroys knows that: since the
 *     others are joined. Destroying a mutex that is held is undefined, and EBUSY is only
 *     returned by some.
 * @detect helgrind:api-error,destroy-locked,unlock-invalid drd:destroy-locked,not-a-mutex
 *     tsan:bad-unlock,destroy-locked,race
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct gate locked;
static struct gate destroyed;

static void *user(void *arg)
{
    pthread_mutex_lock(&mutex);
    gate_open(&locked);
    gate_wait(&destroyed);
    /* place 1: still holds it */
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, user, NULL);
    gate_wait(&locked);
    /* place 2: nobody has asked whether the user is done */
    pthread_mutex_destroy(&mutex);
    gate_open(&destroyed);
    pthread_join(thread, NULL);
    return verdict(1, "done");
}
