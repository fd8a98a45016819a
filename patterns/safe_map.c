/* SPDX-License-Identifier: MIT */

/*
 * A hash table with chains, and a lock; or many of both. The locks are those of sync/, on which a
 * task may wait: so share may be called, and a table grown, while one is held. The three kinds
 * differ in lock_shared and lock_alone; and where the lock is a mutex there is a short way for keys
 * of one word, on which nobody is called and no memory is needed, inside the mutex's internal lock.
 */

#include "safe_map.h"

#include <errno.h>
#include <stdint.h>

#include "runtime/memory.h"
#include "runtime/random.h"
#include "sync/mutex_internal.h"
#include "sync/rw_mutex.h"

enum {
    DEFAULT_SHARDS = 64,
    MAX_SHARDS = 65536,
    FIRST_BUCKETS = 4, /* a power of two; inside the shard, so that an empty map is one block */
    LINE = 128         /* two cache lines: processors fetch them in pairs */
};

struct entry {
    struct entry *next;
    uint64_t hash;
    void *value;
    size_t key_size;
    unsigned char key[];
};

/* On cache lines of its own: tasks that use different shards do not disturb one another. */
struct shard {
    _Alignas(LINE) union {
        struct conc_mutex mutex;
        struct conc_rw_mutex rw;
    } lock;
    struct entry **buckets; /* under the lock, as all that follows */
    size_t mask;            /* buckets - 1 */
    size_t len;
    size_t key_bytes;
    struct entry *first[FIRST_BUCKETS];
};

/* All fixed after create. */
struct conc_safe_map {
    enum conc_safe_map_kind kind;
    size_t shard_mask; /* shards - 1; a power of two of them */
    uint64_t seed;     /* makes the order of a map differ from the next one's */
    void (*drop)(void *value);
    void *(*share)(void *value);
    void *memory;
    struct shard *shards;
    bool short_set; /* the short way is open to set, */
    bool short_get; /* and to get, which then does not call share */
};

/* ------------------------------------------------------------------ locks */

static inline void lock_alone(struct conc_safe_map *map, struct shard *shard)
{
    if (map->kind == CONC_SAFE_MAP_RW)
        conc_rw_mutex_lock(&shard->lock.rw, NULL);
    else
        conc_mutex_lock(&shard->lock.mutex, NULL);
}

static inline void unlock_alone(struct conc_safe_map *map, struct shard *shard)
{
    if (map->kind == CONC_SAFE_MAP_RW)
        conc_rw_mutex_unlock(&shard->lock.rw);
    else
        conc_mutex_unlock(&shard->lock.mutex);
}

static inline void lock_shared(struct conc_safe_map *map, struct shard *shard)
{
    if (map->kind == CONC_SAFE_MAP_RW)
        conc_rw_mutex_read_lock(&shard->lock.rw, NULL);
    else
        conc_mutex_lock(&shard->lock.mutex, NULL);
}

static inline void unlock_shared(struct conc_safe_map *map, struct shard *shard)
{
    if (map->kind == CONC_SAFE_MAP_RW)
        conc_rw_mutex_read_unlock(&shard->lock.rw);
    else
        conc_mutex_unlock(&shard->lock.mutex);
}

/* All shards, for a look at one moment. In the order of their addresses: two such looks at once
 * cannot wait for each other. */
static void lock_all(struct conc_safe_map *map)
{
    for (size_t i = 0; i <= map->shard_mask; i++)
        lock_shared(map, &map->shards[i]);
}

static void unlock_all(struct conc_safe_map *map)
{
    for (size_t i = 0; i <= map->shard_mask; i++)
        unlock_shared(map, &map->shards[i]);
}

/* ------------------------------------------------------------------ one table, under its lock */

/* The halves of a product of two words, one folded onto the other: every bit of the one has a say
 * in every bit of the result (the step of wyhash). */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 two_words;
    two_words product = (two_words)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Most keys are a number of one word: for those no loop, and no call of memcpy. */
