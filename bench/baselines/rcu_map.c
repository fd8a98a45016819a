/* SPDX-License-Identifier: MIT */
#include "bench/baselines/rcu_map.h"

#ifdef CONC_HAVE_URCU

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-bp.h>
#include <urcu/rculfhash.h>

struct rcu_map {
    struct cds_lfht *table;
};

/* An entry never changes: a set puts a new one in its place. So a reader sees an old pair or a new
 * one, never half of each. */
struct entry {
    struct cds_lfht_node node;
    struct rcu_head gone;
    void *value;
    size_t key_size;
    unsigned char key[];
};

struct wanted {
    const void *key;
    size_t key_size;
};

static struct entry *entry_of(struct cds_lfht_node *node)
{
    return caa_container_of(node, struct entry, node);
}

static unsigned long hash_of(const void *key, size_t size)
{
    const unsigned char *at = key;
    uint64_t hash = size;
    while (size > 0) {
        uint64_t word = 0;
        size_t step = size < sizeof(word) ? size : sizeof(word);
        memcpy(&word, at, step);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
        at += step;
        size -= step;
    }
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (unsigned long)(hash ^ (hash >> 31));
}

static int matches(struct cds_lfht_node *node, const void *wanted)
{
    const struct wanted *w = wanted;
    const struct entry *entry = entry_of(node);
    return entry->key_size == w->key_size &&
           (w->key_size == 0 || memcmp(entry->key, w->key, w->key_size) == 0);
}

static struct entry *entry_create(const void *key, size_t key_size, void *value)
{
    struct entry *entry = malloc(sizeof(*entry) + key_size);
    if (!entry)
        return NULL;
    cds_lfht_node_init(&entry->node);
    entry->value = value;
    entry->key_size = key_size;
    if (key_size > 0)
        memcpy(entry->key, key, key_size);
    return entry;
}

static void entry_free(struct rcu_head *head)
{
    free(caa_container_of(head, struct entry, gone));
}

int rcu_map_create(struct rcu_map **map, size_t expected)
{
    unsigned long buckets = 64; /* a power of two */
    while (buckets < expected)
        buckets *= 2;
    struct rcu_map *made = malloc(sizeof(*made));
    if (!made)
        return ENOMEM;
    made->table = cds_lfht_new_flavor(
        buckets, 64, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, &urcu_bp_flavor, NULL);
    if (!made->table) {
        free(made);
        return ENOMEM;
    }
    *map = made;
    return 0;
}

void rcu_map_destroy(struct rcu_map *map)
{
    if (!map)
        return;
    struct cds_lfht_iter iter;
    urcu_bp_read_lock();
    for (cds_lfht_first(map->table, &iter); iter.node; cds_lfht_next(map->table, &iter)) {
        struct cds_lfht_node *node = iter.node;
        if (cds_lfht_del(map->table, node) == 0)
            urcu_bp_call_rcu(&entry_of(node)->gone, entry_free);
    }
    urcu_bp_read_unlock();
    urcu_bp_barrier();
    cds_lfht_destroy(map->table, NULL);
    free(map);
}

int rcu_map_set(struct rcu_map *map, const void *key, size_t key_size, void *value)
{
    struct wanted wanted = {key, key_size};
    struct entry *entry = entry_create(key, key_size, value);
    if (!entry)
        return ENOMEM;
    urcu_bp_read_lock();
    struct cds_lfht_node *old =
        cds_lfht_add_replace(map->table, hash_of(key, key_size), matches, &wanted, &entry->node);
    if (old)
        urcu_bp_call_rcu(&entry_of(old)->gone, entry_free);
    urcu_bp_read_unlock();
    return 0;
}

int rcu_map_get(struct rcu_map *map, const void *key, size_t key_size, void **value)
{
    struct wanted wanted = {key, key_size};
    struct cds_lfht_iter iter;
    urcu_bp_read_lock();
    cds_lfht_lookup(map->table, hash_of(key, key_size), matches, &wanted, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    if (node && value)
        *value = entry_of(node)->value;
    urcu_bp_read_unlock();
    return node ? 0 : ENOENT;
}

int rcu_map_delete(struct rcu_map *map, const void *key, size_t key_size)
{
    struct wanted wanted = {key, key_size};
    struct cds_lfht_iter iter;
    urcu_bp_read_lock();
    cds_lfht_lookup(map->table, hash_of(key, key_size), matches, &wanted, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    /* Of several that delete it, one succeeds. */
    bool ours = node && cds_lfht_del(map->table, node) == 0;
    if (ours)
        urcu_bp_call_rcu(&entry_of(node)->gone, entry_free);
    urcu_bp_read_unlock();
    return ours ? 0 : ENOENT;
}

int rcu_map_load_or_store(
    struct rcu_map *map, const void *key, size_t key_size, void *value, void **actual, bool *loaded)
{
    void *found;
    bool there = rcu_map_get(map, key, key_size, &found) == 0;
    if (!there) {
        struct wanted wanted = {key, key_size};
        struct entry *entry = entry_create(key, key_size, value);
        if (!entry)
            return ENOMEM;
        urcu_bp_read_lock();
        struct cds_lfht_node *node =
            cds_lfht_add_unique(map->table, hash_of(key, key_size), matches, &wanted, &entry->node);
        there = node != &entry->node;
        found = entry_of(node)->value;
        urcu_bp_read_unlock();
        if (there)
            free(entry); /* nobody has seen it */
    }
    if (actual)
        *actual = found;
    if (loaded)
        *loaded = there;
    return 0;
}

size_t rcu_map_len(struct rcu_map *map)
{
    long before, after;
    unsigned long count;
    urcu_bp_read_lock();
    cds_lfht_count_nodes(map->table, &before, &count, &after);
    urcu_bp_read_unlock();
    return count;
}

int rcu_map_range(struct rcu_map *map,
    bool (*fn)(const void *key, size_t key_size, void *value, void *arg), void *arg)
{
    struct cds_lfht_iter iter;
    urcu_bp_read_lock();
    for (cds_lfht_first(map->table, &iter); iter.node; cds_lfht_next(map->table, &iter)) {
        struct entry *entry = entry_of(iter.node);
        if (!fn(entry->key, entry->key_size, entry->value, arg))
            break;
    }
    urcu_bp_read_unlock();
    return 0;
}

#else

/* An empty translation unit is not C. */
typedef int conc_rcu_map_is_not_built;

#endif
