/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "bench/team.h"

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
