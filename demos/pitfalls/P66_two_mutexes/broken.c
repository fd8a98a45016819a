/* SPDX-License-Identifier: MIT */
/*
 * P66: One condition with two mutexes
 *
 * @family classic
 * @kind misuse
 * @weakness CERT POS53-C
 * @rule While anybody waits on it, a condition belongs to one mutex. Two waiters with two
 *     mutexes are undefined; and what the signaller changes under one of them, the other
 *     reads without.
 * @detect helgrind:dubious-signal,two-mutexes drd:dubious-signal,two-mutexes
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int a_ready;
static int b_ready;

static void *wait_for_a(void *arg)
{
    pthread_mutex_lock(&a);
    while (!a_ready)
        /* place 1: with a */
        pthread_cond_wait(&changed, &a);
    pthread_mutex_unlock(&a);
    return arg;
}

static void *wait_for_b(void *arg)
{
    pthread_mutex_lock(&b);
    while (!b_ready)
        /* place 2: and with b */
        pthread_cond_wait(&changed, &b);
    pthread_mutex_unlock(&b);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, wait_for_a, NULL);
    pthread_create(&threads[1], NULL, wait_for_b, NULL);
    wait_until_others_sleep();
    pthread_mutex_lock(&a);
    a_ready = 1;
    pthread_mutex_unlock(&a);
    pthread_mutex_lock(&b);
    b_ready = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&b);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(a_ready && b_ready, "both are ready");
}
