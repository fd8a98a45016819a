/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "cancellation.h"
#include "runtime/memory.h"

/* What a task needs to begin; it frees this first, so nothing is left to whoever ends the task. */
struct start {
    void (*fn)(void *arg, struct conc_context *ctx);
    void *arg;
    struct conc_context *ctx;
};

static void task_main(void *arg)
{
    struct start start = *(struct start *)arg;
    conc_free(arg);
    start.fn(start.arg, start.ctx);
}

void conc_task_group_init(struct conc_task_group *group, struct conc_context *parent)
{
    conc_context_with_cancel(&group->ctx, parent);
    conc_wait_group_init(&group->tasks);
}

int conc_task_group_go_at(struct conc_task_group *group,
    void (*fn)(void *arg, struct conc_context *ctx), void *arg, const char *name,
    const struct conc_site *site)
{
    if (!group || !fn)
        return EINVAL;
    int rc = conc_context_error(&group->ctx);
    if (rc != 0)
        return rc;
    struct start *start = conc_malloc(sizeof(*start));
    if (!start)
        return ENOMEM;
    *start = (struct start){.fn = fn, .arg = arg, .ctx = &group->ctx};
    rc = conc_wait_group_go_at(&group->tasks, task_main, start, name, site);
    if (rc != 0)
        conc_free(start);
    return rc;
}

int64_t conc_task_group_running(struct conc_task_group *group)
{
    return conc_wait_group_count(&group->tasks);
}

void conc_task_group_cancel(struct conc_task_group *group, int cause)
{
    conc_context_cancel_cause(&group->ctx, cause);
}

int conc_task_group_wait_at(
    struct conc_task_group *group, struct conc_context *ctx, const struct conc_site *site)
{
    return group ? conc_wait_group_wait_at(&group->tasks, ctx, site) : EINVAL;
}

int conc_task_group_try_wait(struct conc_task_group *group)
{
    return group ? conc_wait_group_try_wait(&group->tasks) : EINVAL;
}

void conc_task_group_stop_at(struct conc_task_group *group, int cause, const struct conc_site *site)
{
    if (!group)
        return;
    conc_task_group_cancel(group, cause);
    conc_wait_group_wait_at(&group->tasks, NULL, site);
}

void conc_task_group_destroy_at(struct conc_task_group *group, const struct conc_site *site)
{
    conc_task_group_stop_at(group, ECANCELED, site);
    conc_wait_group_destroy(&group->tasks);
    conc_context_destroy(&group->ctx);
}
