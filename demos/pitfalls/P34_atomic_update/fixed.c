/* SPDX-License-Identifier: MIT */
/* P34, fixed: one atomic operation. */
#include <pthread.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

static struct gate has_read;
static struct gate has_written;
static atomic_int counter;

static void *first(void *arg)
{
    atomic_fetch_add(&counter, 1);
    gate_open(&has_read);
    gate_wait(&has_written);
    return arg;
}

static void *second(void *arg)
{
    gate_wait(&has_read);
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
