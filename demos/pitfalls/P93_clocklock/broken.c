/* SPDX-License-Identifier: MIT */
/*
 * P93: A correct lock with a deadline on the monotonic clock, unknown to two tools
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule pthread_mutex_clocklock is new (glibc 2.30), and Helgrind and TSan do not know that it
 * takes the mutex: for them the thread unlocks what it never locked, and what the mutex guards is a
 *     race. pthread_mutex_timedlock is known everywhere, at the price of the wall clock.
 * @detect helgrind:race,unlock-invalid tsan:bad-unlock,race
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int counter;

static void *count(void *arg)
{
    struct timespec deadline;
    /* place 1: on the monotonic clock, as it should be */
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 60;
    /* place 2: taken, and two tools do not see it */
    pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &deadline);
    counter++;
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(counter == 2, "two threads have counted to %d", counter);
}
