/* SPDX-License-Identifier: MIT */

/*
 * Maps under many schedules, each kind: of several stores of one key one wins, no value is lost or
 * dropped twice, and a snapshot is of one moment.
 */

#include "safe_map.h"
#include "tests/sim.h"

enum { VALUES = 12 };

static struct conc_safe_map *map;
static struct {
    int refs;     /* the map's own and those handed out */
    bool dropped; /* no reference is left */
} values[VALUES];

static const uint64_t key = 7;
static size_t key_size;

static void *value_of(int i)
{
    return &values[i];
}

static int index_of(const void *value)
{
    return (int)((const char *)value - (const char *)values) / (int)sizeof values[0];
}

static void drop(void *value)
{
    int i = index_of(value);
    sim_check(values[i].refs > 0);
    if (--values[i].refs == 0) {
        sim_check(!values[i].dropped);
        values[i].dropped = true;
    }
}

/* Others run meanwhile, but none that lets go of the value: the map is held. */
static void *share(void *value)
{
    conc_sim_point();
    sim_check(values[index_of(value)].refs > 0);
    values[index_of(value)].refs++;
    return value;
}

static void create(void)
{
    static const enum conc_safe_map_kind kinds[] = {
        CONC_SAFE_MAP_SHARDED, CONC_SAFE_MAP_MUTEX, CONC_SAFE_MAP_RW};
    sim_ok(conc_safe_map_create(
        &map, &(struct conc_safe_map_options){
                  .kind = kinds[sim_draw(3)], .shards = 0, .drop = drop, .share = share}));
    /* Of one word, for which there is a short way, or not. */
    key_size = sim_draw(2) ? sizeof key : sizeof key - 1;
}

static void settle(void)
{
    conc_safe_map_destroy(map);
    for (int i = 0; i < VALUES; i++)
        sim_check(values[i].refs == 0);
}

/* ---------------------------------------------------------------- one key */

static void set_two(void *arg)
{
    int from = *(const int *)arg;
    for (int i = from; i < from + 2; i++) {
        values[i].refs = 1;
        sim_ok(conc_safe_map_set(map, &key, key_size, value_of(i)));
    }
}

static void get_two(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        void *value = NULL;
        int rc = conc_safe_map_get(map, &key, key_size, &value);
        sim_check(rc == 0 || rc == ENOENT);
        if (rc == 0) {
            conc_sim_point();
            sim_check(!values[index_of(value)].dropped);
            drop(value);
        }
    }
}

static int taken;

static void take_one(void *arg)
{
    (void)arg;
    void *value;
    int rc = conc_safe_map_take(map, &key, key_size, &value);
    sim_check(rc == 0 || rc == ENOENT);
    sim_reached(rc == 0 ? "taken" : "not there");
    if (rc == 0) {
        sim_check(!values[index_of(value)].dropped);
        drop(value);
        taken++;
    }
}

static const int numbers[] = {0, 2, 4, 6, 8, 10};

static void one_key(void)
{
    create();
    sim_go(set_two, (void *)(uintptr_t)&numbers[0]);
    sim_go(get_two, NULL);
    sim_go(set_two, (void *)(uintptr_t)&numbers[1]);
    sim_go(take_one, NULL);
    sim_join();
    sim_check(conc_safe_map_len(map) <= 1);
    settle();
}

/* Two take what is there once. */
static void one_takes(void)
{
    create();
    values[0].refs = 1;
    sim_ok(conc_safe_map_set(map, &key, key_size, value_of(0)));
    sim_go(take_one, NULL);
    sim_go(take_one, NULL);
    sim_join();
    sim_check(taken == 1 && conc_safe_map_len(map) == 0);
    settle();
}

static int stored;
static void *winner;

static void store_or_load(void *arg)
{
    int i = *(const int *)arg;
    void *actual;
    bool loaded;
    values[i].refs = 1;
    sim_ok(conc_safe_map_load_or_store(map, &key, key_size, value_of(i), &actual, &loaded));
    stored += !loaded;
    sim_check(loaded == (actual != value_of(i)));
    sim_check(!winner || winner == actual);
    winner = actual;
    if (loaded)
        drop(value_of(i)); /* still ours */
    drop(actual);
}

static void one_stores(void)
{
    create();
    for (int i = 0; i < 3; i++)
        sim_go(store_or_load, (void *)(uintptr_t)&numbers[i]);
    sim_join();
    sim_check(stored == 1 && conc_safe_map_len(map) == 1);
    settle();
}

static void set_rising(void *arg)
{
    (void)arg;
    for (int i = 1; i < 4; i++)
        sim_ok(conc_safe_map_set(map, &key, sizeof key, value_of(i)));
}

/* Without hooks a look at a key of one word takes the short way, too. */
static void looks_in_order(void)
{
    void *value, *last = value_of(0);
    sim_ok(conc_safe_map_create(&map, NULL));
    sim_ok(conc_safe_map_set(map, &key, sizeof key, last));
    sim_go(set_rising, NULL);
    for (int i = 0; i < 3; i++, last = value) {
        sim_ok(conc_safe_map_get(map, &key, sizeof key, &value));
        sim_check(value >= last);
    }
    sim_reached(last == value_of(0) ? "first" : last == value_of(3) ? "last" : "between");
    sim_join();
    conc_safe_map_destroy(map);
}

/* ---------------------------------------------------------------- several keys */

static void set_own(void *arg)
{
    int i = *(const int *)arg;
    values[i].refs = 1;
    sim_ok(conc_safe_map_set(map, &i, sizeof i, value_of(i)));
    void *value;
    sim_ok(conc_safe_map_get(map, &i, sizeof i, &value));
    sim_check(value == value_of(i));
    drop(value);
}

static int seen_count;
static bool seen[VALUES];

static bool see(const void *number, size_t size, void *value, void *arg)
{
    int i;
    (void)arg;
    sim_check(size == sizeof i);
    memcpy(&i, number, sizeof i);
    sim_check(value == value_of(i) && !seen[i]);
    seen[i] = true;
    seen_count++;
    conc_sim_point();
    return true;
}

/* Enough keys for the table to grow, by several tasks, while another looks at all of them. */
static void several_keys(void)
{
    create();
    for (int i = 0; i < 6; i++)
        sim_go(set_own, (void *)(uintptr_t)&numbers[i]);
    size_t before = conc_safe_map_len(map);
    sim_ok(conc_safe_map_range(map, see, NULL));
    size_t after = conc_safe_map_len(map);
    sim_check((size_t)seen_count >= before && (size_t)seen_count <= after);
    sim_reached(seen_count == 0 ? "none" : seen_count == 6 ? "all" : "some");
    sim_join();
    sim_check(conc_safe_map_len(map) == 6);
    for (int i = 0; i < VALUES; i += 2)
        sim_ok(conc_safe_map_delete(map, &i, sizeof i));
    sim_check(conc_safe_map_len(map) == 0);
    settle();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(one_key, "taken", "not there"),
        SIM(one_takes, "taken", "not there"), SIM(one_stores),
        SIM(looks_in_order, "first", "between", "last"), SIM(several_keys, "none", "some", "all"));
}
