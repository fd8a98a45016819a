/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_RCU_MAP_H
#define BENCH_BASELINES_RCU_MAP_H

/*
 * The expert's concurrent map: read-copy-update with liburcu and its lock-free hash table
 * (Mathieu Desnoyers, Paul E. McKenney and others). A reader takes no lock, waits for nobody and
 * writes to no shared memory; a writer unlinks an entry and frees it when every reader that might
 * have seen it has gone on.
 *
 * It is here and not in the library, because it needs liburcu: it exists where CONC_HAVE_URCU is
 * defined. What it costs beside that: memory that is freed late, and values that a reader may
 * still see for a moment after a delete. So values are the program's, and it is for the program
 * to know when they may go: there is no drop.
 *
 * The calls are those of patterns/safe_map.h and return the same codes. Any thread may call
 * anything but destroy; threads need not be registered (the "bullet-proof" flavour of liburcu).
 */

#ifdef CONC_HAVE_URCU

#include <stdbool.h>
#include <stddef.h>

struct rcu_map;

/* Makes an empty map with room for about `expected` keys. It grows beyond that, but on a thread of
 * liburcu's and in its own time: a table that was just filled is slow for a while. */
int rcu_map_create(struct rcu_map **map, size_t expected);

/* Waits until everything deleted has been freed. NULL is allowed. */
void rcu_map_destroy(struct rcu_map *map);

int rcu_map_set(struct rcu_map *map, const void *key, size_t key_size, void *value);
int rcu_map_get(struct rcu_map *map, const void *key, size_t key_size, void **value);
int rcu_map_delete(struct rcu_map *map, const void *key, size_t key_size);
int rcu_map_load_or_store(struct rcu_map *map, const void *key, size_t key_size, void *value,
    void **actual, bool *loaded);

/* Counted by walking: not the number at any one moment. */
size_t rcu_map_len(struct rcu_map *map);

/* Walks the map itself and no snapshot: what is set or deleted meanwhile may or may not be seen. fn
 * must not wait. */
int rcu_map_range(struct rcu_map *map,
    bool (*fn)(const void *key, size_t key_size, void *value, void *arg), void *arg);

#endif

#endif
