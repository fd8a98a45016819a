/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "bench/baselines/pthread_team.h"

int textbook_team_start(struct textbook_team *team, size_t n, void *(*fn)(void *), void *arg)
{
    team->n = 0;
    team->threads = malloc(n * sizeof *team->threads);
    if (!team->threads)
        return ENOMEM;
    for (; team->n < n; team->n++) {
        int rc = pthread_create(&team->threads[team->n], NULL, fn, arg);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void textbook_team_join(struct textbook_team *team)
{
    for (size_t i = 0; i < team->n; i++)
        pthread_join(team->threads[i], NULL);
    free(team->threads);
}