static inline uint64_t hash_of(const struct conc_safe_map *map, const void *key, size_t size)
{
    const unsigned char *at = key;
    uint64_t hash = map->seed ^ (uint64_t)size;
    uint64_t word;
    for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = fold(hash ^ word, UINT64_C(0x9E3779B97F4A7C15));
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, at, size);
        hash = fold(hash ^ word, UINT64_C(0x9E3779B97F4A7C15));
    }
    return hash;
}

/* The upper bits choose the shard, the lower ones the bucket. */
static struct shard *shard_of(struct conc_safe_map *map, uint64_t hash)
{
    return &map->shards[(hash >> 48) & map->shard_mask];
}

static inline bool same_bytes(const void *a, const void *b, size_t size)
{
    uint64_t one, other;
    if (size != sizeof(one))
        return size == 0 || memcmp(a, b, size) == 0;
    memcpy(&one, a, sizeof(one));
    memcpy(&other, b, sizeof(other));
    return one == other;
}

/* Where the entry for a key is linked, or the end of its chain. */
static inline struct entry **find(struct shard *shard, uint64_t hash, const void *key, size_t size)
{
    struct entry **link = &shard->buckets[hash & shard->mask];
    for (; *link; link = &(*link)->next) {
        struct entry *entry = *link;
        if (entry->hash == hash && entry->key_size == size && same_bytes(entry->key, key, size))
            break;
    }
    return link;
}

/* Twice as many buckets. Without memory for them the chains get longer, and that is all. */
static void grow(struct shard *shard)
{
    size_t count = 2 * (shard->mask + 1);
    struct entry **buckets = conc_calloc(count, sizeof(struct entry *));
    if (!buckets)
        return;
    for (size_t i = 0; i <= shard->mask; i++) {
        struct entry *next;
        for (struct entry *entry = shard->buckets[i]; entry; entry = next) {
            next = entry->next;
            struct entry **head = &buckets[entry->hash & (count - 1)];
            entry->next = *head;
            *head = entry;
        }
    }
    if (shard->buckets != shard->first)
        conc_free(shard->buckets);
    shard->buckets = buckets;
    shard->mask = count - 1;
}

static void insert(struct shard *shard, struct entry *entry)
{
    if (shard->len > shard->mask)
        grow(shard);
    struct entry **head = &shard->buckets[entry->hash & shard->mask];
    entry->next = *head;
    *head = entry;
    shard->len++;
    shard->key_bytes += entry->key_size;
}

static struct entry *entry_create(uint64_t hash, const void *key, size_t size, void *value)
{
    if (size > SIZE_MAX - sizeof(struct entry))
        return NULL;
    struct entry *entry = conc_malloc(sizeof(*entry) + size);
    if (!entry)
        return NULL;
    *entry = (struct entry){.hash = hash, .value = value, .key_size = size};
    if (size > 0)
        memcpy(entry->key, key, size);
    return entry;
}

/* ------------------------------------------------------------------ values */

static void let_go(const struct conc_safe_map *map, void *value)
{
    if (map->drop && value)
        map->drop(value);
}

static int hand_out(const struct conc_safe_map *map, void *value, void **to)
{
    if (map->share && value) {
        value = map->share(value);
        if (!value)
            return ENOMEM;
    }
    *to = value;
    return 0;
}

/* ------------------------------------------------------------------ life */

