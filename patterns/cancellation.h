/* SPDX-License-Identifier: MIT */
#ifndef CONC_CANCELLATION_H
#define CONC_CANCELLATION_H

/*
 * Cancellation: a group of tasks under one context, cancelled and waited for together. Go programs
 * write a context, a wait group and a `go` for each; the group keeps the three in step, so that
 * "cancel" is always followed by "have left". A group below another's context is one level of a
 * tree: what cancels a group cancels all groups under it, in one step, and each is then waited for
 * from the leaves up.
 *
 *   struct conc_task_group group;
 *   conc_task_group_init(&group, parent);
 *   for (int i = 0; i < 4; i++)
 *       conc_task_group_go(&group, worker, &args[i]);      // void worker(void *arg, ctx)
 *   ...
 *   conc_task_group_stop(&group, ECANCELED);               // cancels, and waits
 *   conc_task_group_destroy(&group);
 *
 * Cancelling asks, it does not force: a task leaves at its next wait with the context, or where it
 * looks at conc_context_error itself. Results and errors are the tasks' own; where the first error
 * is to cancel the rest, take errgroup.h.
 */

#include <stdint.h>

#include "runtime/site.h"
#include "sync/context.h"
#include "sync/wait_group.h"

/* The record is the caller's, on the stack as a rule. */
struct conc_task_group {
    struct conc_context ctx;      /* what its tasks are given; parent of contexts below it */
    struct conc_wait_group tasks; /* the tasks */
};

/* Makes a group without tasks, whose context is a child of `parent` (NULL: a root). Never fails. */
void conc_task_group_init(struct conc_task_group *group, struct conc_context *parent);

/* The group's context: to derive others from, or to put deadlines and callbacks on. */
static inline struct conc_context *conc_task_group_context(struct conc_task_group *group)
{
    return &group->ctx;
}

/*
 * int conc_task_group_go(struct conc_task_group *group,
 *                        void (*fn)(void *arg, struct conc_context *ctx), void *arg)
 *
 * Starts fn(arg, ctx) as a task of the group; `ctx` is the group's. Never waits. May be called by
 * any task, of the group in particular, until destroy.
 *
 * 0; EINVAL: group or fn is NULL; ECANCELED, ETIMEDOUT: the group's context is done; ENOMEM,
 * EAGAIN: no memory, no task. After a failure nothing was started.
 */
#define conc_task_group_go(group, fn, arg)                                                         \
    conc_task_group_go_at((group), (fn), (arg), #fn, CONC_HERE)
int conc_task_group_go_at(struct conc_task_group *group,
    void (*fn)(void *arg, struct conc_context *ctx), void *arg, const char *name,
    const struct conc_site *site);

/* How many tasks of the group have not ended, at this moment. */
int64_t conc_task_group_running(struct conc_task_group *group);

/* Asks every task of the group, and of all groups below it, to leave; `cause` is what their
 * contexts tell (0 is taken as ECANCELED). Does not wait for them. The first cause is kept. */
void conc_task_group_cancel(struct conc_task_group *group, int cause);

/*
 * int conc_task_group_wait(struct conc_task_group *group, struct conc_context *ctx)
 *
 * Waits until every task of the group has ended; woken by that, a cancel or the deadline of ctx,
 * which is the caller's own and not the group's. What the tasks wrote is visible afterwards. 0;
 * ECANCELED, ETIMEDOUT: ctx ended first, the tasks go on; EINVAL: group is NULL.
 */
#define conc_task_group_wait(group, ctx) conc_task_group_wait_at((group), (ctx), CONC_HERE)
int conc_task_group_wait_at(
    struct conc_task_group *group, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while a task is there. */
int conc_task_group_try_wait(struct conc_task_group *group);

/* Cancels the group and waits until its tasks have ended, however long that takes. NULL is allowed.
 */
#define conc_task_group_stop(group, cause) conc_task_group_stop_at((group), (cause), CONC_HERE)
void conc_task_group_stop_at(
    struct conc_task_group *group, int cause, const struct conc_site *site);

/* Stops the group and ends its life. Contexts and groups below it must have been destroyed. */
#define conc_task_group_destroy(group) conc_task_group_destroy_at((group), CONC_HERE)
void conc_task_group_destroy_at(struct conc_task_group *group, const struct conc_site *site);

#endif
