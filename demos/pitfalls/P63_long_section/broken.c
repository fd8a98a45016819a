/* SPDX-License-Identifier: MIT */
/*
 * P63: Slow work under a lock that others wait for
 *
 * @family classic
 * @kind performance
 * @weakness CWE-667, CERT POS52-C
 * @rule Under a lock stands what must be one step, and nothing else: no file, no network, no
 *     computation whose input could be copied out. All others queue behind the slowest;
 *     nothing is wrong but the time.
 * @detect drd:held-long
 * @options drd:--exclusive-threshold=250
 */
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
    /* place 1: taken before the slow part */
    pthread_mutex_lock(&mutex);
    /* place 2: and held during it */
    int value = slow_read();
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
