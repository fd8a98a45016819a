/* SPDX-License-Identifier: MIT */
/* P36, fixed: looks under the lock, each time. Nobody waits for a gate with it held, for the other
 * could not come to open it. */
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
    pthread_mutex_lock(&mutex);
    if (config == NULL) {
        config = malloc(sizeof *config);
        gate_open(&is_published);
        config->limit = 42;
    }
    pthread_mutex_unlock(&mutex);
    return config;
}

static void *early(void *arg)
{
    get();
    gate_wait(&is_used);
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
