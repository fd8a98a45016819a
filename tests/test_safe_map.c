/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "runtime/memory.h"
#include "runtime/task.h"
#include "safe_map.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

/* Every test runs on every kind, and on a sharded map of one shard and of many. */
static const struct conc_safe_map_options kinds[] = {
    {.kind = CONC_SAFE_MAP_MUTEX},
    {.kind = CONC_SAFE_MAP_RW},
    {.kind = CONC_SAFE_MAP_SHARDED},
    {.kind = CONC_SAFE_MAP_SHARDED, .shards = 1},
    {.kind = CONC_SAFE_MAP_SHARDED, .shards = 1024},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

#define STR CONC_SAFE_MAP_STR

static struct conc_safe_map *map_of(int kind, void (*drop)(void *), void *(*share)(void *))
{
    struct conc_safe_map_options options = kinds[kind];
    options.drop = drop;
    options.share = share;
    struct conc_safe_map *map;
    unit_ok(conc_safe_map_create(&map, &options));
    return map;
}

/* ---------------------------------------------------------------- one task */

START_TEST(set_get_delete)
{
    int one = 1, two = 2;
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, NULL, NULL);
        void *value = &two;
        unit_rc(conc_safe_map_get(map, STR("a"), &value), ENOENT);
        ck_assert_ptr_eq(value, &two); /* untouched */
        ck_assert_uint_eq(conc_safe_map_len(map), 0);
        unit_ok(conc_safe_map_set(map, STR("a"), &one));
        unit_ok(conc_safe_map_get(map, STR("a"), &value));
        ck_assert_ptr_eq(value, &one);
        unit_ok(conc_safe_map_set(map, STR("a"), &two)); /* in its place */
        unit_ok(conc_safe_map_get(map, STR("a"), &value));
        ck_assert_ptr_eq(value, &two);
        unit_ok(conc_safe_map_get(map, STR("a"), NULL));
        ck_assert_uint_eq(conc_safe_map_len(map), 1);
        unit_ok(conc_safe_map_set(map, STR("b"), NULL)); /* NULL is a value */
        unit_ok(conc_safe_map_get(map, STR("b"), &value));
        ck_assert_ptr_null(value);
        ck_assert_uint_eq(conc_safe_map_len(map), 2);
        unit_ok(conc_safe_map_delete(map, STR("a")));
        unit_rc(conc_safe_map_delete(map, STR("a")), ENOENT);
        unit_rc(conc_safe_map_get(map, STR("a"), NULL), ENOENT);
        value = &one;
        unit_rc(conc_safe_map_take(map, STR("a"), &value), ENOENT);
        ck_assert_ptr_eq(value, &one);
        unit_ok(conc_safe_map_take(map, STR("b"), &value));
        ck_assert_ptr_null(value);
        ck_assert_uint_eq(conc_safe_map_len(map), 0);
        conc_safe_map_destroy(map);
    }
    conc_safe_map_destroy(NULL);
}
END_TEST

/* Any bytes are a key, none too; the map keeps its own copy. */
START_TEST(keys)
{
    int values[5];
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, NULL, NULL);
        char key[] = "k\0y";
        int64_t number = 12;
        void *value;
        unit_ok(conc_safe_map_set(map, NULL, 0, &values[0]));
        unit_ok(conc_safe_map_set(map, key, 1, &values[1]));
        unit_ok(conc_safe_map_set(map, key, 2, &values[2]));
        unit_ok(conc_safe_map_set(map, key, 4, &values[3]));
        unit_ok(conc_safe_map_set(map, &number, sizeof(number), &values[4]));
        memset(key, 'x', sizeof(key));
        number = 12;
        ck_assert_uint_eq(conc_safe_map_len(map), 5);
        unit_ok(conc_safe_map_get(map, "", 0, &value));
        ck_assert_ptr_eq(value, &values[0]);
        unit_ok(conc_safe_map_get(map, "k", 1, &value));
        ck_assert_ptr_eq(value, &values[1]);
        unit_ok(conc_safe_map_get(map, "k", 2, &value));
        ck_assert_ptr_eq(value, &values[2]);
        unit_ok(conc_safe_map_get(map, "k\0y", 4, &value));
        ck_assert_ptr_eq(value, &values[3]);
        unit_rc(conc_safe_map_get(map, "k\0z", 4, &value), ENOENT);
        unit_ok(conc_safe_map_get(map, &number, sizeof(number), &value));
        ck_assert_ptr_eq(value, &values[4]);
        conc_safe_map_destroy(map);
    }
}
END_TEST

