/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 13: gets and puts on one map, by one mutex, a read-write lock, shards and RCU; mostly
 * gets, and as many puts as gets.
 */

#include <string.h>

#include "bench/baselines/pthread_map.h"
#include "bench/baselines/rcu_map.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "runtime/random.h"
#include "safe_map.h"

/* A few hundred kilobytes of entries: larger than the first cache, smaller than the last. */
enum { KEYS = 8192 };

/* A map of any kind. */
struct map {
    void *it;
    int (*set)(void *it, const void *key, size_t key_size, void *value);
    int (*get)(void *it, const void *key, size_t key_size, void **value);
    void (*destroy)(void *it);
    uint64_t puts_in_100;
};

static void *value_of(uint64_t key)
{
    return (void *)(uintptr_t)(key * 3 + 1);
}

/* Looks up or replaces keys drawn at random. The result counts the operations that went right: a
 * replaced value is replaced by its like, so every get can be checked. */
static void mixed(struct team_share *share)
{
    const struct map *map = share->state;
    uint64_t draws = (uint64_t)share->worker;
    for (int64_t i = 0; i < share->count; i++) {
        uint64_t draw = conc_splitmix64(&draws);
        uint64_t key = draw % KEYS;
        void *value = NULL;
        if ((draw >> 32) % 100 < map->puts_in_100)
            share->result += map->set(map->it, &key, sizeof key, value_of(key)) == 0;
        else
            share->result +=
                map->get(map->it, &key, sizeof key, &value) == 0 && value == value_of(key);
    }
}

static bool all_right(const struct bench_run *run)
{
    return run->result == (uint64_t)run->items;
}

/* Hands the map over to the run, with every key in it. */
static void fill(struct bench_run *run, const struct map *made)
{
    struct map *map = malloc(sizeof *map);
    run->state = map;
    if (!map || !made->it) {
        bench_fail(run, "no memory for the map");
        free(map);
        run->state = NULL;
        return;
    }
    *map = *made;
    map->puts_in_100 = (uint64_t)run->parameter;
    for (uint64_t key = 0; key < KEYS; key++)
        if (map->set(map->it, &key, sizeof key, value_of(key)) != 0)
            bench_fail(run, "a put failed");
}

static void drop(struct bench_run *run)
{
    struct map *map = run->state;
    if (!map)
        return;
    map->destroy(map->it);
    free(map);
}

/* ---- the textbook's ---- */

static int textbook_set(void *it, const void *key, size_t key_size, void *value)
{
    return textbook_map_set(it, key, key_size, value);
}

static int textbook_get(void *it, const void *key, size_t key_size, void **value)
{
    return textbook_map_get(it, key, key_size, value);
}

static void textbook_destroy(void *it)
{
    textbook_map_destroy(it);
}

static void create_textbook(struct bench_run *run, enum textbook_map_lock lock)
{
    fill(run, &(struct map){.it = textbook_map_create(lock, KEYS),
                  .set = textbook_set,
                  .get = textbook_get,
                  .destroy = textbook_destroy});
}

static void create_unlocked(struct bench_run *run)
{
    create_textbook(run, TEXTBOOK_MAP_UNLOCKED);
}

static void create_pthread(struct bench_run *run)
{
    create_textbook(run, TEXTBOOK_MAP_MUTEX);
}

static void create_pthread_rw(struct bench_run *run)
{
    create_textbook(run, TEXTBOOK_MAP_RW);
}

/* ---- the library's ---- */

static int conc_set(void *it, const void *key, size_t key_size, void *value)
{
    return conc_safe_map_set(it, key, key_size, value);
}

static int conc_get(void *it, const void *key, size_t key_size, void **value)
{
    return conc_safe_map_get(it, key, key_size, value);
}

static void conc_destroy(void *it)
{
    conc_safe_map_destroy(it);
}