int conc_safe_map_create(struct conc_safe_map **map, const struct conc_safe_map_options *options)
{
    static const struct conc_safe_map_options defaults;
    if (!options)
        options = &defaults;
    if (!map || (unsigned)options->kind > CONC_SAFE_MAP_RW)
        return EINVAL;
    if (options->share && !options->drop)
        return EINVAL;
    size_t count = 1;
    if (options->kind == CONC_SAFE_MAP_SHARDED)
        count = options->shards ? options->shards : DEFAULT_SHARDS;
    if (count > MAX_SHARDS || (count & (count - 1)) != 0)
        return EINVAL;

    struct conc_safe_map *made = conc_malloc(sizeof(*made));
    void *memory = conc_malloc(count * sizeof(struct shard) + LINE);
    if (!made || !memory) {
        conc_free(made);
        conc_free(memory);
        return ENOMEM;
    }
    uintptr_t aligned = ((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1);
    *made = (struct conc_safe_map){
        .kind = options->kind,
        .shard_mask = count - 1,
        .short_set = options->kind != CONC_SAFE_MAP_RW,
        .short_get = options->kind != CONC_SAFE_MAP_RW && !options->share,
        .seed = conc_random_u64(),
        .drop = options->drop,
        .share = options->share,
        .memory = memory,
        .shards = (struct shard *)aligned,
    };
    for (size_t i = 0; i < count; i++) {
        struct shard *shard = &made->shards[i];
        *shard = (struct shard){.buckets = shard->first, .mask = FIRST_BUCKETS - 1};
        if (made->kind == CONC_SAFE_MAP_RW)
            conc_rw_mutex_init(&shard->lock.rw);
        else
            conc_mutex_init(&shard->lock.mutex);
    }
    *map = made;
    return 0;
}

static void shard_destroy(struct conc_safe_map *map, struct shard *shard)
{
    /* Whoever was the last to unlock it may still be on the way out. */
    lock_alone(map, shard);
    unlock_alone(map, shard);
    for (size_t i = 0; i <= shard->mask; i++) {
        struct entry *next;
        for (struct entry *entry = shard->buckets[i]; entry; entry = next) {
            next = entry->next;
            let_go(map, entry->value);
            conc_free(entry);
        }
    }
    if (shard->buckets != shard->first)
        conc_free(shard->buckets);
    if (map->kind == CONC_SAFE_MAP_RW)
        conc_rw_mutex_destroy(&shard->lock.rw);
    else
        conc_mutex_destroy(&shard->lock.mutex);
}

void conc_safe_map_destroy(struct conc_safe_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i <= map->shard_mask; i++)
        shard_destroy(map, &map->shards[i]);
    conc_free(map->memory);
    conc_free(map);
}

/* ------------------------------------------------------------------ one key */

static bool bad(const struct conc_safe_map *map, const void *key, size_t key_size)
{
    return !map || (!key && key_size > 0);
}

/* `seems_new`: the key was not there a moment ago, so the entry for it is made at once. */
static __attribute__((noinline)) int set_in_full(
    struct conc_safe_map *map, const void *key, size_t key_size, void *value, bool seems_new)
{
    if (bad(map, key, key_size))
        return EINVAL;
    uint64_t hash = hash_of(map, key, key_size);
    struct shard *shard = shard_of(map, hash);
    struct entry *fresh = NULL;
    for (;; seems_new = true) {
        /* The copy of a new key is made without the lock; then somebody may have been faster. */
        if (seems_new) {
            fresh = entry_create(hash, key, key_size, value);
            if (!fresh)
                return ENOMEM;
        }
        lock_alone(map, shard);
        struct entry *entry = *find(shard, hash, key, key_size);
        if (entry) {
            void *old = entry->value;
            entry->value = value;
            unlock_alone(map, shard);
            conc_free(fresh);
            let_go(map, old);
            return 0;
        }
        if (fresh)
            insert(shard, fresh);
        unlock_alone(map, shard);
        if (fresh)
            return 0;
    }
}

static inline int get(struct conc_safe_map *map, struct shard *shard, uint64_t hash,
    const void *key, size_t key_size, void **value)
{
    int rc = ENOENT;
    lock_shared(map, shard);
    struct entry *entry = *find(shard, hash, key, key_size);
    if (entry)
        rc = value ? hand_out(map, entry->value, value) : 0;
    unlock_shared(map, shard);
    return rc;
}

static __attribute__((noinline)) int get_in_full(
    struct conc_safe_map *map, const void *key, size_t key_size, void **value)
{
    if (bad(map, key, key_size))
        return EINVAL;
    uint64_t hash = hash_of(map, key, key_size);
    return get(map, shard_of(map, hash), hash, key, key_size, value);
}

