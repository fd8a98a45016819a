/* SPDX-License-Identifier: MIT */
/* P63, fixed: the slow part first, then the lock. */
#include <pthread.h>
#include <time.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int stored;

/* A slow device: half a second. */
static int slow_read(void)
{
    struct timespec half_a_second = {0, 500 * 1000 * 1000};
    nanosleep(&half_a_second, NULL);
    return 42;
}

static void *reader(void *arg)
{
    int value = slow_read();
    pthread_mutex_lock(&mutex);
    stored += value;
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, reader, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(stored == 84, "stored %d", stored);
}
