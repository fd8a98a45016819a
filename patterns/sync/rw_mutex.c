/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/check.h"
#include "sync/context.h"
#include "sync/rw_mutex.h"

/* What a waiter wants, as its node's data. */
static char wants_to_read, wants_to_write;

void conc_rw_mutex_init(struct conc_rw_mutex *rw)
{
    if (conc_check_on())
        conc_check_forget(rw);
    *rw = (struct conc_rw_mutex){.readers = 0};
    conc_lock_init(&rw->lock);
}

void conc_rw_mutex_destroy(struct conc_rw_mutex *rw)
{
    conc_lock_acquire(&rw->lock);
    bool used = rw->readers > 0 || rw->owner || conc_wait_queue_head(&rw->waiters);
    conc_lock_release(&rw->lock);
    if (used)
        conc_panic(CONC_HERE, "a read-write mutex is destroyed that is held or waited for");
    if (conc_check_on())
        conc_check_forget(rw);
    conc_lock_destroy(&rw->lock);
}

/* Takes it for `task` if the state allows. Whether somebody waits in front is the caller's matter.
 */
static bool take(struct conc_rw_mutex *rw, bool write, struct conc_task *task)
{
    if (rw->owner || (write && rw->readers > 0))
        return false;
    if (write)
        rw->owner = task;
    else
        rw->readers++;
    return true;
}

/* Gives turns to the waiters in front, as many as the state allows. The waiters to unpark, in
 * order. */
static struct conc_wait_node *grant(struct conc_rw_mutex *rw)
{
    struct conc_wait_node *list = NULL;
    struct conc_wait_node **end = &list;
    struct conc_wait_node *node;
    while ((node = conc_wait_queue_head(&rw->waiters))) {
        bool write = node->data == &wants_to_write;
        if (rw->owner || (write && rw->readers > 0))
            break;
        conc_wait_queue_remove(node);
        if (!conc_wait_node_claim(node))
            continue; /* it is giving up */
        take(rw, write, node->task);
        node->next = NULL;
        *end = node;
        end = &node->next;
    }
    return list;
}

static enum conc_check_kind kind_of(bool write)
{
    return write ? CONC_CHECK_WRITE : CONC_CHECK_READ;
}

static int try_lock(struct conc_rw_mutex *rw, bool write, const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    conc_lock_acquire(&rw->lock);
    bool taken = !conc_wait_queue_head(&rw->waiters) && take(rw, write, self);
    conc_lock_release(&rw->lock);
    if (taken && conc_check_on())
        conc_check_took(rw, kind_of(write), site);
    return taken ? 0 : EAGAIN;
}

static int lock_unseen(struct conc_rw_mutex *rw, bool write, struct conc_context *ctx,
    const struct conc_wait_info *info)
{
    struct conc_task *self = conc_self();
    conc_lock_acquire(&rw->lock);
    if (!conc_wait_queue_head(&rw->waiters) && take(rw, write, self)) {
        conc_lock_release(&rw->lock);
        return 0;
    }
    if (rw->owner == self)
        conc_panic(info->site, "a task locks a read-write mutex that it holds for writing");
    if (conc_check_on() && conc_check_waits(rw, kind_of(write), !ctx, info->site)) {
        conc_lock_release(&rw->lock);
        conc_check_deadlock();
    }
    struct conc_waiter shared;
    struct conc_waiter *waiter = ctx ? conc_waiter_init(&shared) : NULL;
    struct conc_wait_node node;
    conc_wait_queue_push(&rw->waiters, &node, waiter, 0, write ? &wants_to_write : &wants_to_read);
    int claimed = conc_wait(waiter, &rw->lock, ctx, info);
    if (claimed >= 0)
        return 0;
    conc_lock_acquire(&rw->lock);
    conc_wait_queue_remove(&node);
    struct conc_wait_node *behind = grant(rw); /* a writer that leaves no longer holds up readers */
    conc_lock_release(&rw->lock);
    if (conc_check_on())
        conc_check_gave_up(rw);
    conc_wait_list_unpark(behind);
    return conc_wait_error(claimed, ctx);
}

static int lock(struct conc_rw_mutex *rw, bool write, struct conc_context *ctx,
    const struct conc_wait_info *info)
{
    conc_self(); /* the first call of a program turns the checks on */
    if (!conc_check_on())
        return lock_unseen(rw, write, ctx, info);
    conc_check_asks(rw, kind_of(write), info->site);
    int rc = lock_unseen(rw, write, ctx, info);
    if (rc == 0)
        conc_check_took(rw, kind_of(write), info->site);
    return rc;
}

int conc_rw_mutex_try_lock_at(struct conc_rw_mutex *rw, const struct conc_site *site)
{
    return try_lock(rw, true, site);
}

int conc_rw_mutex_try_read_lock_at(struct conc_rw_mutex *rw, const struct conc_site *site)
{
    return try_lock(rw, false, site);
}

int conc_rw_mutex_lock_at(
    struct conc_rw_mutex *rw, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_info info = {"to lock for writing", rw, site};
    return lock(rw, true, ctx, &info);
}

int conc_rw_mutex_read_lock_at(
    struct conc_rw_mutex *rw, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_info info = {"to lock for reading", rw, site};
    return lock(rw, false, ctx, &info);
}

void conc_rw_mutex_unlock_at(struct conc_rw_mutex *rw, const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    if (conc_check_on())
        conc_check_gives(rw, CONC_CHECK_WRITE);
    conc_lock_acquire(&rw->lock);
    if (rw->owner != self)
        conc_panic(site, "a task unlocks a read-write mutex that it does not hold for writing");
    rw->owner = NULL;
    struct conc_wait_node *next = grant(rw);
    conc_lock_release(&rw->lock);
    conc_wait_list_unpark(next);
}

void conc_rw_mutex_read_unlock_at(struct conc_rw_mutex *rw, const struct conc_site *site)
{
    if (conc_check_on())
        conc_check_gives(rw, CONC_CHECK_READ);
    conc_lock_acquire(&rw->lock);
    if (rw->readers == 0)
        conc_panic(site, "a task unlocks a read-write mutex that nobody holds for reading");
    rw->readers--;
    struct conc_wait_node *next = grant(rw);
    conc_lock_release(&rw->lock);
    conc_wait_list_unpark(next);
}
