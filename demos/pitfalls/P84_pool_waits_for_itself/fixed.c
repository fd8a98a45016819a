/* SPDX-License-Identifier: MIT */
/* P84, fixed: the part is done by the job itself. */
#include <pthread.h>
#include <semaphore.h>

#include "demos/pitfalls/pitfall.h"

/* A pool of one worker: a queue of jobs, and who is done. */
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
    inner();
}

static void *worker(void *arg)
{
    sem_wait(&submitted);
    jobs[0]();
    sem_post(&done[0]);
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
