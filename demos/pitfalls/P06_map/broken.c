/* SPDX-License-Identifier: MIT */
/*
 * P06: Two tasks put into one map, and it grows under one of them
 *
 * @family documents
 * @kind race
 * @from Go 1.25.3 in practice, 8.2 "data races": BadCache, a map that is set without a lock
 * @weakness CWE-366, CWE-416, CERT CON43-C
 * @rule A map is more than its entries: it moves when it grows. Who puts into it without a lock can
 *     hold a place in the old table, which the other has freed. The entry is written to memory
 *     that is no longer the map's; one lock around the whole of each call, reads too.
 * @detect native:wrong helgrind:race drd:race memcheck:invalid-access tsan:race,use-after-free
 *     asan:use-after-free
 */
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
    struct entry *place = add();
    gate_open(&has_place);
    gate_wait_as_task(&has_grown);
    /* place 1: writes to the place it has been given, which is gone */
    *place = (struct entry){2, 20};
}

static void second(void *arg)
{
    (void)arg;
    gate_wait_as_task(&has_place);
    /* place 2: there is no room left, so the map moves */
    *add() = (struct entry){3, 30};
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
