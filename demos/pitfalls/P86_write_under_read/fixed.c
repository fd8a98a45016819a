/* SPDX-License-Identifier: MIT */
/* P86, fixed: the counter is atomic, and the readers go on side by side. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int price = 42;
static atomic_int lookups;
static struct gate has_read;
static struct gate has_written;

static int look_up(int slow)
{
    pthread_rwlock_rdlock(&lock);
    atomic_fetch_add(&lookups, 1);
    if (slow) {
        gate_open(&has_read);
        gate_wait(&has_written);
    }
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
