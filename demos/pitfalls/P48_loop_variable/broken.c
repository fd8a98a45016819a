/* SPDX-License-Identifier: MIT */
/*
 * P48: The address of a variable of the loop, kept beyond its turn
 *
 * @family classic
 * @kind lifetime
 * @weakness CWE-825, CERT CON34-C
 * @rule A variable inside the braces of a loop lives for one turn, and the next lies in the same
 *     place: all addresses are one, and what is there is the last. The threads only read it, so
 *     there is no race, and it is in a frame that lives, so it is no wrong memory either. What is
 *     handed to a thread lies in an array, with a place for each.
 * @detect native:wrong asan:use-after-scope
 */
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
    /* place 2: its turn is over, each worker sees the last job */
    done[job->number]++;
    return NULL;
}

int main(void)
{
    pthread_t threads[JOBS];
    for (int i = 0; i < JOBS; i++) {
        struct job job = {i};
        /* place 1: the address of what lives for one turn */
        add(&job);
    }
    for (int i = 0; i < JOBS; i++)
        pthread_create(&threads[i], NULL, worker, queue[i]);
    for (int i = 0; i < JOBS; i++)
        pthread_join(threads[i], NULL);
    return verdict(done[0] == 1 && done[1] == 1 && done[2] == 1,
        "job 0 done %d, job 1 %d, job 2 %d", done[0], done[1], done[2]);
}
