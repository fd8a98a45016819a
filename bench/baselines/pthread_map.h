/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_MAP_H
#define BENCH_BASELINES_PTHREAD_MAP_H

/*
 * The textbook's shared hash table: chains, a fixed number of buckets, and one lock around each
 * call: none (for one thread alone), a mutex, or a read-write lock. Keys are bytes and are copied,
 * values are the program's.
 */

#include <stddef.h>

enum textbook_map_lock { TEXTBOOK_MAP_UNLOCKED, TEXTBOOK_MAP_MUTEX, TEXTBOOK_MAP_RW };

struct textbook_map;

/* NULL: no memory. */
struct textbook_map *textbook_map_create(enum textbook_map_lock lock, size_t buckets);
void textbook_map_destroy(struct textbook_map *map);

/* 0; ENOMEM. */
int textbook_map_set(struct textbook_map *map, const void *key, size_t key_size, void *value);

/* 0; ENOENT. */
int textbook_map_get(struct textbook_map *map, const void *key, size_t key_size, void **value);

#endif