static void create_conc(struct bench_run *run, enum conc_safe_map_kind kind)
{
    struct conc_safe_map *it = NULL;
    int rc = conc_safe_map_create(&it, &(struct conc_safe_map_options){.kind = kind});
    if (rc != 0)
        bench_fail(run, "conc_safe_map_create: %s", strerror(rc));
    fill(run, &(struct map){.it = it, .set = conc_set, .get = conc_get, .destroy = conc_destroy});
}

static void create_sharded(struct bench_run *run)
{
    create_conc(run, CONC_SAFE_MAP_SHARDED);
}

static void create_mutex(struct bench_run *run)
{
    create_conc(run, CONC_SAFE_MAP_MUTEX);
}

static void create_rw(struct bench_run *run)
{
    create_conc(run, CONC_SAFE_MAP_RW);
}

/* ---- the expert's ---- */

#ifdef CONC_HAVE_URCU

static int expert_set(void *it, const void *key, size_t key_size, void *value)
{
    return rcu_map_set(it, key, key_size, value);
}

static int expert_get(void *it, const void *key, size_t key_size, void **value)
{
    return rcu_map_get(it, key, key_size, value);
}

static void expert_destroy(void *it)
{
    rcu_map_destroy(it);
}

static void create_rcu(struct bench_run *run)
{
    struct rcu_map *it = NULL;
    int rc = rcu_map_create(&it, KEYS);
    if (rc != 0)
        bench_fail(run, "rcu_map_create: %s", strerror(rc));
    fill(run,
        &(struct map){.it = it, .set = expert_set, .get = expert_get, .destroy = expert_destroy});
}

#define RCU                                                                                        \
    {                                                                                              \
        .name = "rcu", .run = mix_pthread, .setup = create_rcu                                     \
    }
#else
#define RCU                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#endif

static void mix_serial(struct bench_run *run)
{
    team_alone(run, mixed);
}

static void mix_pthread(struct bench_run *run)
{
    team_pthread(run, mixed);
}

static void mix_conc(struct bench_run *run)
{
    team_conc(run, mixed);
}

/* The optional one stands last: without it the list ends one earlier. */
#define VARIANTS                                                                                   \
    {                                                                                              \
        {.name = "serial", .once = true, .run = mix_serial, .setup = create_unlocked},             \
            {.name = "pthread", .run = mix_pthread, .setup = create_pthread},                      \
            {.name = "pthread rw", .run = mix_pthread, .setup = create_pthread_rw},                \
            {.name = "mutex", .run = mix_conc, .setup = create_mutex},                             \
            {.name = "rw", .run = mix_conc, .setup = create_rw},                                   \
            {.name = "conc", .run = mix_conc, .setup = create_sharded}, RCU                        \
    }

static const struct bench_workload workloads[] = {
    {
        .name = "get_mostly",
        .title = "99 gets to 1 put",
        .note =
            "serial is a table without a lock; pthread and pthread rw are a table with one "
            "lock of the C library; mutex, rw and conc (sharded) are the library's maps; rcu "
            "is liburcu's lock-free table. Readers of a read-write lock do not exclude one "
            "another, but still write to the lock, and its cache line travels all the same; RCU's "
            "write nothing that others read.",
        .kind = BENCH_MESSAGE,
        .unit = "operation",
        .items = 400000,
        .quick_items = 50000,
        .smoke_items = 1000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .parameter = 1,
        .variants = VARIANTS,
        .teardown = drop,
        .check = all_right,
    },
    {
        .name = "put_mostly",
        .title = "80 puts to 20 gets",
        .note = "Every put is alone under its lock, so a read-write lock has nothing left to "
                "give; shards still divide the crowd. RCU makes a new entry for each put and frees "
                "the old one "
                "later.",
        .kind = BENCH_MESSAGE,
        .unit = "operation",
        .items = 400000,
        .quick_items = 20000,
        .smoke_items = 1000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .parameter = 80,
        .variants = VARIANTS,
        .teardown = drop,
        .check = all_right,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 13, .slug = "safe_map", .title = "Concurrent map", .workloads = workloads});
}
