/* SPDX-License-Identifier: MIT */
/* P53, fixed: a, then b, everywhere. Nobody can be met between them. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate has_a;
static int moved;

static void *forth(void *arg)
{
    pthread_mutex_lock(&a);
    gate_open(&has_a);
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&a);
    return arg;
}

static void *back(void *arg)
{
    gate_wait(&has_a);
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&a);
    pthread_mutex_unlock(&b);
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
