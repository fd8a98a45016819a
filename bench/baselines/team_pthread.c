/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "bench/team.h"

/* The kernel may start two threads on one core and part them at its next look, milliseconds later:
 * longer than many a run. So each is put on a core of its own, as far as there are enough, and then
 * left to the kernel again. */
void team_place(int64_t worker)
{
    cpu_set_t all;
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    int64_t nth = worker % CPU_COUNT(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        sched_setaffinity(0, sizeof all, &all);
        return;
    }
}

static void *member(void *arg)
{
    team_place(((struct team_share *)arg)->worker);
    team_member(arg);
    return NULL;
}

static void yield(void)
{
    sched_yield();
}

void team_pthread(struct bench_run *run, void (*work)(struct team_share *share))
{
    struct team team;
    if (!team_init(&team, run, run->workers, work, yield))
        return;
    pthread_t *threads = calloc((size_t)team.workers, sizeof *threads);
    int64_t started = 0;
    int rc = threads ? 0 : ENOMEM;
    while (rc == 0 && started < team.workers) {
        rc = pthread_create(&threads[started], NULL, member, &team.shares[started]);
        if (rc == 0)
            started++;
    }
    if (rc != 0)
        team_give_up(&team, run, rc);
    for (int64_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    team_finish(&team, run);
}
