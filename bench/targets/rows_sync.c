/* SPDX-License-Identifier: MIT */

/* What tasks share: a limiter, a semaphore, a counter, a map, a context. Nobody waits here. */

#include <errno.h>
#include <stdatomic.h>

#include "bench/baselines/pthread_counter.h"
#include "bench/baselines/pthread_flag.h"
#include "bench/baselines/pthread_limiter.h"
#include "bench/baselines/pthread_map.h"
#include "bench/baselines/pthread_semaphore.h"
#include "bench/baselines/pthread_team.h"
#include "bench/targets/row.h"
#include "counter.h"
#include "rate_limiter.h"
#include "safe_map.h"
#include "sync/context.h"
#include "sync/semaphore.h"
#include "sync/wait_group.h"

/* ---- may I? always yes ---- */

enum { RATE = 1000000000, BURST = 1 << 30 };

void limiter_allow(struct trial *t)
{
    struct conc_rate_limiter limiter;
    int64_t allowed = 0;
    OK(conc_rate_limiter_init(&limiter, RATE, BURST));
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++)
        allowed += conc_rate_limiter_allow(&limiter, 1);
    trial_end(t);
    conc_rate_limiter_destroy(&limiter);
    MUST(allowed == t->n);
}

void limiter_allow_textbook(struct trial *t)
{
    struct textbook_limiter limiter;
    int64_t allowed = 0;
    textbook_limiter_init(&limiter, RATE, BURST);
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++)
        allowed += textbook_limiter_allow(&limiter);
    trial_end(t);
    textbook_limiter_destroy(&limiter);
    MUST(allowed == t->n);
}

/* ---- acquire and release ---- */

enum { PERMITS = 10 };

void semaphore_pair(struct trial *t)
{
    struct conc_semaphore semaphore;
    OK(conc_semaphore_init(&semaphore, PERMITS));
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        OK(conc_semaphore_acquire(&semaphore, 1, NULL));
        conc_semaphore_release(&semaphore, 1);
    }
    trial_end(t);
    MUST(conc_semaphore_available(&semaphore) == PERMITS);
    conc_semaphore_destroy(&semaphore);
}

void semaphore_pair_textbook(struct trial *t)
{
    struct textbook_semaphore semaphore;
    textbook_semaphore_init(&semaphore, PERMITS);
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        textbook_semaphore_acquire(&semaphore, 1);
        textbook_semaphore_release(&semaphore, 1);
    }
    trial_end(t);
    MUST(semaphore.free == PERMITS);
    textbook_semaphore_destroy(&semaphore);
}

/* ---- two tasks count ---- */

enum { COUNTERS = 2 };

struct count {
    const struct trial *t;
    struct conc_counter *counter;
    struct textbook_counter *textbook;
    atomic_int counters;
};

/* The caller's share of the adds. */
static int64_t share_of(struct count *c)
{
    int me = atomic_fetch_add(&c->counters, 1);
    trial_place(c->t, me);
    return c->t->n * (me + 1) / COUNTERS - c->t->n * me / COUNTERS;
}

static void count_shared(void *arg)
{
    struct count *c = arg;
    for (int64_t left = share_of(c); left > 0; left--)
        conc_counter_add(c->counter, 1);
}

static void count_striped(void *arg)
{
    struct count *c = arg;
    struct conc_counter_local local;
    OK(conc_counter_attach(c->counter, &local));
    for (int64_t left = share_of(c); left > 0; left--)
        conc_counter_local_add(&local, 1);
    conc_counter_detach(&local);
}

static void count_together(struct trial *t, enum conc_counter_kind kind, void (*count)(void *arg))
{
    struct count c = {.t = t};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    OK(conc_counter_create(&c.counter, kind));
    trial_begin(t);
    for (int i = 0; i < COUNTERS; i++)
        OK(conc_wait_group_go(&group, count, &c));
    conc_wait_group_wait(&group, NULL);
    trial_end(t);
    conc_wait_group_destroy(&group);
    MUST(conc_counter_get(c.counter) == t->n);
    conc_counter_destroy(c.counter);
}

void counter_striped(struct trial *t)
{
    count_together(t, CONC_COUNTER_STRIPED, count_striped);
}

void counter_atomic(struct trial *t)
{
    count_together(t, CONC_COUNTER_ATOMIC, count_shared);
}

static void *count_textbook(void *arg)
{
    struct count *c = arg;
    for (int64_t left = share_of(c); left > 0; left--)
        textbook_counter_add(c->textbook, 1);
    return NULL;
}

