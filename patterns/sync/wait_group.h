/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_WAIT_GROUP_H
#define CONC_SYNC_WAIT_GROUP_H

/*
 * A wait group: Go's sync.WaitGroup. Counts what is under way; wait returns when nothing is. It
 * also owns the tasks started through it: when wait has returned 0, they have run, and nothing of
 * them is left for anybody to join.
 *
 *   struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
 *
 *   for (int i = 0; i < 4; i++)
 *       conc_wait_group_go(&group, worker, &args[i]);
 *   conc_wait_group_wait(&group, NULL);
 *   conc_wait_group_destroy(&group);
 *
 * Counting by hand (add, done) is there for work that is not a task. Add before the work starts,
 * never inside it: wait could come first.
 */

#include <stdint.h>

#include "sync/waiter.h"

struct conc_wait_group {
    struct conc_lock lock; /* guards the fields below */
    int64_t count;
    struct conc_wait_queue waiters; /* for a count of 0 */
    struct conc_wait_queue room;    /* of conc_wait_group_enter_at, while the count is the limit */
    struct conc_task *ended; /* have run and are to be joined, where the engine does not do it */
};

#define CONC_WAIT_GROUP_INIT                                                                       \
    {                                                                                              \
        .lock = CONC_LOCK_INIT                                                                     \
    }

void conc_wait_group_init(struct conc_wait_group *group);

/* Ends its life and joins what has ended. A count that is not 0 or a waiter ends the program with a
 * message. */
void conc_wait_group_destroy(struct conc_wait_group *group);

/* Adds n (which may be negative) to the count. A count below 0 ends the program with a message.
 * When it comes to 0 every waiter is woken. Never waits for another's call; on the threads engine a
 * rising count joins tasks that have ended, for their last steps at most. What was written before
 * is visible after the wait. */
#define conc_wait_group_add(group, n) conc_wait_group_add_at((group), (n), CONC_HERE)
void conc_wait_group_add_at(struct conc_wait_group *group, int64_t n, const struct conc_site *site);

/* The same as adding -1. */
#define conc_wait_group_done(group) conc_wait_group_add_at((group), -1, CONC_HERE)

/*
 * int conc_wait_group_go(struct conc_wait_group *group, void (*fn)(void *), void *arg)
 *
 * Counts one more and starts a task that calls fn(arg) and then counts one less. The group owns the
 * task. May be called while others wait, by tasks of the group in particular. Joins tasks that have
 * already ended, so a group may serve for ever without growing.
 *
 * 0; EINVAL: fn is NULL; ENOMEM, EAGAIN: no task could be started, and the count is as before.
 */
#define conc_wait_group_go(group, fn, arg)                                                         \
    conc_wait_group_go_at((group), (fn), (arg), #fn, CONC_HERE)
int conc_wait_group_go_at(struct conc_wait_group *group, void (*fn)(void *), void *arg,
    const char *name, const struct conc_site *site);

/*
 * The same in steps, for groups with a limit and others that are built on this one. The first
 * waits until fewer than `limit` (at least 1, the same in all calls) are counted, and counts one
 * more; first come, first served. Without a site: EAGAIN instead of waiting. Then
 * conc_task_start_kind (engine.h) starts the task that is counted, with the group as its owner,
 * and conc_wait_group_task, or a kind with the same on_end; when it has ended its place goes to the
 * first that waits for one. Codes of the first: 0, EAGAIN, ECANCELED, ETIMEDOUT. When no task is
 * started, conc_wait_group_leave gives the place up; it never waits. In a group with a limit only
 * tasks are counted.
 */
int conc_wait_group_enter_at(struct conc_wait_group *group, int64_t limit, struct conc_context *ctx,
    const struct conc_site *site);
extern const struct conc_task_kind conc_wait_group_task;
void conc_wait_group_task_ended(struct conc_task *task);
void conc_wait_group_leave(struct conc_wait_group *group);

/*
 * int conc_wait_group_wait(struct conc_wait_group *group, struct conc_context *ctx)
 *
 * Waits until the count is 0; woken by the last done, a cancel or the deadline. A count of 0 wins
 * over a context that is done. Several tasks may wait. 0; ECANCELED, ETIMEDOUT: the context's end,
 * and the group is as it was: it must be waited for again before it is destroyed.
 */
#define conc_wait_group_wait(group, ctx) conc_wait_group_wait_at((group), (ctx), CONC_HERE)
int conc_wait_group_wait_at(
    struct conc_wait_group *group, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when the count is not 0. */
int conc_wait_group_try_wait(struct conc_wait_group *group);

/* The count at this moment. */
int64_t conc_wait_group_count(struct conc_wait_group *group);

#endif
