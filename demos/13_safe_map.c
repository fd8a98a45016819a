/* SPDX-License-Identifier: MIT */
/*
 * 13 Concurrent map: many tasks come upon the same keys. Is each key handled exactly once?
 *
 *   ./conc run 13
 *
 * Look for: the three kinds of map give the same answers; "first visits" equals the number of
 * keys, because load_or_store looks and stores in one step; the times are on stderr.
 * Try: --racy: looks first and stores then, in two steps: there may be more first visits than keys,
 *      and they may differ from run to run (so this one is not checked);
 *      --workers 1: then even that is right; --items 1000000: the times tell the kinds apart.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "runtime/clock.h"
#include "safe_map.h"
#include "sync/wait_group.h"

/* A value that comes and goes while others read it: it counts who holds it. */
struct page {
    atomic_int references;
    int64_t number;
};

/* snippet: hooks */
static void *page_share(void *value)
{
    atomic_fetch_add(&((struct page *)value)->references, 1);
    return value;
}

static void page_drop(void *value)
{
    if (atomic_fetch_sub(&((struct page *)value)->references, 1) == 1)
        free(value);
}
/* end snippet */

struct visit {
    struct conc_safe_map *map;
    int64_t first, step, items; /* this task's: first, first + step, … */
    bool racy;
    int64_t first_visits;
};

/* Four items in a row are the same page; they go to different tasks. */
static void visit(void *arg)
{
    struct visit *me = arg;
    for (int64_t i = me->first; i < me->items; i += me->step) {
        int64_t number = i / 4;
        struct page *page = malloc(sizeof(*page));
        CHECK(page);
        *page = (struct page){.references = 1, .number = number};
        if (me->racy) {
            if (conc_safe_map_get(me->map, &number, sizeof(number), NULL) == ENOENT) {
                me->first_visits++;
                conc_yield();
            }
            CHECK_OK(conc_safe_map_set(me->map, &number, sizeof(number), page));
            continue;
        }
        /* snippet: load_or_store */
        void *actual;
        bool loaded;
        CHECK_OK(
            conc_safe_map_load_or_store(me->map, &number, sizeof(number), page, &actual, &loaded));
        if (loaded)
            page_drop(page); /* still ours: another task was first */
        else
            me->first_visits++;
        CHECK(((struct page *)actual)->number == number);
        page_drop(actual);
        /* end snippet */
    }
}

struct sum {
    struct conc_safe_map *map;
    int64_t pages, numbers;
};

/* Runs on a snapshot, without a lock: it may change the map it walks over. */
static bool add_and_thin_out(const void *key, size_t key_size, void *value, void *arg)
{
    struct sum *sum = arg;
    struct page *page = value;
    sum->pages++;
    sum->numbers += page->number;
    if (page->number % 2 == 1)
        CHECK_OK(conc_safe_map_delete(sum->map, key, key_size));
    return true;
}

static void run(const struct demo *demo, const char *name, enum conc_safe_map_kind kind, bool racy)
{
    struct conc_safe_map_options options = {.kind = kind, .drop = page_drop, .share = page_share};
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    struct conc_safe_map *map;
    struct visit *visits = calloc((size_t)demo->workers, sizeof(*visits));
    CHECK(visits);
    CHECK_OK(conc_safe_map_create(&map, &options));
    int64_t begin_ns = conc_now_ns();
    for (int64_t i = 0; i < demo->workers; i++) {
        visits[i] = (struct visit){map, i, demo->workers, demo->items, racy, 0};
        CHECK_OK(conc_wait_group_go(&tasks, visit, &visits[i]));
    }
    CHECK_OK(conc_wait_group_wait(&tasks, NULL));
    demo_say("%s: %.1f ms", name, (double)(conc_now_ns() - begin_ns) / 1e6);

    int64_t first_visits = 0, keys = (demo->items + 3) / 4;
    for (int64_t i = 0; i < demo->workers; i++)
        first_visits += visits[i].first_visits;
    CHECK(conc_safe_map_len(map) == (size_t)keys);
    CHECK(racy || first_visits == keys);
    struct sum sum = {.map = map};
    CHECK_OK(conc_safe_map_range(map, add_and_thin_out, &sum));
    CHECK(sum.pages == keys && sum.numbers == keys * (keys - 1) / 2);
    demo_result("%-15s %" PRId64 " visits, %" PRId64 " keys, %" PRId64
                " first visits; half deleted: %zu left\n",
        name, demo->items, keys, first_visits, conc_safe_map_len(map));
    conc_safe_map_destroy(map);
    conc_wait_group_destroy(&tasks);
    free(visits);
}

int main(int argc, char **argv)
{
    int64_t racy = 0;
    const struct demo_flag flags[] = {
        {"racy", &racy, 0, 1, "look and store in two steps"},
        {0},
    };
    struct demo demo = {
        .number = 13, .title = "Concurrent map", .workers = 4, .items = 4000, .flags = flags};
    demo_begin(&demo, argc, argv);
    run(&demo, "one mutex", CONC_SAFE_MAP_MUTEX, racy != 0);
    run(&demo, "read-write lock", CONC_SAFE_MAP_RW, racy != 0);
    run(&demo, "sharded", CONC_SAFE_MAP_SHARDED, racy != 0);
    return demo_end(&demo);
}