/* Keys of one word have a way of their own through set and get, but not to the end of a long chain:
 * there are some where the table cannot grow. */
static void check_word_keys(int kind, bool grows)
{
    int values[3];
    struct conc_safe_map *map = map_of(kind, NULL, NULL);
    void *value = &values[2];
    for (uint64_t key = 0; key < 200; key++) {
        unit_rc(conc_safe_map_get(map, &key, sizeof(key), &value), ENOENT);
        ck_assert_ptr_eq(value, &values[2]); /* untouched */
        conc_fault_alloc_at(grows ? 0 : 2);  /* the second one is for growing */
        unit_ok(conc_safe_map_set(map, &key, sizeof(key), &values[key % 2]));
        conc_fault_alloc_at(0);
    }
    for (uint64_t key = 0; key < 200; key++) {
        unit_ok(conc_safe_map_get(map, &key, sizeof(key), &value));
        ck_assert_ptr_eq(value, &values[key % 2]);
        unit_ok(conc_safe_map_set(map, &key, sizeof(key), &values[2])); /* in its place */
        unit_ok(conc_safe_map_get(map, &key, sizeof(key), &value));
        ck_assert_ptr_eq(value, &values[2]);
        unit_ok(conc_safe_map_get(map, &key, sizeof(key), NULL));
    }
    ck_assert_uint_eq(conc_safe_map_len(map), 200);
    conc_safe_map_destroy(map);
}

START_TEST(word_keys)
{
    for (int kind = 0; kind < KINDS; kind++) {
        check_word_keys(kind, true);
        check_word_keys(kind, false);
    }
}
END_TEST

START_TEST(load_or_store)
{
    int one = 1, two = 2;
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, NULL, NULL);
        void *actual = NULL;
        bool loaded = true;
        unit_ok(conc_safe_map_load_or_store(map, STR("k"), &one, &actual, &loaded));
        ck_assert_ptr_eq(actual, &one);
        ck_assert(!loaded);
        unit_ok(conc_safe_map_load_or_store(map, STR("k"), &two, &actual, &loaded));
        ck_assert_ptr_eq(actual, &one);
        ck_assert(loaded);
        unit_ok(conc_safe_map_load_or_store(map, STR("k"), &two, NULL, NULL));
        unit_ok(conc_safe_map_load_or_store(map, STR("l"), &two, NULL, NULL));
        ck_assert_uint_eq(conc_safe_map_len(map), 2);
        conc_safe_map_destroy(map);
    }
}
END_TEST

static bool never(const void *key, size_t key_size, void *value, void *arg)
{
    (void)key;
    (void)key_size;
    (void)value;
    (void)arg;
    ck_abort_msg("called");
    return false;
}

static void drop_nothing(void *value)
{
    (void)value;
}

static void *share_nothing(void *value)
{
    return value;
}

