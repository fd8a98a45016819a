/* SPDX-License-Identifier: MIT */
/* P97, silenced: one order, and so no third lock. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static void move(pthread_mutex_t *from, pthread_mutex_t *to)
{
    pthread_mutex_lock(from);
    pthread_mutex_lock(to);
    moved++;
    pthread_mutex_unlock(to);
    pthread_mutex_unlock(from);
}

static void *forth(void *arg)
{
    move(&a, &b);
    return arg;
}

static void *back(void *arg)
{
    move(&a, &b);
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
