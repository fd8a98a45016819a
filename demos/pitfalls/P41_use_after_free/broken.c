/* SPDX-License-Identifier: MIT */
/*
 * P41: Looked up under the lock, used after it, and freed by another in between
 *
 * @family classic
 * @kind lifetime
 * @weakness CWE-416
 * @rule The lock guards the cache, and with it what is in the cache, as long as it is held. A
 *     pointer that is carried out of the critical section is guarded by nothing: another may take
 *     the entry out and free it. What is needed later is copied under the lock, or kept alive by a
 *     reference count.
 * @detect native:wrong memcheck:invalid-access tsan:use-after-free asan:use-after-free
 */
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
    struct entry *found = cached;
    pthread_mutex_unlock(&mutex);
    gate_open(&has_found);
    gate_wait(&has_freed);
    /* place 1: the lock is let go, the entry is used */
    *(int *)arg = found->price;
    return NULL;
}

static void *evicter(void *arg)
{
    gate_wait(&has_found);
    pthread_mutex_lock(&mutex);
    /* place 2: freed while the other holds a pointer to it */
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
