/* SPDX-License-Identifier: MIT */
/*
 * P94: A correct hand-over by a semaphore that is tried, which Helgrind does not follow
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule A post orders what came before it before the wait that takes it. Helgrind knows that of
 *     sem_wait, and not of sem_trywait and sem_timedwait, which order just the same.
 * @detect helgrind:race
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static sem_t written;

static void *writer(void *arg)
{
    letter = 42;
    /* place 1: publishes the letter */
    sem_post(&written);
    return arg;
}

int main(void)
{
    pthread_t thread;
    sem_init(&written, 0, 0);
    pthread_create(&thread, NULL, writer, NULL);
    /* place 2: takes the permit, without waiting for it */
    while (sem_trywait(&written) != 0)
        sched_yield();
    int read = letter;
    pthread_join(thread, NULL);
    sem_destroy(&written);
    return verdict(read == 42, "the letter says %d", read);
}
