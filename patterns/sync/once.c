/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "sync/context.h"
#include "sync/once.h"

enum { NOT_YET, RUNNING, DONE };

static void done(void *arg)
{
    struct conc_once *once = arg;
    conc_lock_acquire(&once->lock);
    once->state = DONE;
    struct conc_wait_node *waiters = conc_wait_queue_claim_all(&once->waiters);
    conc_lock_release(&once->lock);
    conc_wait_list_unpark(waiters);
}

/* Waits when `site` is given. */
int conc_once_do_at(struct conc_once *once, void (*fn)(void *), void *arg, struct conc_context *ctx,
    const struct conc_site *site)
{
    if (!once || !fn)
        return EINVAL;
    struct conc_task *self = conc_self();
    conc_lock_acquire(&once->lock);
    if (once->state == RUNNING && site) {
        if (once->runner == self)
            conc_panic(site, "the function of a once calls the same once");
        return conc_wait_in(&once->lock, NULL, ctx, site, &once->waiters, "for once");
    }
    int state = once->state;
    if (state == NOT_YET) {
        once->state = RUNNING;
        once->runner = self;
    }
    conc_lock_release(&once->lock);
    if (state != NOT_YET)
        return state == DONE ? 0 : EAGAIN;
    /* As a cleanup, so that a function which ends its task does not leave the others waiting. */
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, done, once);
    fn(arg);
    conc_cleanup_pop(&cleanup, true);
    return 0;
}

int conc_once_try_do(struct conc_once *once, void (*fn)(void *), void *arg)
{
    return conc_once_do_at(once, fn, arg, NULL, NULL);
}
