/* SPDX-License-Identifier: MIT */
/* P99, silenced: one order, for which nothing has to be tried. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static void *forth(void *arg)
{
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&a);
    return arg;
}

static void *back(void *arg)
{
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&a);
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