START_TEST(bad_arguments)
{
    struct conc_safe_map *map = NULL;
    void *value;
    unit_rc(conc_safe_map_create(NULL, NULL), EINVAL);
    struct conc_safe_map_options bad = {.kind = (enum conc_safe_map_kind)3};
    unit_rc(conc_safe_map_create(&map, &bad), EINVAL);
    bad = (struct conc_safe_map_options){.shards = 3};
    unit_rc(conc_safe_map_create(&map, &bad), EINVAL);
    bad.shards = 131072;
    unit_rc(conc_safe_map_create(&map, &bad), EINVAL);
    bad = (struct conc_safe_map_options){.share = share_nothing}; /* who would drop it? */
    unit_rc(conc_safe_map_create(&map, &bad), EINVAL);
    ck_assert_ptr_null(map);

    unit_ok(conc_safe_map_create(&map, NULL));
    unit_rc(conc_safe_map_set(NULL, "", 0, NULL), EINVAL);
    unit_rc(conc_safe_map_set(map, NULL, 1, NULL), EINVAL);
    unit_rc(conc_safe_map_get(NULL, "", 0, NULL), EINVAL);
    unit_rc(conc_safe_map_get(map, NULL, 1, NULL), EINVAL);
    unit_rc(conc_safe_map_delete(NULL, "", 0), EINVAL);
    unit_rc(conc_safe_map_delete(map, NULL, 1), EINVAL);
    unit_rc(conc_safe_map_take(NULL, "", 0, &value), EINVAL);
    unit_rc(conc_safe_map_take(map, NULL, 1, &value), EINVAL);
    unit_rc(conc_safe_map_take(map, "", 0, NULL), EINVAL);
    unit_rc(conc_safe_map_load_or_store(NULL, "", 0, NULL, &value, NULL), EINVAL);
    unit_rc(conc_safe_map_load_or_store(map, NULL, 1, NULL, &value, NULL), EINVAL);
    unit_rc(conc_safe_map_range(NULL, never, NULL), EINVAL);
    unit_rc(conc_safe_map_range(map, NULL, NULL), EINVAL);
    unit_ok(conc_safe_map_range(map, never, NULL)); /* of nothing */
    ck_assert_uint_eq(conc_safe_map_len(NULL), 0);
    conc_safe_map_destroy(map);
}
END_TEST

/* Random operations beside a plain array that says what must come out. */
START_TEST(agrees_with_an_array)
{
    enum { KEYS = 700 };
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t random = unit_seed() + (uint64_t)kind;
        static char values[KEYS];
        char *expected[KEYS] = {0}; /* NULL: not in the map */
        size_t len = 0;
        struct conc_safe_map *map = map_of(kind, NULL, NULL);
        for (size_t i = 0; i < unit_scaled(20000); i++) {
            uint64_t draw = conc_splitmix64(&random);
            uint32_t key = (uint32_t)(draw % KEYS);
            char *fresh = &values[(draw >> 32) % KEYS];
            void *value = NULL;
            bool loaded = false;
            int want = expected[key] ? 0 : ENOENT;
            int rc;
            switch ((draw >> 24) % 5) {
            case 0:
                rc = conc_safe_map_get(map, &key, sizeof(key), &value);
                if (rc != want || value != expected[key])
                    ck_abort_msg("get %" PRIu32, key);
                break;
            case 1:
                if (conc_safe_map_delete(map, &key, sizeof(key)) != want)
                    ck_abort_msg("delete %" PRIu32, key);
                len -= want == 0;
                expected[key] = NULL;
                break;
            case 2:
                rc = conc_safe_map_load_or_store(map, &key, sizeof(key), fresh, &value, &loaded);
                len += want == ENOENT;
                if (!expected[key])
                    expected[key] = fresh;
                if (rc != 0 || value != expected[key] || loaded != (want == 0))
                    ck_abort_msg("load_or_store %" PRIu32, key);
                break;
            default:
                if (conc_safe_map_set(map, &key, sizeof(key), fresh) != 0)
                    ck_abort_msg("set %" PRIu32, key);
                len += want == ENOENT;
                expected[key] = fresh;
            }
            if (i % 64 == 0 && conc_safe_map_len(map) != len)
                ck_abort_msg("len");
        }
        conc_safe_map_destroy(map);
    }
}
END_TEST

/* ---------------------------------------------------------------- range */

struct seen {
    struct conc_safe_map *map;
    int times[100];
    int calls;
    int stop_after;
};

static bool see(const void *key, size_t key_size, void *value, void *arg)
{
    struct seen *seen = arg;
    const char *text = key;
    ck_assert_uint_eq(strlen(text), key_size); /* terminated */
    long number = strtol(text, NULL, 10);
    ck_assert(number >= 0 && number < 100);
    ck_assert_ptr_eq(value, &seen->times[number]);
    seen->times[number]++;
    /* The map may be changed meanwhile, without the walk seeing it. */
    unit_ok(conc_safe_map_delete(seen->map, key, key_size));
    unit_ok(conc_safe_map_set(seen->map, STR("1000000"), NULL));
    return ++seen->calls != seen->stop_after;
}

