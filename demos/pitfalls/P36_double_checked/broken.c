/* SPDX-License-Identifier: MIT */
/*
 * P36: Double-checked locking with a plain pointer
 *
 * @family classic
 * @kind race
 * @weakness CWE-609
 * @rule Who looks at the pointer without the lock is ordered by nothing: it may see the pointer
 *     before what it points to. Here the source itself is in that order; a compiler or a processor
 *     may make it so where the source is not. The first look needs the lock, too, or an acquire
 *     load of an atomic pointer that is stored last, with release.
 * @detect native:wrong helgrind:race drd:race memcheck:uninitialised tsan:race
 */
#include <pthread.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct config {
    int limit;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct config *config;
static struct gate is_published;
static struct gate is_used;

static struct config *get(void)
{
    /* place 1: looks without the lock */
    if (config == NULL) {
        pthread_mutex_lock(&mutex);
        if (config == NULL) {
            config = malloc(sizeof *config);
            gate_open(&is_published);
            gate_wait(&is_used);
            /* place 2: the pointer is out already */
            config->limit = 42;
        }
        pthread_mutex_unlock(&mutex);
    }
    return config;
}

static void *early(void *arg)
{
    get();
    return arg;
}

static void *late(void *arg)
{
    gate_wait(&is_published);
    if (get()->limit == 42)
        *(int *)arg = 1;
    gate_open(&is_used);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    int right = 0;
    pthread_create(&threads[0], NULL, early, NULL);
    pthread_create(&threads[1], NULL, late, &right);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    free(config);
    return verdict(right, "the limit %s", right ? "is 42" : "was not set yet");
}
