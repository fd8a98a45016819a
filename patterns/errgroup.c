/* SPDX-License-Identifier: MIT */

/*
 * A context to cancel, a wait group to wait for, and one word that keeps the first error. The shape
 * is that of the Go original, but for the limit: the wait group counts the tasks already, so it
 * keeps that, too. (Rejected: a semaphore as in Go. It is a second lock to take at the begin and at
 * the end of every task.)
 */

#include "errgroup.h"

#include <errno.h>
#include <stdbool.h>

#include "runtime/memory.h"
#include "sync/wait_group_internal.h"

typedef int errgroup_fn(void *arg, struct conc_context *ctx);

void conc_errgroup_init(struct conc_errgroup *group, struct conc_context *parent)
{
    conc_context_with_cancel(&group->ctx, parent);
    conc_wait_group_init(&group->tasks);
    conc_lock_init(&group->lock);
    group->error = 0;
    group->limit = INT64_MAX;
}

void conc_errgroup_destroy(struct conc_errgroup *group)
{
    if (conc_wait_group_count(&group->tasks) != 0)
        conc_panic(CONC_HERE, "an error group is destroyed whose tasks still run: wait first");
    conc_wait_group_destroy(&group->tasks);
    conc_context_destroy(&group->ctx);
    conc_lock_destroy(&group->lock);
}

struct conc_context *conc_errgroup_context(struct conc_errgroup *group)
{
    return &group->ctx;
}

int conc_errgroup_set_limit(struct conc_errgroup *group, int64_t limit)
{
    if (conc_wait_group_count(&group->tasks) != 0)
        return EBUSY;
    group->limit = limit < 0 ? INT64_MAX : limit;
    return 0;
}

/* The error is stored before the context is cancelled: what the cancelled tasks then return can no
 * longer be the first. The cancel runs callbacks, hence outside the lock. */
static __attribute__((noinline)) void fail(struct conc_errgroup *group, int rc)
{
    conc_lock_acquire(&group->lock);
    bool first = group->error == 0;
    if (first)
        group->error = rc;
    conc_lock_release(&group->lock);
    if (first)
        conc_context_cancel_cause(&group->ctx, rc);
}

/* The group whose tasks these are. */
static inline struct conc_errgroup *group_of(struct conc_wait_group *tasks)
{
    return (struct conc_errgroup *)((char *)tasks - offsetof(struct conc_errgroup, tasks));
}

static void exited(void *tasks)
{
    fail(group_of(tasks), EOWNERDEAD);
}

static void run(struct conc_task *task)
{
    errgroup_fn *fn = (errgroup_fn *)(void (*)(void))task->fn; /* what go was given */
    struct conc_cleanup cleanup;
    conc_cleanup_push_of(task, &cleanup, exited, task->owner);
    int rc = fn(task->arg, &group_of(task->owner)->ctx);
    conc_cleanup_pop_of(task, &cleanup);
    if (rc != 0)
        fail(group_of(task->owner), rc);
}

static const struct conc_task_kind group_task = {.body = run, .on_end = conc_wait_group_task_ended};

/* A task that is counted. */
static inline int start(struct conc_errgroup *group, errgroup_fn *fn, void *arg, const char *name,
    const struct conc_site *site)
{
    int rc = conc_task_start_kind(
        &group->tasks, (void (*)(void *))(void (*)(void))fn, arg, name, site, &group_task);
    if (rc != 0) {
        fail(group, rc); /* before the count falls: who waits for the tasks sees it */
        conc_wait_group_leave(&group->tasks);
    }
    return rc;
}

/* With the lock of the tasks held, which is released. */
static __attribute__((noinline)) int go_held(struct conc_errgroup *group, errgroup_fn *fn,
    void *arg, struct conc_context *ctx, const char *name, const struct conc_site *site)
{
    int rc = conc_wait_group_enter_held(&group->tasks, group->limit, ctx, site);
    return rc == 0 ? start(group, fn, arg, name, site) : rc;
}

static __attribute__((noinline)) int go_contended(struct conc_errgroup *group, errgroup_fn *fn,
    void *arg, struct conc_context *ctx, const char *name, const struct conc_site *site)
{
    conc_lock_acquire(&group->tasks.lock);
    return go_held(group, fn, arg, ctx, name, site);
}