START_TEST(range_is_a_snapshot)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct seen seen = {.map = map_of(kind, NULL, NULL)};
        for (int round = 0; round < 2; round++) {
            memset(seen.times, 0, sizeof(seen.times));
            seen.calls = 0;
            seen.stop_after = round == 0 ? -1 : 30;
            for (int i = 0; i < 100; i++) {
                char key[8];
                snprintf(key, sizeof(key), "%d", i);
                unit_ok(conc_safe_map_set(seen.map, STR(key), &seen.times[i]));
            }
            unit_ok(conc_safe_map_range(seen.map, see, &seen));
            ck_assert_int_eq(seen.calls, round == 0 ? 100 : 30);
            for (int i = 0; i < 100; i++)
                ck_assert_int_le(seen.times[i], 1);
            ck_assert_uint_eq(conc_safe_map_len(seen.map), round == 0 ? 1 : 71);
            unit_ok(conc_safe_map_delete(seen.map, STR("1000000")));
        }
        conc_safe_map_destroy(seen.map);
    }
}
END_TEST

/* One of two keys is always there. A look at one moment sees one or both; a look at the shards one
 * after another would at times see none. */
struct swapping {
    struct conc_safe_map *map;
    atomic_bool stop;
};

static void swap(void *arg)
{
    struct swapping *s = arg;
    while (!atomic_load(&s->stop)) {
        if (conc_safe_map_set(s->map, "b", 1, s) || conc_safe_map_delete(s->map, "a", 1) ||
            conc_safe_map_set(s->map, "a", 1, s) || conc_safe_map_delete(s->map, "b", 1))
            abort();
    }
}

static bool count(const void *key, size_t key_size, void *value, void *arg)
{
    (void)key;
    (void)key_size;
    (void)value;
    ++*(size_t *)arg;
    return true;
}

START_TEST(one_moment)
{
    /* The more shards, the more can happen between two of them; 1024 locks are too slow for
     * Valgrind. */
    for (int kind = 0; kind < KINDS - (RUNNING_ON_VALGRIND ? 1 : 0); kind++) {
        struct swapping s = {.map = map_of(kind, NULL, NULL)};
        struct conc_task *task;
        unit_ok(conc_safe_map_set(s.map, "a", 1, &s));
        unit_ok(conc_task_start(&task, swap, &s));
        for (struct unit_stress stress = unit_stress_begin(0.3); unit_stress_more(&stress);) {
            size_t len = conc_safe_map_len(s.map), counted = 0;
            if (conc_safe_map_range(s.map, count, &counted) != 0)
                ck_abort_msg("range");
            if (len < 1 || len > 2 || counted < 1 || counted > 2)
                ck_abort_msg("kind %d: len %zu, range %zu", kind, len, counted);
        }
        atomic_store(&s.stop, true);
        conc_task_join(task);
        conc_safe_map_destroy(s.map);
    }
}
END_TEST

/* ---------------------------------------------------------------- who owns a value */

struct object {
    atomic_int references;
    int number;
};

static atomic_int alive;
static atomic_int no_memory; /* the how-manieth share from now fails; 0: none */

static struct object *object_new(int number)
{
    struct object *object = malloc(sizeof(*object));
    ck_assert_ptr_nonnull(object);
    atomic_init(&object->references, 1);
    object->number = number;
    atomic_fetch_add(&alive, 1);
    return object;
}

static void object_drop(void *value)
{
    struct object *object = value;
    if (atomic_fetch_sub(&object->references, 1) == 1) {
        free(object);
        atomic_fetch_sub(&alive, 1);
    }
}

static void *object_share(void *value)
{
    if (atomic_load(&no_memory) > 0 && atomic_fetch_sub(&no_memory, 1) == 1)
        return NULL;
    atomic_fetch_add(&((struct object *)value)->references, 1);
    return value;
}