int conc_safe_map_take(struct conc_safe_map *map, const void *key, size_t key_size, void **value)
{
    if (bad(map, key, key_size) || !value)
        return EINVAL;
    uint64_t hash = hash_of(map, key, key_size);
    struct shard *shard = shard_of(map, hash);
    lock_alone(map, shard);
    struct entry **link = find(shard, hash, key, key_size);
    struct entry *entry = *link;
    if (entry) {
        *link = entry->next;
        shard->len--;
        shard->key_bytes -= entry->key_size;
    }
    unlock_alone(map, shard);
    if (!entry)
        return ENOENT;
    *value = entry->value;
    conc_free(entry);
    return 0;
}

int conc_safe_map_delete(struct conc_safe_map *map, const void *key, size_t key_size)
{
    void *value;
    int rc = conc_safe_map_take(map, key, key_size, &value);
    if (rc == 0)
        let_go(map, value);
    return rc;
}

int conc_safe_map_load_or_store(struct conc_safe_map *map, const void *key, size_t key_size,
    void *value, void **actual, bool *loaded)
{
    if (bad(map, key, key_size))
        return EINVAL;
    uint64_t hash = hash_of(map, key, key_size);
    struct shard *shard = shard_of(map, hash);
    /* The common case needs no memory, and of a read-write lock only the reader's half. */
    int rc = get(map, shard, hash, key, key_size, actual);
    if (rc == ENOENT) {
        void *handed = value;
        if (actual && hand_out(map, value, &handed) != 0)
            return ENOMEM;
        struct entry *fresh = entry_create(hash, key, key_size, value);
        if (!fresh) {
            if (actual && map->share)
                let_go(map, handed);
            return ENOMEM;
        }
        lock_alone(map, shard);
        struct entry *entry = *find(shard, hash, key, key_size);
        if (!entry) {
            insert(shard, fresh);
            unlock_alone(map, shard);
            if (actual)
                *actual = handed;
            if (loaded)
                *loaded = false;
            return 0;
        }
        rc = actual ? hand_out(map, entry->value, actual) : 0;
        unlock_alone(map, shard);
        conc_free(fresh);
        if (actual && map->share)
            let_go(map, handed);
    }
    if (rc == 0 && loaded)
        *loaded = true;
    return rc;
}

/* ------------------------------------------------------------------ one key of one word
 *
 * The short way: as above, inside the mutex of the shard (conc_mutex_enter), which it leaves.
 */

/* True: *found is the key's, or NULL. False, and NULL: not found so far, and too many are left for
 * a section of a few instructions. */
static inline bool find_word(
    const struct shard *shard, uint64_t hash, const void *key, struct entry **found)
{
    enum { FEW = 8 };
    struct entry *entry = shard->buckets[hash & shard->mask];
    for (int i = 0; entry && i < FEW; i++, entry = entry->next) {
        if (entry->hash == hash && entry->key_size == sizeof(uint64_t) &&
            same_bytes(entry->key, key, sizeof(uint64_t))) {
            *found = entry;
            return true;
        }
    }
    *found = NULL;
    return !entry;
}

static inline int set_inside(
    struct conc_safe_map *map, struct shard *shard, uint64_t hash, const void *key, void *value)
{
    struct entry *entry;
    bool known = find_word(shard, hash, key, &entry);
    void *old = NULL;
    if (entry) {
        old = entry->value;
        entry->value = value;
    }
    conc_mutex_leave(&shard->lock.mutex);
    if (!entry)
        return set_in_full(map, key, sizeof(uint64_t), value, known);
    let_go(map, old);
    return 0;
}

static __attribute__((noinline)) int set_contended(
    struct conc_safe_map *map, const void *key, void *value)
{
    uint64_t hash = hash_of(map, key, sizeof(uint64_t));
    struct shard *shard = shard_of(map, hash);
    if (conc_mutex_enter(&shard->lock.mutex))
        return set_inside(map, shard, hash, key, value);
    return set_in_full(map, key, sizeof(uint64_t), value, false);
}

int conc_safe_map_set(struct conc_safe_map *map, const void *key, size_t key_size, void *value)
{
    if (key_size != sizeof(uint64_t) || bad(map, key, key_size) || !map->short_set)
        return set_in_full(map, key, key_size, value, false);
    uint64_t hash = hash_of(map, key, sizeof(uint64_t));
    struct shard *shard = shard_of(map, hash);
    if (conc_mutex_enter_quick(&shard->lock.mutex))
        return set_inside(map, shard, hash, key, value);
    return set_contended(map, key, value);
}

