/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_first.h"

#include <stdbool.h>

#include "bench/baselines/pthread_team.h"

struct race {
    uint64_t (*ask)(void *arg, size_t i); /* fixed */
    void *arg;                            /* fixed */
    pthread_mutex_t mutex;                /* guards the fields below */
    size_t next;
    bool answered;
    uint64_t answer;
};

static void *runner(void *arg)
{
    struct race *race = arg;
    pthread_mutex_lock(&race->mutex);
    size_t i = race->next++;
    pthread_mutex_unlock(&race->mutex);
    uint64_t answer = race->ask(race->arg, i);
    pthread_mutex_lock(&race->mutex);
    if (!race->answered)
        race->answer = answer;
    race->answered = true;
    pthread_mutex_unlock(&race->mutex);
    return NULL;
}

int textbook_first(size_t n, uint64_t (*ask)(void *arg, size_t i), void *arg, uint64_t *answer)
{
    struct race race = {.ask = ask, .arg = arg};
    struct textbook_team team;
    pthread_mutex_init(&race.mutex, NULL);
    int rc = textbook_team_start(&team, n, runner, &race);
    textbook_team_join(&team);
    pthread_mutex_destroy(&race.mutex);
    if (rc == 0)
        *answer = race.answer;
    return rc;
}