/* Without share the map owns what it has, and drops it once: replaced, deleted, left at the end. */
START_TEST(drops_once)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, object_drop, NULL);
        void *value;
        unit_ok(conc_safe_map_set(map, STR("a"), object_new(1)));
        unit_ok(conc_safe_map_set(map, STR("a"), object_new(2)));
        ck_assert_int_eq(alive, 1);
        unit_ok(conc_safe_map_set(map, STR("a"), NULL)); /* and none for NULL */
        ck_assert_int_eq(alive, 0);
        unit_ok(conc_safe_map_set(map, STR("a"), object_new(3)));
        unit_ok(conc_safe_map_delete(map, STR("a")));
        ck_assert_int_eq(alive, 0);
        unit_ok(conc_safe_map_set(map, STR("a"), object_new(4)));
        unit_ok(conc_safe_map_take(map, STR("a"), &value)); /* the caller's now */
        ck_assert_int_eq(alive, 1);
        object_drop(value);
        for (int i = 0; i < 50; i++)
            unit_ok(conc_safe_map_set(map, &i, sizeof(i), object_new(i)));
        size_t counted = 0;
        unit_ok(conc_safe_map_range(map, count, &counted)); /* lends, does not give */
        ck_assert_uint_eq(counted, 50);
        ck_assert_int_eq(alive, 50);
        conc_safe_map_destroy(map);
        ck_assert_int_eq(alive, 0);
    }
}
END_TEST

/* With share, what was got outlives the map's own. */
START_TEST(shares)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, object_drop, object_share);
        void *value, *stored;
        bool loaded;
        unit_ok(conc_safe_map_load_or_store(map, STR("a"), object_new(7), &stored, &loaded));
        ck_assert(!loaded);
        unit_ok(conc_safe_map_get(map, STR("a"), &value));
        unit_ok(conc_safe_map_get(map, STR("a"), NULL));
        ck_assert_int_eq(((struct object *)value)->references, 3);
        unit_ok(conc_safe_map_delete(map, STR("a")));
        ck_assert_int_eq(((struct object *)value)->number, 7);
        object_drop(value);
        object_drop(stored);
        ck_assert_int_eq(alive, 0);

        struct object *mine = object_new(8);
        unit_ok(conc_safe_map_set(map, STR("a"), object_new(9)));
        unit_ok(conc_safe_map_load_or_store(map, STR("a"), mine, &value, &loaded));
        ck_assert(loaded);
        ck_assert_int_eq(((struct object *)value)->number, 9);
        object_drop(value);
        object_drop(mine); /* still the caller's */
        size_t counted = 0;
        unit_ok(conc_safe_map_range(map, count, &counted));
        ck_assert_uint_eq(counted, 1);

        /* A share that fails: ENOMEM, and nothing is lost or left. */
        for (int i = 0; i < 5; i++)
            unit_ok(conc_safe_map_set(map, &i, sizeof(i), object_new(i)));
        atomic_store(&no_memory, 1);
        unit_rc(conc_safe_map_get(map, STR("a"), &value), ENOMEM);
        atomic_store(&no_memory, 1);
        unit_rc(conc_safe_map_load_or_store(map, STR("a"), NULL, &value, NULL), ENOMEM);
        mine = object_new(10);
        atomic_store(&no_memory, 1);
        unit_rc(conc_safe_map_load_or_store(map, STR("new"), mine, &value, NULL), ENOMEM);
        object_drop(mine);
        atomic_store(&no_memory, 4);
        unit_rc(conc_safe_map_range(map, never, NULL), ENOMEM);
        ck_assert_uint_eq(conc_safe_map_len(map), 6);
        ck_assert_int_eq(alive, 6);
        conc_safe_map_destroy(map);
        ck_assert_int_eq(alive, 0);
    }
}
END_TEST

static atomic_bool sharing, about_to_set;
static const uint64_t shared_key = 1;

static void *share_and_yield(void *value)
{
    atomic_store(&sharing, true);
    while (!atomic_load(&about_to_set))
        conc_yield();
    for (int i = 0; i < 20; i++)
        conc_yield();
    atomic_store(&sharing, false);
    return value;
}

static void drop_unshared(void *value)
{
    (void)value;
    ck_assert(!atomic_load(&sharing));
}