static inline int get_inside(
    struct conc_safe_map *map, struct shard *shard, uint64_t hash, const void *key, void **value)
{
    struct entry *entry;
    bool known = find_word(shard, hash, key, &entry);
    if (entry && value)
        *value = entry->value;
    conc_mutex_leave(&shard->lock.mutex);
    if (!known)
        return get_in_full(map, key, sizeof(uint64_t), value);
    return entry ? 0 : ENOENT;
}

static __attribute__((noinline)) int get_contended(
    struct conc_safe_map *map, const void *key, void **value)
{
    uint64_t hash = hash_of(map, key, sizeof(uint64_t));
    struct shard *shard = shard_of(map, hash);
    if (conc_mutex_enter(&shard->lock.mutex))
        return get_inside(map, shard, hash, key, value);
    return get_in_full(map, key, sizeof(uint64_t), value);
}

int conc_safe_map_get(struct conc_safe_map *map, const void *key, size_t key_size, void **value)
{
    if (key_size != sizeof(uint64_t) || bad(map, key, key_size) || !map->short_get)
        return get_in_full(map, key, key_size, value);
    uint64_t hash = hash_of(map, key, sizeof(uint64_t));
    struct shard *shard = shard_of(map, hash);
    if (conc_mutex_enter_quick(&shard->lock.mutex))
        return get_inside(map, shard, hash, key, value);
    return get_contended(map, key, value);
}

/* ------------------------------------------------------------------ the whole map */

size_t conc_safe_map_len(struct conc_safe_map *map)
{
    if (!map)
        return 0;
    size_t len = 0;
    lock_all(map);
    for (size_t i = 0; i <= map->shard_mask; i++)
        len += map->shards[i].len;
    unlock_all(map);
    return len;
}

/* One pair of a snapshot. The keys follow the array of pairs in one block of memory. */
struct pair {
    const unsigned char *key;
    size_t key_size;
    void *value;
};

/* Copies every pair. All shards are locked. *taken counts the pairs whose values are ours. */
static int snapshot(struct conc_safe_map *map, struct pair **pairs, size_t *taken)
{
    size_t len = 0, bytes = 0;
    for (size_t i = 0; i <= map->shard_mask; i++) {
        len += map->shards[i].len;
        bytes += map->shards[i].key_bytes;
    }
    if (len == 0)
        return 0;
    struct pair *copies = conc_malloc(len * sizeof(*copies) + bytes + len);
    if (!copies)
        return ENOMEM;
    *pairs = copies;
    unsigned char *room = (unsigned char *)&copies[len];
    for (size_t i = 0; i <= map->shard_mask; i++) {
        struct shard *shard = &map->shards[i];
        for (size_t b = 0; b <= shard->mask; b++) {
            for (struct entry *entry = shard->buckets[b]; entry; entry = entry->next) {
                struct pair *copy = &copies[*taken];
                if (hand_out(map, entry->value, &copy->value) != 0)
                    return ENOMEM;
                copy->key = memcpy(room, entry->key, entry->key_size);
                copy->key_size = entry->key_size;
                room += entry->key_size;
                *room++ = '\0';
                ++*taken;
            }
        }
    }
    return 0;
}

int conc_safe_map_range(struct conc_safe_map *map,
    bool (*fn)(const void *key, size_t key_size, void *value, void *arg), void *arg)
{
    if (!map || !fn)
        return EINVAL;
    struct pair *pairs = NULL;
    size_t len = 0;
    lock_all(map);
    int rc = snapshot(map, &pairs, &len);
    unlock_all(map);
    bool more = rc == 0;
    for (size_t i = 0; i < len; i++) {
        if (more)
            more = fn(pairs[i].key, pairs[i].key_size, pairs[i].value, arg);
        if (map->share)
            let_go(map, pairs[i].value);
    }
    conc_free(pairs);
    return rc;
}
