/* SPDX-License-Identifier: MIT */
/* P06, fixed: one lock around the whole of a call, from the place to what is written there. The
 * gates stay; only that nobody waits for one with the lock held. */
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

struct entry {
    long key;
    long value;
};

static struct {
    struct conc_mutex mutex; /* for all below */
    struct entry *entries;
    size_t used; /* room for two more whenever it is even */
} map = {.mutex = CONC_MUTEX_INIT};

static struct gate has_place;
static struct gate has_grown;

/* A place for one more; what is there moves when there is none. */
static struct entry *add(void)
{
    if (map.used % 2 == 0) {
        struct entry *more = calloc(map.used + 2, sizeof *more);
        for (size_t i = 0; i < map.used; i++)
            more[i] = map.entries[i];
        free(map.entries);
        map.entries = more;
    }
    return &map.entries[map.used++];
}

static void first(void *arg)
{
    (void)arg;
    conc_mutex_lock(&map.mutex, NULL);
    struct entry *place = add();
    gate_open(&has_place);
    *place = (struct entry){2, 20};
    conc_mutex_unlock(&map.mutex);
    gate_wait_as_task(&has_grown);
}

static void second(void *arg)
{
    (void)arg;
    gate_wait_as_task(&has_place);
    conc_mutex_lock(&map.mutex, NULL);
    *add() = (struct entry){3, 30};
    conc_mutex_unlock(&map.mutex);
    gate_open(&has_grown);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    long sum = 0;
    *add() = (struct entry){1, 10};
    conc_wait_group_go(&tasks, first, NULL);
    conc_wait_group_go(&tasks, second, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    for (size_t i = 0; i < map.used; i++)
        sum += map.entries[i].value;
    free(map.entries);
    conc_mutex_destroy(&map.mutex);
    return verdict(sum == 60, "of 10, 20 and 30 the map has %ld", sum);
}
