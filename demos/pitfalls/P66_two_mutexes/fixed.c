/* SPDX-License-Identifier: MIT */
/* P66, fixed: one mutex for both. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int a_ready;
static int b_ready;

static void *wait_for_a(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!a_ready)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *wait_for_b(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!b_ready)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, wait_for_a, NULL);
    pthread_create(&threads[1], NULL, wait_for_b, NULL);
    wait_until_others_sleep();
    pthread_mutex_lock(&mutex);
    a_ready = 1;
    b_ready = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(a_ready && b_ready, "both are ready");
}
