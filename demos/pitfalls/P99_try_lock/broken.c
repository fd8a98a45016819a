/* SPDX-License-Identifier: MIT */
/*
 * P99: Locks in the other order, but the second only tried: no deadlock can come of it
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule Who only tries the second lock, and gives the first back where that fails, never waits with
 *     a lock held, and so takes part in no deadlock. Helgrind records the order all the same; TSan
 *     knows that a try does not wait.
 * @detect helgrind:lock-order
 */
#include <pthread.h>
#include <sched.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static void *forth(void *arg)
{
    /* place 1: a, then b */
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&a);
    return arg;
}

static void *back(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&b);
        /* place 2: b, then a, but without waiting for it */
        if (pthread_mutex_trylock(&a) == 0)
            break;
        pthread_mutex_unlock(&b);
        sched_yield();
    }
    moved++;
    pthread_mutex_unlock(&a);
    pthread_mutex_unlock(&b);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, forth, NULL);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, back, NULL);
    pthread_join(thread, NULL);
    return verdict(moved == 2, "moved %d times", moved);
}
