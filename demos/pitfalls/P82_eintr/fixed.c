/* SPDX-License-Identifier: MIT */
/* P82, fixed: asked again until it is there. */
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
    while (sem_wait(&permits) != 0 && errno == EINTR) {
    }
    inside++;
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
