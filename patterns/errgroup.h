/* SPDX-License-Identifier: MIT */
#ifndef CONC_ERRGROUP_H
#define CONC_ERRGROUP_H

/*
 * An error group: golang.org/x/sync/errgroup. Runs tasks that are parts of one piece of work. The
 * first that fails gives the group its error and cancels the group's context, so the others can
 * stop early; wait returns that error when all have ended.
 *
 *   struct conc_errgroup group;
 *   conc_errgroup_init(&group, ctx);
 *   conc_errgroup_set_limit(&group, 8);                       // optional: at most 8 at once
 *
 *   for (int i = 0; i < n; i++)                               static int fetch(void *arg,
 *       conc_errgroup_go(&group, fetch, &pages[i], NULL);         struct conc_context *ctx)
 *   int rc = conc_errgroup_wait(&group, NULL);                { ... conc_sleep(ns, ctx) ... }
 *   conc_errgroup_destroy(&group);
 *
 * The record is the caller's own, on the stack as a rule, and must not move. Any task may call go,
 * tasks of the group too; one owner initialises, waits last and destroys.
 *
 * Where C differs from Go: each function is handed the group's context, for C has no closure to
 * carry it in. A task that cannot be started is an error of the group like any other. A function
 * that ends its task (conc_task_exit) counts as one that returned EOWNERDEAD: it has not finished
 * its part.
 *
 * Not for results of every item, good and bad: that is conc_errgroup_collect, below.
 */

#include <stddef.h>
#include <stdint.h>

#include "sync/context.h"
#include "sync/wait_group.h"

struct conc_errgroup {
    struct conc_context ctx;      /* the group's own */
    struct conc_wait_group tasks; /* what runs */
    struct conc_lock lock;        /* guards error */
    int error;                    /* the first, 0 while there is none */
    int64_t limit;                /* INT64_MAX: none; fixed while tasks run */
};

/* Makes a group without tasks and without a limit, whose context is a child of `parent` (may be
 * NULL). Never fails. */
void conc_errgroup_init(struct conc_errgroup *group, struct conc_context *parent);

/* Ends its life and cancels its context. A task that still runs ends the program with a message:
 * wait first. */
void conc_errgroup_destroy(struct conc_errgroup *group);

/* The group's context: done when a task has failed, when wait has returned, and when the parent is.
 * Its cause (conc_context_cause) is the group's error. Belongs to the group. To give up early,
 * cancel it. */
struct conc_context *conc_errgroup_context(struct conc_errgroup *group);

/* Lets at most `limit` tasks run at once; negative: any number (the default); 0: none can be added.
 * 0; EBUSY: tasks are running, and the limit is as it was. Not to be called while others call go.
 */
int conc_errgroup_set_limit(struct conc_errgroup *group, int64_t limit);

/*
 * int conc_errgroup_go(struct conc_errgroup *group, int (*fn)(void *arg, struct conc_context *ctx),
 *                      void *arg, struct conc_context *ctx)
 *
 * Starts a task that calls fn(arg, the group's context). fn returns 0 or an error code. Waits only
 * where there is a limit: until a task of the group has ended; woken by that, a cancel or the
 * deadline of ctx (which may be the group's own context: once a task has failed this stops adding
 * where it would have to wait). As in Go, a task can be started in a group that has failed: it
 * finds its context done. What the caller wrote before is visible to fn.
 *
 * 0: started. Otherwise not started, and arg is still the caller's: ECANCELED, ETIMEDOUT: the end
 * of ctx; EBUSY: the limit is 0; EINVAL: group or fn is NULL; ENOMEM, EAGAIN: no task could be
 * started, which is the group's error if it is the first, and cancels it.
 */
#define conc_errgroup_go(group, fn, arg, ctx)                                                      \
    conc_errgroup_go_at((group), (fn), (arg), (ctx), #fn, CONC_HERE)
int conc_errgroup_go_at(struct conc_errgroup *group, int (*fn)(void *arg, struct conc_context *ctx),
    void *arg, struct conc_context *ctx, const char *name, const struct conc_site *site);

/* The same without waiting: EAGAIN also when the limit is reached, which is no error of the group.
 */
#define conc_errgroup_try_go(group, fn, arg)                                                       \
    conc_errgroup_try_go_at((group), (fn), (arg), #fn, CONC_HERE)
int conc_errgroup_try_go_at(struct conc_errgroup *group,
    int (*fn)(void *arg, struct conc_context *ctx), void *arg, const char *name,
    const struct conc_site *site);

/*
 * int conc_errgroup_wait(struct conc_errgroup *group, struct conc_context *ctx)
 *
 * Waits until every task of the group has ended, then cancels the group's context (its cause stays
 * the error; ECANCELED where there was none) and returns the group's error. Woken by the last end,
 * a cancel or the deadline of ctx; tasks that have all ended win over a context that is done. What
 * the tasks wrote is visible afterwards. May be called again.
 *
 * 0: all have ended, none failed. The first error: all have ended, that one first. ECANCELED,
 * ETIMEDOUT: the end of ctx, and the tasks go on: the group must be waited for again. A first error
 * may have the same code; with ctx NULL there is no doubt, and conc_errgroup_running tells the two
 * apart.
 */
#define conc_errgroup_wait(group, ctx) conc_errgroup_wait_at((group), (ctx), CONC_HERE)
int conc_errgroup_wait_at(
    struct conc_errgroup *group, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while tasks run. */
int conc_errgroup_try_wait(struct conc_errgroup *group);

/* The group's error at this moment; 0 while there is none. */
int conc_errgroup_error(struct conc_errgroup *group);

/* How many tasks of the group have not ended, at this moment. */
int64_t conc_errgroup_running(struct conc_errgroup *group);

/*
 * Collect them all: one task per item, one result and one error per item, and no failure stops the
 * others.
 */
struct conc_collect {
    /* Does one item: reads *item, fills *result, returns 0 or an error code. */
    int (*fn)(const void *item, void *result, void *arg, struct conc_context *ctx);
    void *arg;          /* given to each call; may be NULL */
    const void *items;  /* n elements of item_size bytes; NULL: fn is given NULL */
    size_t item_size;   /* in bytes */
    void *results;      /* n elements of result_size bytes; NULL: fn is given NULL */
    size_t result_size; /* in bytes */
    int *errors;        /* n codes, required when n > 0 */
    size_t n;
    int64_t limit; /* at most this many tasks at once; 0 or less: any number */
};

/*
 * int conc_errgroup_collect(const struct conc_collect *work, struct conc_context *ctx)
 *
 * Runs work->fn for every item, each in a task of its own, and waits until all have ended, however
 * long that takes: nothing that was started is left behind. ctx is handed to fn; once it is done,
 * items that have not been started get its error (ECANCELED or ETIMEDOUT) and are not run. An item
 * whose task cannot be started gets ENOMEM or EAGAIN. Items must not wait for one another. What fn
 * wrote is visible afterwards.
 *
 * 0: every item went well. Otherwise the error of the first item, by index, that did not: errors[]
 * has them all. EINVAL: work or fn is NULL, errors is NULL with n > 0, nothing was run and errors[]
 * is untouched.
 */
#define conc_errgroup_collect(work, ctx) conc_errgroup_collect_at((work), (ctx), CONC_HERE)
int conc_errgroup_collect_at(
    const struct conc_collect *work, struct conc_context *ctx, const struct conc_site *site);

#endif
