/* SPDX-License-Identifier: MIT */
/*
 * P86: Writing under a read lock
 *
 * @family classic
 * @kind race
 * @weakness CWE-667
 * @rule A read lock keeps writers out and lets other readers in. Who writes with only that, be it a
 *     counter of how often something was looked up, is alone in nothing. The counter is part of
 *     what the lock guards, so it needs the write lock, or is atomic by itself.
 * @detect native:wrong helgrind:race drd:race tsan:race
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int price = 42;
static int lookups;
static struct gate has_read;
static struct gate has_written;

static int look_up(int slow)
{
    pthread_rwlock_rdlock(&lock);
    /* place 1: the other is in here, too */
    int seen = lookups;
    if (slow) {
        gate_open(&has_read);
        gate_wait(&has_written);
    }
    /* place 2: a write, under a read lock */
    lookups = seen + 1;
    int found = price;
    pthread_rwlock_unlock(&lock);
    return found;
}

static void *first(void *arg)
{
    *(int *)arg = look_up(1);
    return NULL;
}

static void *second(void *arg)
{
    gate_wait(&has_read);
    *(int *)arg = look_up(0);
    gate_open(&has_written);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    int prices[2];
    pthread_create(&threads[0], NULL, first, &prices[0]);
    pthread_create(&threads[1], NULL, second, &prices[1]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(lookups == 2, "two have looked up, counted %d", lookups);
}