void counter_textbook(struct trial *t)
{
    struct count c = {.t = t, .textbook = textbook_counter_create()};
    struct textbook_team team;
    MUST(c.textbook != NULL);
    trial_begin(t);
    OK(textbook_team_start(&team, COUNTERS, count_textbook, &c));
    textbook_team_join(&team);
    trial_end(t);
    MUST(textbook_counter_get(c.textbook) == t->n);
    textbook_counter_destroy(c.textbook);
}

/* ---- a map of a thousand keys, in an order that no prefetcher follows ---- */

enum { KEYS = 1024, STRIDE = 617 }; /* without a common divisor: every key comes */

static void *value_of(uint64_t key)
{
    return (void *)(uintptr_t)(key + 1);
}

static struct conc_safe_map *filled(void)
{
    struct conc_safe_map *map;
    OK(conc_safe_map_create(&map, NULL));
    for (uint64_t key = 0; key < KEYS; key++)
        OK(conc_safe_map_set(map, &key, sizeof key, value_of(key)));
    return map;
}

void map_get(struct trial *t)
{
    struct conc_safe_map *map = filled();
    uint64_t key = 0;
    int64_t right = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        void *value;
        key = (key + STRIDE) % KEYS;
        right += conc_safe_map_get(map, &key, sizeof key, &value) == 0 && value == value_of(key);
    }
    trial_end(t);
    conc_safe_map_destroy(map);
    MUST(right == t->n);
}

void map_put(struct trial *t)
{
    struct conc_safe_map *map = filled();
    uint64_t key = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        key = (key + STRIDE) % KEYS;
        OK(conc_safe_map_set(map, &key, sizeof key, value_of(key + (uint64_t)i)));
    }
    trial_end(t);
    void *last;
    OK(conc_safe_map_get(map, &key, sizeof key, &last));
    MUST(last == value_of(key + (uint64_t)t->n - 1) && conc_safe_map_len(map) == KEYS);
    conc_safe_map_destroy(map);
}

static struct textbook_map *filled_textbook(void)
{
    struct textbook_map *map = textbook_map_create(TEXTBOOK_MAP_MUTEX, KEYS);
    MUST(map != NULL);
    for (uint64_t key = 0; key < KEYS; key++)
        OK(textbook_map_set(map, &key, sizeof key, value_of(key)));
    return map;
}

void map_get_textbook(struct trial *t)
{
    struct textbook_map *map = filled_textbook();
    uint64_t key = 0;
    int64_t right = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        void *value;
        key = (key + STRIDE) % KEYS;
        right += textbook_map_get(map, &key, sizeof key, &value) == 0 && value == value_of(key);
    }
    trial_end(t);
    textbook_map_destroy(map);
    MUST(right == t->n);
}

void map_put_textbook(struct trial *t)
{
    struct textbook_map *map = filled_textbook();
    uint64_t key = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        key = (key + STRIDE) % KEYS;
        OK(textbook_map_set(map, &key, sizeof key, value_of(key + (uint64_t)i)));
    }
    trial_end(t);
    void *last;
    OK(textbook_map_get(map, &key, sizeof key, &last));
    MUST(last == value_of(key + (uint64_t)t->n - 1));
    textbook_map_destroy(map);
}

/* ---- a context: made, cancelled, destroyed; asked ---- */

void context_create(struct trial *t)
{
    int64_t cancelled = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        struct conc_context ctx;
        conc_context_with_cancel(&ctx, NULL);
        conc_context_cancel(&ctx);
        cancelled += conc_context_error(&ctx) == ECANCELED;
        conc_context_destroy(&ctx);
    }
    trial_end(t);
    MUST(cancelled == t->n);
}

void context_create_textbook(struct trial *t)
{
    int64_t raised = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        struct textbook_flag flag;
        textbook_flag_init(&flag);
        textbook_flag_raise(&flag);
        raised += textbook_flag_raised(&flag);
        textbook_flag_destroy(&flag);
    }
    trial_end(t);
    MUST(raised == t->n);
}

void context_poll(struct trial *t)
{
    struct conc_context ctx;
    int errors = 0;
    conc_context_with_cancel(&ctx, NULL);
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++)
        errors |= conc_context_error(&ctx);
    trial_end(t);
    conc_context_cancel(&ctx);
    MUST(errors == 0 && conc_context_error(&ctx) == ECANCELED);
    conc_context_destroy(&ctx);
}

void context_poll_textbook(struct trial *t)
{
    struct textbook_flag flag;
    int raised = 0;
    textbook_flag_init(&flag);
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++)
        raised |= textbook_flag_raised(&flag);
    trial_end(t);
    textbook_flag_raise(&flag);
    MUST(raised == 0 && textbook_flag_raised(&flag));
    textbook_flag_destroy(&flag);
}
