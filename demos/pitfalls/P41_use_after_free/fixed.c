/* SPDX-License-Identifier: MIT */
/* P41, fixed: the price is copied while the lock is held. */
#include <pthread.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct entry {
    int price;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct entry *cached;
static struct gate has_found;
static struct gate has_freed;

static void *reader(void *arg)
{
    pthread_mutex_lock(&mutex);
    int price = cached->price;
    pthread_mutex_unlock(&mutex);
    gate_open(&has_found);
    gate_wait(&has_freed);
    *(int *)arg = price;
    return NULL;
}

static void *evicter(void *arg)
{
    gate_wait(&has_found);
    pthread_mutex_lock(&mutex);
    free(cached);
    cached = NULL;
    pthread_mutex_unlock(&mutex);
    gate_open(&has_freed);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    int price = 0;
    cached = malloc(sizeof *cached);
    cached->price = 42;
    pthread_create(&threads[0], NULL, reader, &price);
    pthread_create(&threads[1], NULL, evicter, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(price == 42, "the price is %s", price == 42 ? "42" : "what lay there");
}
