/* SPDX-License-Identifier: MIT */
/*
 * P34: An atomic load and an atomic store are not an atomic addition
 *
 * @family classic
 * @kind logic
 * @weakness CWE-362
 * @rule Each step on an atomic variable is atomic, and two steps are not. Between the load and the
 *     store another thread may store, and that is lost. No tool complains: there is no data race.
 *     A change that depends on the old value is one operation (fetch_add, or compare_exchange in
 *     a loop).
 * @detect native:wrong
 */
#include <pthread.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

static struct gate has_read;
static struct gate has_written;
static atomic_int counter;

static void *first(void *arg)
{
    /* place 1: an atomic load, and later an atomic store */
    int seen = atomic_load(&counter);
    gate_open(&has_read);
    gate_wait(&has_written);
    atomic_store(&counter, seen + 1);
    return arg;
}

static void *second(void *arg)
{
    gate_wait(&has_read);
    /* place 2: adds in between */
    atomic_fetch_add(&counter, 1);
    gate_open(&has_written);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, first, NULL);
    pthread_create(&threads[1], NULL, second, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(counter == 2, "two threads have counted to %d", counter);
}
