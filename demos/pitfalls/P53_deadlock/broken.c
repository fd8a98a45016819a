/* SPDX-License-Identifier: MIT */
/*
 * P53: Two locks taken in both orders, and now it hangs
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-833, CERT CON35-C
 * @rule Who takes two locks takes them in one order, everywhere. Here each thread holds one
 *     lock and waits for the other, and neither ever gives back what it has. While it hangs,
 *     every tool is silent: the order was the time to find it (P40).
 * @detect native:hang helgrind:exit-holding-lock? memcheck:possibly-lost
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate has_a;
static struct gate has_b;
static int moved;

static void *forth(void *arg)
{
    pthread_mutex_lock(&a);
    gate_open(&has_a);
    gate_wait(&has_b);
    /* place 1: holds a, waits for b */
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&a);
    return arg;
}

static void *back(void *arg)
{
    pthread_mutex_lock(&b);
    gate_open(&has_b);
    gate_wait(&has_a);
    /* place 2: holds b, waits for a */
    pthread_mutex_lock(&a);
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
