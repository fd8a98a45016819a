/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "sync/context.h"
#include "sync/semaphore.h"

int conc_semaphore_init(struct conc_semaphore *semaphore, int64_t size)
{
    if (!semaphore || size < 0)
        return EINVAL;
    *semaphore = (struct conc_semaphore){.size = size};
    conc_lock_init(&semaphore->lock);
    return 0;
}

void conc_semaphore_destroy(struct conc_semaphore *semaphore)
{
    conc_lock_acquire(&semaphore->lock);
    bool used = conc_wait_queue_head(&semaphore->waiters);
    conc_lock_release(&semaphore->lock);
    if (used)
        conc_panic(CONC_HERE, "a semaphore is destroyed that a task waits for");
    conc_lock_destroy(&semaphore->lock);
}

/* Gives permits to the waiters in front, as long as there are enough for the first. */
static struct conc_wait_node *grant(struct conc_semaphore *semaphore)
{
    struct conc_wait_node *list = NULL;
    struct conc_wait_node **end = &list;
    struct conc_wait_node *node;
    while ((node = conc_wait_queue_head(&semaphore->waiters))) {
        int64_t n = *(const int64_t *)node->data;
        if (n > semaphore->size - semaphore->held)
            break;
        conc_wait_queue_remove(node);
        if (!conc_wait_node_claim(node))
            continue; /* it is giving up */
        semaphore->held += n;
        node->next = NULL;
        *end = node;
        end = &node->next;
    }
    return list;
}

/* Takes n permits if they are there and nobody waits in front, under the lock. */
static inline bool take(struct conc_semaphore *semaphore, int64_t n)
{
    if (conc_wait_queue_head(&semaphore->waiters) || n > semaphore->size - semaphore->held)
        return false;
    semaphore->held += n;
    return true;
}

static __attribute__((noinline)) int acquire_slowly(struct conc_semaphore *semaphore, int64_t n,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (n < 0)
        return EINVAL;
    if (n == 0)
        return 0;
    if (n > semaphore->size)
        return EMSGSIZE;
    conc_lock_acquire(&semaphore->lock);
    if (take(semaphore, n)) {
        conc_lock_release(&semaphore->lock);
        return 0;
    }
    if (!site) {
        conc_lock_release(&semaphore->lock);
        return EAGAIN;
    }
    struct conc_wait_info info = {"for permits of semaphore", semaphore, site};
    struct conc_waiter shared;
    struct conc_waiter *waiter = ctx ? conc_waiter_init(&shared) : NULL;
    struct conc_wait_node node;
    conc_wait_queue_push(&semaphore->waiters, &node, waiter, 0, &n);
    int claimed = conc_wait(waiter, &semaphore->lock, ctx, &info);
    if (claimed >= 0)
        return 0;
    conc_lock_acquire(&semaphore->lock);
    conc_wait_queue_remove(&node);
    struct conc_wait_node *behind = grant(semaphore); /* we may have been in their way */
    conc_lock_release(&semaphore->lock);
    conc_wait_list_unpark(behind);
    return conc_wait_error(claimed, ctx);
}

/* Waits when `site` is given. */
int conc_semaphore_acquire_at(struct conc_semaphore *semaphore, int64_t n, struct conc_context *ctx,
    const struct conc_site *site)
{
    if (n > 0 && conc_lock_acquire_quick(&semaphore->lock)) {
        bool taken = take(semaphore, n);
        conc_lock_release(&semaphore->lock);
        if (taken)
            return 0;
    }
    return acquire_slowly(semaphore, n, ctx, site);
}

int conc_semaphore_try_acquire(struct conc_semaphore *semaphore, int64_t n)
{
    return conc_semaphore_acquire_at(semaphore, n, NULL, NULL);
}

static __attribute__((noinline)) void release_slowly(
    struct conc_semaphore *semaphore, int64_t n, const struct conc_site *site)
{
    conc_lock_acquire(&semaphore->lock);
    if (n < 0 || n > semaphore->held)
        conc_panic(site, "a semaphore is given back %lld permits, and %lld are held", (long long)n,
            (long long)semaphore->held);
    semaphore->held -= n;
    struct conc_wait_node *granted = grant(semaphore);
    conc_lock_release(&semaphore->lock);
    conc_wait_list_unpark(granted);
}

void conc_semaphore_release_at(
    struct conc_semaphore *semaphore, int64_t n, const struct conc_site *site)
{
    if (conc_lock_acquire_quick(&semaphore->lock)) {
        bool quick = n >= 0 && n <= semaphore->held && !conc_wait_queue_head(&semaphore->waiters);
        if (quick)
            semaphore->held -= n;
        conc_lock_release(&semaphore->lock);
        if (quick)
            return;
    }
    release_slowly(semaphore, n, site);
}

int64_t conc_semaphore_available(struct conc_semaphore *semaphore)
{
    conc_lock_acquire(&semaphore->lock);
    int64_t available = semaphore->size - semaphore->held;
    conc_lock_release(&semaphore->lock);
    return available;
}
