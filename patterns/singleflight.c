/* SPDX-License-Identifier: MIT */

/*
 * The record of a run, its key and its result all lie on the leader's stack: it is there as long as
 * anybody waits. At the end the leader copies the result straight to where each waiter wants it,
 * as a channel does. So nothing is allocated and nothing can fail on the way.
 */

#include "singleflight.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct conc_singleflight_call {
    struct conc_singleflight *flight;    /* fixed */
    const char *key;                     /* fixed */
    uint32_t hash;                       /* fixed */
    struct conc_task *leader;            /* fixed */
    void *result;                        /* fixed: the leader's */
    int rc;                              /* the leader's only */
    bool shared;                         /* the leader's only */
    bool forgotten;                      /* under lock: no longer in the list */
    struct conc_wait_queue waiters;      /* under lock */
    struct conc_singleflight_call *next; /* under lock */
};

int conc_singleflight_init(
    struct conc_singleflight *flight, size_t result_size, void (*share)(void *result))
{
    if (!flight)
        return EINVAL;
    *flight = (struct conc_singleflight){.result_size = result_size, .share = share};
    conc_lock_init(&flight->lock);
    return 0;
}

void conc_singleflight_destroy(struct conc_singleflight *flight)
{
    conc_lock_acquire(&flight->lock);
    size_t running = flight->running;
    conc_lock_release(&flight->lock);
    if (running != 0)
        conc_panic(CONC_HERE, "a single flight is destroyed with %zu calls under way", running);
    conc_lock_destroy(&flight->lock);
}

/* FNV-1a. */
static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261u;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash;
}

/* Where the call for a key is linked, or the end of its list. Under the lock. */
static struct conc_singleflight_call **find(
    struct conc_singleflight *flight, const char *key, uint32_t hash)
{
    struct conc_singleflight_call **link = &flight->calls[hash % CONC_SINGLEFLIGHT_BUCKETS];
    while (*link && ((*link)->hash != hash || strcmp((*link)->key, key) != 0))
        link = &(*link)->next;
    return link;
}

/* Who waits for somebody else's run. */
struct joiner {
    void *result;
    bool landed;
};

/* The end of a run: off the list, and the result to everybody. Those who were claimed stay parked
 * until they are unparked, so their memory can be written to after the lock is released. */
static void land(void *arg)
{
    struct conc_singleflight_call *call = arg;
    struct conc_singleflight *flight = call->flight;
    size_t size = flight->result_size;
    void (*share)(void *) = flight->share;

    conc_lock_acquire(&flight->lock);
    if (!call->forgotten)
        *find(flight, call->key, call->hash) = call->next;
    flight->running--;
    struct conc_wait_node *waiters = conc_wait_queue_claim_all(&call->waiters);
    conc_lock_release(&flight->lock);

    call->shared = waiters != NULL;
    for (struct conc_wait_node *node = waiters; node; node = node->next) {
        struct joiner *joiner = node->data;
        if (call->rc == 0 && size > 0) {
            memcpy(joiner->result, call->result, size);
            if (share)
                share(joiner->result);
        }
        joiner->landed = true;
        node->result = call->rc;
    }
    conc_wait_list_unpark(waiters);
}

/* Waits when `wait` is true. */
static int run_or_join(struct conc_singleflight *flight, const char *key,
    int (*fn)(void *arg, void *result), void *arg, void *result, bool *shared, bool wait,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!flight || !key || !fn || (!result && flight->result_size > 0))
        return EINVAL;
    struct conc_singleflight_call call = {.flight = flight,
        .key = key,
        .hash = hash_of(key),
        .leader = conc_task_self(),
        .result = result,
        .rc = EOWNERDEAD}; /* stays so if fn ends the task and never returns */

    conc_lock_acquire(&flight->lock);
    struct conc_singleflight_call **link = find(flight, key, call.hash);
    struct conc_singleflight_call *running = *link;
    if (running) {
        if (running->leader == call.leader)
            conc_panic(site, "a single flight for '%s' is called from its own run", key);
        if (!wait) {
            conc_lock_release(&flight->lock);
            return EAGAIN;
        }
        struct joiner joiner = {.result = result};
        int rc = conc_wait_in(&flight->lock, &joiner, ctx, site, &running->waiters,
            "for the single flight of another task");
        if (joiner.landed && shared)
            *shared = true;
        return rc;
    }
    *link = &call;
    flight->running++;
    conc_lock_release(&flight->lock);

    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, land, &call);
    call.rc = fn(arg, result);
    conc_cleanup_pop(&cleanup, true);
    if (shared)
        *shared = call.shared;
    return call.rc;
}

int conc_singleflight_do_at(struct conc_singleflight *flight, const char *key,
    int (*fn)(void *arg, void *result), void *arg, void *result, bool *shared,
    struct conc_context *ctx, const struct conc_site *site)
{
    return run_or_join(flight, key, fn, arg, result, shared, true, ctx, site);
}

int conc_singleflight_try_do_at(struct conc_singleflight *flight, const char *key,
    int (*fn)(void *arg, void *result), void *arg, void *result, bool *shared,
    const struct conc_site *site)
{
    return run_or_join(flight, key, fn, arg, result, shared, false, NULL, site);
}

bool conc_singleflight_forget(struct conc_singleflight *flight, const char *key)
{
    if (!flight || !key)
        return false;
    uint32_t hash = hash_of(key);
    conc_lock_acquire(&flight->lock);
    struct conc_singleflight_call **link = find(flight, key, hash);
    struct conc_singleflight_call *call = *link;
    if (call) {
        *link = call->next;
        call->forgotten = true;
    }
    conc_lock_release(&flight->lock);
    return call != NULL;
}
