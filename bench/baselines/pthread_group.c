/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_group.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct group {
    int (*fn)(void *arg, size_t i); /* fixed */
    void *arg;                      /* fixed */
    pthread_mutex_t mutex;          /* guards the fields below */
    pthread_cond_t one_ended;
    size_t running;
    int error;
};

struct member {
    struct group *group;
    size_t i;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct member *member = arg;
    struct group *group = member->group;
    int rc = group->fn(group->arg, member->i);
    pthread_mutex_lock(&group->mutex);
    if (group->error == 0)
        group->error = rc;
    group->running--;
    pthread_cond_signal(&group->one_ended);
    pthread_mutex_unlock(&group->mutex);
    return NULL;
}

static void wait_for_room(struct group *group, size_t limit)
{
    pthread_mutex_lock(&group->mutex);
    while (limit > 0 && group->running >= limit)
        pthread_cond_wait(&group->one_ended, &group->mutex);
    group->running++;
    pthread_mutex_unlock(&group->mutex);
}

int textbook_group(size_t n, size_t limit, int (*fn)(void *arg, size_t i), void *arg)
{
    struct group group = {.fn = fn, .arg = arg};
    struct member *members = calloc(n, sizeof *members);
    if (!members)
        return ENOMEM;
    pthread_mutex_init(&group.mutex, NULL);
    pthread_cond_init(&group.one_ended, NULL);
    size_t started = 0;
    int rc = 0;
    while (started < n && rc == 0) {
        wait_for_room(&group, limit);
        members[started] = (struct member){.group = &group, .i = started};
        rc = pthread_create(&members[started].thread, NULL, run, &members[started]);
        if (rc == 0)
            started++;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(members[i].thread, NULL);
    pthread_cond_destroy(&group.one_ended);
    pthread_mutex_destroy(&group.mutex);
    free(members);
    return rc != 0 ? rc : group.error;
}
