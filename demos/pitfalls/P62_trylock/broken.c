/* SPDX-License-Identifier: MIT */
/*
 * P62: A lock that was only tried is taken for locked
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-252, CERT POS54-C
 * @rule To try is to ask, and the answer may be no. Whoever does not look at it goes on
 *     without the lock: the section races, and its unlock frees what another holds.
 * @detect native:wrong helgrind:race,unlock-other-thread drd:race,unlock-other-thread
 *     tsan:race,bad-unlock
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct gate has_read;
static struct gate has_written;
static int counter;

static void *first(void *arg)
{
    pthread_mutex_lock(&mutex);
    int seen = counter;
    gate_open(&has_read);
    gate_wait(&has_written);
    /* place 1: believes itself alone */
    counter = seen + 1;
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *second(void *arg)
{
    gate_wait(&has_read);
    /* place 2: held by the first, and nobody looks */
    pthread_mutex_trylock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
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
