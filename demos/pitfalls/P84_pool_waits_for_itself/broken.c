/* SPDX-License-Identifier: MIT */
/*
 * P84: A job waits for a job of its own pool
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-833
 * @rule A pool of n workers runs n jobs. A job that waits for another one of the same pool
 *     occupies a worker meanwhile; with all workers waiting, nobody is left for what they
 *     wait for.
 * @detect native:hang memcheck:possibly-lost
 */
#include <pthread.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

/* A pool of one worker: a queue of two jobs, and who is done. */
static sem_t submitted;
static sem_t done[2];
static void (*jobs[2])(void);
static int next;
static int answer;

static void submit(void (*job)(void))
{
    jobs[next++] = job;
    sem_post(&submitted);
}

static void inner(void)
{
    answer = 42;
}

static void outer(void)
{
    /* place 1: a job of the same pool */
    submit(inner);
    /* place 2: is waited for by its only worker */
    sem_wait(&done[1]);
}

static void *worker(void *arg)
{
    for (int i = 0; i < 2; i++) {
        sem_wait(&submitted);
        jobs[i]();
        sem_post(&done[i]);
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    sem_init(&submitted, 0, 0);
    for (int i = 0; i < 2; i++)
        sem_init(&done[i], 0, 0);
    submit(outer);
    pthread_create(&thread, NULL, worker, NULL);
    sem_wait(&done[0]);
    pthread_join(thread, NULL);
    return verdict(answer == 42, "the answer is %d", answer);
}
