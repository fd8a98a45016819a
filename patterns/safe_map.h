/* SPDX-License-Identifier: MIT */
#ifndef CONC_SAFE_MAP_H
#define CONC_SAFE_MAP_H

/*
 * A concurrent map, from keys that are strings of bytes to values that are pointers: what Go
 * programs make of a map and a sync.RWMutex, or take sync.Map for. Any number of tasks may call
 * anything at once but destroy, which belongs to the owner and comes last. One interface, three
 * ways inside:
 *
 *   CONC_SAFE_MAP_SHARDED  many small maps, each with a mutex; a key lives in one of them. This is
 *                          the default.
 *   CONC_SAFE_MAP_MUTEX    one map, one mutex. The least memory; fine until tasks queue for it.
 *   CONC_SAFE_MAP_RW       one map, one read-write lock. Readers do not exclude one another.
 *
 *   struct conc_safe_map *map;
 *   conc_safe_map_create(&map, NULL);
 *   conc_safe_map_set(map, CONC_SAFE_MAP_STR("answer"), &value);    // a string as key,
 *   conc_safe_map_set(map, &id, sizeof(id), &value);                // or any bytes
 *   void *found;
 *   if (conc_safe_map_get(map, CONC_SAFE_MAP_STR("answer"), &found) == 0)
 *       ...
 *   conc_safe_map_destroy(map);
 *
 * Keys are copied in. Beware of padding in a struct that is used as a key: it is compared, too.
 *
 * Who owns a value is the question that Go leaves to its collector. Three answers:
 *
 *   no hook         Values are the program's: the map only keeps the pointers (or integers cast to
 *                   such).
 *   drop            The map owns what it was given and calls drop when it lets go: on a replacing
 *                   set, a delete, and destroy. What get returns is borrowed: good only while no
 *                   other task may replace or delete it.
 *   drop and share  The map hands out share(value), and the receiver owns what it gets. share
 *                   counts one more reference, or makes a copy; drop undoes it. The way for values
 *                   that come and go while others read them.
 *
 * share is called with the map's lock held and must not call the map; with a read-write lock
 * several tasks may be in it at once. drop is called without a lock. Neither is called for a NULL
 * value.
 *
 * No call waits for anything but the lock, which is held for the length of one look-up (of one pass
 * over the map for len and range of a sharded one).
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct conc_safe_map; /* opaque */

enum conc_safe_map_kind {
    CONC_SAFE_MAP_SHARDED,
    CONC_SAFE_MAP_MUTEX,
    CONC_SAFE_MAP_RW,
};

struct conc_safe_map_options {
    enum conc_safe_map_kind kind;
    size_t shards;               /* a power of two up to 65536; 0: 64. Only for a sharded map. */
    void (*drop)(void *value);   /* may be NULL */
    void *(*share)(void *value); /* may be NULL; returns NULL when it fails for want of memory */
};

/* A string as the key and its length: two arguments. Evaluates `s` twice. */
#define CONC_SAFE_MAP_STR(s) (s), strlen(s)

/* Makes an empty map; options NULL: sharded, without hooks. The caller owns *map and destroys it.
 * 0; EINVAL: map is NULL, or an option is none of the above; ENOMEM. */
int conc_safe_map_create(struct conc_safe_map **map, const struct conc_safe_map_options *options);

/* Ends the map's life and drops every value in it. NULL is allowed. */
void conc_safe_map_destroy(struct conc_safe_map *map);

/* Stores `value` (may be NULL) under the key, in place of what was there, which is dropped. The map
 * has taken the value over when the call returns 0. What was written before is visible to whoever
 * gets it. key may be NULL where key_size is 0. 0; EINVAL: map is NULL, or key; ENOMEM: the map is
 * as it was and the value still the caller's. */
int conc_safe_map_set(struct conc_safe_map *map, const void *key, size_t key_size, void *value);

/* Finds the value under the key; value NULL: only asks whether there is one. 0; ENOENT: there is
 * none; EINVAL as above; ENOMEM: share failed. */
int conc_safe_map_get(struct conc_safe_map *map, const void *key, size_t key_size, void **value);

/* Takes the key out and drops its value. 0; ENOENT: there is none; EINVAL as above. */
int conc_safe_map_delete(struct conc_safe_map *map, const void *key, size_t key_size);

/* Takes the key out and hands its value to the caller, who owns it from then on. 0; ENOENT: there
 * is none; EINVAL as above, or value is NULL. */
int conc_safe_map_take(struct conc_safe_map *map, const void *key, size_t key_size, void **value);

/*
 * Finds the value under the key or, where there is none, stores `value`: one step, so of several
 * tasks exactly one stores. *actual (may be NULL) is handed out as by get, whichever it was.
 * *loaded (may be NULL) tells whether it was there before; then `value` is still the caller's.
 *
 * 0; EINVAL as above; ENOMEM: nothing was stored and `value` is still the caller's.
 */
int conc_safe_map_load_or_store(struct conc_safe_map *map, const void *key, size_t key_size,
    void *value, void **actual, bool *loaded);

/* How many keys there were at one moment during the call; 0 for NULL. */
size_t conc_safe_map_len(struct conc_safe_map *map);

/*
 * Calls fn for each key and value that the map held at one moment, the same for all of them, in no
 * particular order, until fn returns false. The pairs are a snapshot (values by share): fn runs
 * without a lock and may call the map. Keys are NULL-terminated for convenience and live until
 * range returns. Values are dropped after use where the map has share, and borrowed where it has
 * not.
 *
 * 0; EINVAL: map or fn is NULL; ENOMEM: no room for the snapshot, and fn was not called.
 */
int conc_safe_map_range(struct conc_safe_map *map,
    bool (*fn)(const void *key, size_t key_size, void *value, void *arg), void *arg);

#endif
