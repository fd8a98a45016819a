/* SPDX-License-Identifier: MIT */
/* P37, fixed: a semaphore, which orders, and waits without going round in circles. */
#include <pthread.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static sem_t written;

static void *writer(void *arg)
{
    letter = 42;
    sem_post(&written);
    return arg;
}

int main(void)
{
    pthread_t thread;
    sem_init(&written, 0, 0);
    pthread_create(&thread, NULL, writer, NULL);
    sem_wait(&written);
    int read = letter;
    pthread_join(thread, NULL);
    sem_destroy(&written);
    return verdict(read == 42, "the letter says %d", read);
}
