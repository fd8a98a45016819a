/* SPDX-License-Identifier: MIT */
#include "sync/cond.h"
#include "sync/context.h"

void conc_cond_init(struct conc_cond *cond)
{
    *cond = (struct conc_cond){.waiters = {NULL, NULL}};
    conc_lock_init(&cond->lock);
}

void conc_cond_destroy(struct conc_cond *cond)
{
    conc_lock_acquire(&cond->lock);
    bool used = conc_wait_queue_head(&cond->waiters);
    conc_lock_release(&cond->lock);
    if (used)
        conc_panic(CONC_HERE, "a condition is destroyed that a task waits on");
    conc_lock_destroy(&cond->lock);
}

int conc_cond_wait_at(struct conc_cond *cond, struct conc_mutex *mutex, struct conc_context *ctx,
    const struct conc_site *site)
{
    struct conc_wait_info info = {"on condition", cond, site};
    struct conc_waiter shared;
    struct conc_waiter *waiter = ctx ? conc_waiter_init(&shared) : NULL;
    struct conc_wait_node node;
    struct conc_lock *held = &cond->lock;
    /* In the queue first, then unlock: who takes the mutex next and signals finds us. */
    conc_lock_acquire(&cond->lock);
    conc_wait_queue_push(&cond->waiters, &node, waiter, 0, NULL);
    if (!conc_mutex_unlock_quick(mutex)) {
        /* It wakes somebody, which is nothing to do with a lock held. */
        node.waiter = waiter = conc_waiter_init(&shared);
        conc_lock_release(&cond->lock);
        held = NULL;
        conc_mutex_unlock_at(mutex, site);
    }
    int claimed = conc_wait(waiter, held, ctx, &info);
    if (claimed < 0) {
        conc_lock_acquire(&cond->lock);
        conc_wait_queue_remove(&node);
        conc_lock_release(&cond->lock);
    }
    /* Asked before the mutex is taken: noticing a deadline may call after-callbacks. */
    int rc = claimed < 0 ? conc_wait_error(claimed, ctx) : 0;
    conc_mutex_lock_at(mutex, NULL, site);
    return rc;
}

void conc_cond_wake_one(struct conc_cond *cond)
{
    conc_lock_acquire(&cond->lock);
    struct conc_wait_node *node = conc_wait_queue_claim(&cond->waiters);
    conc_lock_release(&cond->lock);
    if (node)
        conc_wait_node_unpark(node);
}

void conc_cond_wake_all(struct conc_cond *cond)
{
    conc_lock_acquire(&cond->lock);
    struct conc_wait_node *list = conc_wait_queue_claim_all(&cond->waiters);
    conc_lock_release(&cond->lock);
    conc_wait_list_unpark(list);
}
