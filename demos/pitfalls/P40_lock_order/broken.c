/* SPDX-License-Identifier: MIT */
/*
 * P40: Two locks taken in both orders, and nothing hangs yet
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-833, CERT CON35-C
 * @rule Who takes two locks takes them in one order, everywhere. In two orders, two threads can
 *     each hold one and wait for the other. Here they come one after the other and nothing happens:
 *     the day on which they meet is the day on which it hangs.
 * @detect helgrind:lock-order tsan:lock-order
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static void *forth(void *arg)
{
    /* place 1: a, then b */
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    moved++;
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&a);
    return arg;
}

static void *back(void *arg)
{
    /* place 2: b, then a */
    pthread_mutex_lock(&b);
    pthread_mutex_lock(&a);
    moved++;
    pthread_mutex_unlock(&a);
    pthread_mutex_unlock(&b);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, forth, NULL);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, back, NULL);
    pthread_join(thread, NULL);
    return verdict(moved == 2, "moved %d times", moved);
}