int conc_errgroup_go_at(struct conc_errgroup *group, int (*fn)(void *arg, struct conc_context *ctx),
    void *arg, struct conc_context *ctx, const char *name, const struct conc_site *site)
{
    if (!group || !fn)
        return EINVAL;
    if (group->limit == 0)
        return EBUSY;
    if (!conc_lock_acquire_quick(&group->tasks.lock))
        return go_contended(group, fn, arg, ctx, name, site);
    if (!conc_wait_group_enter_quick(&group->tasks, group->limit))
        return go_held(group, fn, arg, ctx, name, site);
    return start(group, fn, arg, name, site);
}

int conc_errgroup_try_go_at(struct conc_errgroup *group,
    int (*fn)(void *arg, struct conc_context *ctx), void *arg, const char *name,
    const struct conc_site *site)
{
    if (!group || !fn)
        return EINVAL;
    if (group->limit == 0)
        return EBUSY;
    int rc = conc_wait_group_enter_at(&group->tasks, group->limit, NULL, NULL);
    return rc == 0 ? start(group, fn, arg, name, site) : rc;
}

/* What is left to do when all tasks have ended. */
static int conclude(struct conc_errgroup *group)
{
    int error = conc_errgroup_error(group);
    conc_context_cancel_cause(&group->ctx, error);
    return error;
}

int conc_errgroup_wait_at(
    struct conc_errgroup *group, struct conc_context *ctx, const struct conc_site *site)
{
    int rc = conc_wait_group_wait_at(&group->tasks, ctx, site);
    return rc != 0 ? rc : conclude(group);
}

int conc_errgroup_try_wait(struct conc_errgroup *group)
{
    int rc = conc_wait_group_try_wait(&group->tasks);
    return rc != 0 ? rc : conclude(group);
}

int conc_errgroup_error(struct conc_errgroup *group)
{
    conc_lock_acquire(&group->lock);
    int error = group->error;
    conc_lock_release(&group->lock);
    return error;
}

int64_t conc_errgroup_running(struct conc_errgroup *group)
{
    return conc_wait_group_count(&group->tasks);
}

/* ------------------------------------------------------------------ collect them all */

struct collection {
    const struct conc_collect *work;
    struct conc_context *ctx;
};

/* One item. Tasks and their arguments are not allocated one by one: there are n of these. */
struct collect_item {
    struct collection *all;
    size_t index;
};

static void collect_one(void *arg)
{
    struct collect_item *item = arg;
    const struct conc_collect *work = item->all->work;
    size_t i = item->index;
    const void *in = work->items ? (const char *)work->items + i * work->item_size : NULL;
    void *out = work->results ? (char *)work->results + i * work->result_size : NULL;
    /* Stays so if fn ends the task and never returns. */
    work->errors[i] = EOWNERDEAD;
    work->errors[i] = work->fn(in, out, work->arg, item->all->ctx);
}

/* 0: the item runs; else why it does not. */
static int collect_start(struct collection *all, struct conc_wait_group *tasks,
    struct collect_item *item, const struct conc_site *site)
{
    int64_t limit = all->work->limit > 0 ? all->work->limit : INT64_MAX;
    int rc = conc_wait_group_enter_at(tasks, limit, all->ctx, site);
    if (rc != 0)
        return rc;
    /* Asked once inside: whoever has left the place may have cancelled before. */
    rc = conc_context_error(all->ctx);
    if (rc == 0)
        rc = conc_task_start_kind(tasks, collect_one, item, "collect", site, &conc_wait_group_task);
    if (rc != 0)
        conc_wait_group_leave(tasks);
    return rc;
}

int conc_errgroup_collect_at(
    const struct conc_collect *work, struct conc_context *ctx, const struct conc_site *site)
{
    if (!work || !work->fn || (work->n > 0 && !work->errors))
        return EINVAL;
    if (work->n == 0)
        return 0;
    struct collection all = {.work = work, .ctx = ctx};
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    struct collect_item *items = conc_calloc(work->n, sizeof(*items));
    for (size_t i = 0; i < work->n; i++) {
        int rc = ENOMEM;
        if (items) {
            items[i] = (struct collect_item){.all = &all, .index = i};
            rc = collect_start(&all, &tasks, &items[i], site);
        }
        if (rc != 0)
            work->errors[i] = rc;
    }
    conc_wait_group_wait_at(&tasks, NULL, site);
    conc_wait_group_destroy(&tasks);
    conc_free(items);
    for (size_t i = 0; i < work->n; i++) {
        if (work->errors[i] != 0)
            return work->errors[i];
    }
    return 0;
}
