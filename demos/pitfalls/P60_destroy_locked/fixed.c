/* SPDX-License-Identifier: MIT */
/* P60, fixed: joined first. */
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
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, user, NULL);
    gate_wait(&locked);
    gate_open(&destroyed);
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&mutex);
    return verdict(1, "done");
}
