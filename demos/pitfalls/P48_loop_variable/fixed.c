/* SPDX-License-Identifier: MIT */
/* P48, fixed: an array with a place for each job. */
#include <pthread.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

enum { JOBS = 3 };

struct job {
    int number;
};

static struct job *queue[JOBS];
static atomic_int done[JOBS];

static __attribute__((noinline)) void add(struct job *job)
{
    queue[job->number] = job;
}

static void *worker(void *arg)
{
    struct job *job = arg;
    done[job->number]++;
    return NULL;
}

int main(void)
{
    pthread_t threads[JOBS];
    struct job jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        jobs[i].number = i;
        add(&jobs[i]);
    }
    for (int i = 0; i < JOBS; i++)
        pthread_create(&threads[i], NULL, worker, queue[i]);
    for (int i = 0; i < JOBS; i++)
        pthread_join(threads[i], NULL);
    return verdict(done[0] == 1 && done[1] == 1 && done[2] == 1,
        "job 0 done %d, job 1 %d, job 2 %d", done[0], done[1], done[2]);
}