static void get_shared(void *map)
{
    void *value;
    unit_ok(conc_safe_map_get(map, &shared_key, sizeof(shared_key), &value));
}

/* A value is not let go of while somebody is in share: whoever changes the key waits. */
START_TEST(set_waits_for_share)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, drop_unshared, share_and_yield);
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        unit_ok(conc_safe_map_set(map, &shared_key, sizeof(shared_key), map));
        unit_ok(conc_wait_group_go(&group, get_shared, map));
        while (!atomic_load(&sharing) && conc_wait_group_count(&group) > 0)
            conc_yield();
        atomic_store(&about_to_set, true);
        unit_ok(conc_safe_map_set(map, &shared_key, sizeof(shared_key), map));
        atomic_store(&about_to_set, false);
        unit_ok(conc_wait_group_wait(&group, NULL));
        conc_safe_map_destroy(map);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

/* ---------------------------------------------------------------- no memory */

/* Fails every allocation in turn: the map stays what it was, and the value the caller's. */
START_TEST(no_allocation)
{
    conc_task_self();
    for (int kind = 0; kind < KINDS; kind++) {
        for (long k = 1;; k++) {
            struct conc_safe_map_options options = kinds[kind];
            options.drop = object_drop;
            options.share = object_share;
            struct conc_safe_map *map = NULL;
            if (conc_fault_alloc_at(k) < 0)
                exit(0);
            int rc = conc_safe_map_create(&map, &options);
            long left = conc_fault_alloc_at(0);
            if (left > 0) {
                unit_ok(rc);
                ck_assert_int_gt(k, 1);
                conc_safe_map_destroy(map);
                break;
            }
            unit_rc(rc, ENOMEM);
            ck_assert_ptr_null(map);
        }

        struct conc_safe_map *map = map_of(kind, object_drop, object_share);
        /* Growing is an allocation, too; without it the map still works. */
        for (int i = 0; i < 40; i++) {
            struct object *mine = object_new(i);
            void *value = NULL;
            conc_fault_alloc_at(1);
            unit_rc(conc_safe_map_set(map, &i, sizeof(i), mine), ENOMEM);
            conc_fault_alloc_at(1);
            unit_rc(conc_safe_map_load_or_store(map, &i, sizeof(i), mine, &value, NULL), ENOMEM);
            ck_assert_ptr_null(value);
            ck_assert_int_eq(mine->references, 1);
            conc_fault_alloc_at(2); /* the second one is for growing */
            unit_ok(conc_safe_map_set(map, &i, sizeof(i), mine));
            conc_fault_alloc_at(0);
        }
        ck_assert_uint_eq(conc_safe_map_len(map), 40);
        for (int i = 0; i < 40; i++) {
            void *value;
            conc_fault_alloc_at(1); /* neither of these needs memory */
            unit_ok(conc_safe_map_get(map, &i, sizeof(i), &value));
            ck_assert_int_eq(((struct object *)value)->number, i);
            unit_ok(conc_safe_map_set(map, &i, sizeof(i), value)); /* the share we got */
            conc_fault_alloc_at(0);
        }
        conc_fault_alloc_at(1);
        unit_rc(conc_safe_map_range(map, never, NULL), ENOMEM);
        conc_fault_alloc_at(0);
        conc_safe_map_destroy(map);
        ck_assert_int_eq(alive, 0);
    }
}
END_TEST

/* ---------------------------------------------------------------- many tasks */

enum { TASKS = 6 };

struct racer {
    struct conc_safe_map *map;
    uint64_t random;
    int stored;
    int wrong;
};

static void store_once(void *arg)
{
    struct racer *me = arg;
    for (uint32_t key = 0; key < unit_scaled(300); key++) {
        void *actual;
        bool loaded;
        if (conc_safe_map_load_or_store(me->map, &key, sizeof(key), me, &actual, &loaded) != 0)
            abort();
        me->stored += !loaded;
        me->wrong += loaded == (actual == (void *)me);
    }
}

/* Called between look and store, too: gives the others a chance to come in between. */
static void *share_slowly(void *value)
{
    conc_yield();
    return value;
}

