/* SPDX-License-Identifier: MIT */
/*
 * P82: A wait for a permit that a signal has ended is taken for a permit
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-252, CERT POS54-C
 * @rule A signal ends sem_wait with EINTR: nothing was acquired. Who does not look goes on
 *     without a permit, and gives back later what was never taken: from then on there is one
 *     too many.
 * @detect native:wrong helgrind:api-error
 * @fixed helgrind:api-error
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "demos/pitfalls/pitfall.h"

static sem_t permits;
static int inside;

static void on_signal(int number)
{
    (void)number;
}

static void *worker(void *arg)
{
    /* place 1: ended by the signal, and nobody looks */
    sem_wait(&permits);
    inside++;
    /* place 2: gives back what was not taken */
    sem_post(&permits);
    return arg;
}

int main(void)
{
    pthread_t thread;
    int left = 0;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sem_init(&permits, 0, 0);
    pthread_create(&thread, NULL, worker, NULL);
    wait_until_others_sleep();
    pthread_kill(thread, SIGUSR1);
    wait_until_others_sleep();
    sem_post(&permits);
    pthread_join(thread, NULL);
    sem_getvalue(&permits, &left);
    sem_destroy(&permits);
    return verdict(left == 1, "of one permit %d are left", left);
}
