/* SPDX-License-Identifier: MIT */
/* P64, fixed: a predicate, set under the mutex, which remembers. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct gate signalled;
static int made;

static void *maker(void *arg)
{
    pthread_mutex_lock(&mutex);
    made = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    gate_open(&signalled);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, maker, NULL);
    gate_wait(&signalled);
    pthread_mutex_lock(&mutex);
    while (!made)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return verdict(1, "it was made");
}
