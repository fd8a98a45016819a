/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_map.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    void *value;
    size_t key_size;
    unsigned char key[];
};

struct textbook_map {
    enum textbook_map_lock lock; /* fixed */
    size_t n_buckets;            /* fixed */
    pthread_mutex_t mutex;       /* one of the two guards the chains */
    pthread_rwlock_t rw;
    struct entry *buckets[];
};

struct textbook_map *textbook_map_create(enum textbook_map_lock lock, size_t buckets)
{
    struct textbook_map *map = calloc(1, sizeof *map + buckets * sizeof map->buckets[0]);
    if (!map)
        return NULL;
    map->lock = lock;
    map->n_buckets = buckets;
    pthread_mutex_init(&map->mutex, NULL);
    pthread_rwlock_init(&map->rw, NULL);
    return map;
}

void textbook_map_destroy(struct textbook_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->n_buckets; i++) {
        struct entry *next;
        for (struct entry *e = map->buckets[i]; e; e = next) {
            next = e->next;
            free(e);
        }
    }
    pthread_rwlock_destroy(&map->rw);
    pthread_mutex_destroy(&map->mutex);
    free(map);
}

static void lock(struct textbook_map *map, int to_write)
{
    if (map->lock == TEXTBOOK_MAP_MUTEX)
        pthread_mutex_lock(&map->mutex);
    else if (map->lock == TEXTBOOK_MAP_RW && to_write)
        pthread_rwlock_wrlock(&map->rw);
    else if (map->lock == TEXTBOOK_MAP_RW)
        pthread_rwlock_rdlock(&map->rw);
}

static void unlock(struct textbook_map *map)
{
    if (map->lock == TEXTBOOK_MAP_MUTEX)
        pthread_mutex_unlock(&map->mutex);
    else if (map->lock == TEXTBOOK_MAP_RW)
        pthread_rwlock_unlock(&map->rw);
}

/* The hash of Fowler, Noll and Vo, variant 1a. */
static struct entry **bucket_of(struct textbook_map *map, const void *key, size_t key_size)
{
    const unsigned char *at = key;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < key_size; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return &map->buckets[hash % map->n_buckets];
}

/* Under the lock. */
static struct entry *find(struct entry *chain, const void *key, size_t key_size)
{
    while (chain && (chain->key_size != key_size || memcmp(chain->key, key, key_size) != 0))
        chain = chain->next;
    return chain;
}

int textbook_map_set(struct textbook_map *map, const void *key, size_t key_size, void *value)
{
    struct entry **bucket = bucket_of(map, key, key_size);
    int rc = 0;
    lock(map, 1);
    struct entry *e = find(*bucket, key, key_size);
    if (!e && (e = malloc(sizeof *e + key_size))) {
        e->key_size = key_size;
        memcpy(e->key, key, key_size);
        e->next = *bucket;
        *bucket = e;
    }
    if (e)
        e->value = value;
    else
        rc = ENOMEM;
    unlock(map);
    return rc;
}

int textbook_map_get(struct textbook_map *map, const void *key, size_t key_size, void **value)
{
    struct entry **bucket = bucket_of(map, key, key_size);
    lock(map, 0);
    struct entry *e = find(*bucket, key, key_size);
    if (e)
        *value = e->value;
    unlock(map);
    return e ? 0 : ENOENT;
}