/* Check, then act, is one step: each key is stored by exactly one task. */
START_TEST(exactly_one_stores)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct racer racers[TASKS];
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_safe_map *map = map_of(kind, drop_nothing, share_slowly);
        for (int i = 0; i < TASKS; i++) {
            racers[i] = (struct racer){.map = map};
            unit_ok(conc_wait_group_go(&group, store_once, &racers[i]));
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        int stored = 0;
        for (int i = 0; i < TASKS; i++) {
            stored += racers[i].stored;
            ck_assert_int_eq(racers[i].wrong, 0);
        }
        ck_assert_int_eq(stored, (int)unit_scaled(300));
        ck_assert_uint_eq(conc_safe_map_len(map), unit_scaled(300));
        conc_safe_map_destroy(map);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

static bool check_number(const void *key, size_t key_size, void *value, void *arg)
{
    uint64_t number;
    memcpy(&number, key, sizeof(number));
    struct racer *me = arg;
    me->wrong += key_size != sizeof(number) || ((struct object *)value)->number != (int)number;
    return true;
}

/* Values come and go while others hold them: a sanitizer sees a use after free, the counts a leak.
 */
static void churn(void *arg)
{
    struct racer *me = arg;
    for (int i = 0; i < 400; i++) {
        uint64_t draw = conc_splitmix64(&me->random);
        uint64_t key = draw % 16;
        void *value = NULL;
        switch ((draw >> 32) % 8) {
        case 0:
            conc_safe_map_delete(me->map, &key, sizeof(key));
            break;
        case 1:
            conc_safe_map_take(me->map, &key, sizeof(key), &value);
            break;
        case 2: {
            struct object *mine = object_new((int)key);
            bool loaded;
            if (conc_safe_map_load_or_store(me->map, &key, sizeof(key), mine, &value, &loaded))
                abort();
            if (loaded)
                object_drop(mine);
            break;
        }
        case 3:
        case 4:
            if (conc_safe_map_set(me->map, &key, sizeof(key), object_new((int)key)) != 0)
                abort();
            break;
        case 5:
            if (draw >> 60 == 0 && conc_safe_map_range(me->map, check_number, me) != 0)
                abort();
            break;
        default:
            conc_safe_map_get(me->map, &key, sizeof(key), &value);
        }
        if (value) {
            me->wrong += ((struct object *)value)->number != (int)key;
            object_drop(value);
        }
    }
}

START_TEST(values_that_come_and_go)
{
    for (struct unit_stress s = unit_stress_begin(0.7); unit_stress_more(&s);) {
        struct racer racers[TASKS];
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_safe_map *map = map_of((int)(s.seed % KINDS), object_drop, object_share);
        for (int i = 0; i < TASKS; i++) {
            racers[i] = (struct racer){.map = map, .random = s.seed + (uint64_t)i};
            unit_ok(conc_wait_group_go(&group, churn, &racers[i]));
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        for (int i = 0; i < TASKS; i++)
            ck_assert_int_eq(racers[i].wrong, 0);
        conc_safe_map_destroy(map);
        conc_wait_group_destroy(&group);
        ck_assert_int_eq(alive, 0);
    }
}
END_TEST

static void drop_calls_the_map(void *value)
{
    unit_rc(conc_safe_map_get(*(struct conc_safe_map **)value, STR("k"), NULL), ENOENT);
}

/* drop is called without a lock: it may use the map. */
START_TEST(drop_may_call)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_safe_map *map = map_of(kind, drop_calls_the_map, NULL);
        unit_ok(conc_safe_map_set(map, STR("k"), &map));
        unit_ok(conc_safe_map_delete(map, STR("k")));
        conc_safe_map_destroy(map);
        map = map_of(kind, drop_nothing, NULL);
        unit_ok(conc_safe_map_set(map, STR("k"), &map));
        conc_safe_map_destroy(map);
    }
}
END_TEST

int main(void)
{
    return unit_main("safe_map", set_get_delete, keys, word_keys, load_or_store, bad_arguments,
        agrees_with_an_array, range_is_a_snapshot, one_moment, drops_once, shares,
        set_waits_for_share, no_allocation, exactly_one_stores, values_that_come_and_go,
        drop_may_call);
}
