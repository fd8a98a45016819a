/* SPDX-License-Identifier: MIT */
/*
 * P97: Two locks in both orders under a third: no deadlock, and two tools fear one
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule Locks in both orders deadlock when two threads can be between them at once. Under one lock
 *     taken before, they cannot. Helgrind and TSan look at the order of each pair alone. The alarm
 *     is false and the advice still good: with one order the third lock is not needed.
 * @detect helgrind:lock-order tsan:lock-order
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static void move(pthread_mutex_t *from, pthread_mutex_t *to)
{
    pthread_mutex_lock(&gate_lock);
    pthread_mutex_lock(from);
    pthread_mutex_lock(to);
    moved++;
    pthread_mutex_unlock(to);
    pthread_mutex_unlock(from);
    pthread_mutex_unlock(&gate_lock);
}

static void *forth(void *arg)
{
    /* place 1: a, then b */
    move(&a, &b);
    return arg;
}

static void *back(void *arg)
{
    /* place 2: b, then a */
    move(&b, &a);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, forth, NULL);
    pthread_create(&threads[1], NULL, back, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(moved == 2, "moved %d times", moved);
}
