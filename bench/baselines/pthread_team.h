/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_TEAM_H
#define BENCH_BASELINES_PTHREAD_TEAM_H

/* Threads started and joined together: the loop of pthread_create and the loop of pthread_join. */

#include <pthread.h>
#include <stddef.h>

struct textbook_team {
    pthread_t *threads;
    size_t n;
};

/* Starts n threads that call fn(arg). 0; ENOMEM, EAGAIN: fewer could be started; those run, and
 * join waits for them. */
int textbook_team_start(struct textbook_team *team, size_t n, void *(*fn)(void *), void *arg);
void textbook_team_join(struct textbook_team *team);

#endif
