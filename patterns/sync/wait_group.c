/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "sync/context.h"
#include "sync/wait_group.h"

void conc_wait_group_init(struct conc_wait_group *group)
{
    *group = (struct conc_wait_group){.count = 0};
    conc_lock_init(&group->lock);
}

/* Takes the list of ended tasks. Under the lock. */
static struct conc_task *take_ended(struct conc_wait_group *group)
{
    struct conc_task *ended = group->ended;
    group->ended = NULL;
    return ended;
}

/* Joins them: they have run, so this waits for their last steps at most. */
static void join_all(struct conc_task *ended)
{
    while (ended) {
        struct conc_task *next = ended->next_ended;
        conc_task_release(ended);
        ended = next;
    }
}

void conc_wait_group_destroy(struct conc_wait_group *group)
{
    conc_lock_acquire(&group->lock);
    bool used = group->count != 0 || conc_wait_queue_head(&group->waiters);
    struct conc_task *ended = take_ended(group);
    conc_lock_release(&group->lock);
    if (used)
        conc_panic(CONC_HERE, "a wait group is destroyed whose count is not 0");
    join_all(ended);
    conc_lock_destroy(&group->lock);
}

/* Changes the count; with it, in one step, hands over a task that has run, or takes those that
 * have. */
static struct conc_task *add(
    struct conc_wait_group *group, int64_t n, struct conc_task *ended, const struct conc_site *site)
{
    struct conc_wait_node *waiters = NULL;
    struct conc_task *taken = NULL;
    int64_t count;
    conc_lock_acquire(&group->lock);
    if (__builtin_add_overflow(group->count, n, &count) || count < 0)
        conc_panic(site, "the count of a wait group falls below 0 or overflows");
    group->count = count;
    if (ended) {
        ended->next_ended = group->ended;
        group->ended = ended;
    } else if (n > 0) {
        taken = take_ended(group);
    }
    if (count == 0)
        waiters = conc_wait_queue_claim_all(&group->waiters);
    conc_lock_release(&group->lock);
    conc_wait_list_unpark(waiters);
    return taken;
}

/* Changes the count where that is all: nobody is to be woken or joined. False: nothing is done. */
static inline bool add_quick(struct conc_wait_group *group, int64_t n)
{
    int64_t count;
    if (!conc_lock_acquire_quick(&group->lock))
        return false;
    bool quick = !__builtin_add_overflow(group->count, n, &count) && !group->ended &&
                 (count > 0 || (count == 0 && !conc_wait_queue_head(&group->waiters)));
    if (quick)
        group->count = count;
    conc_lock_release(&group->lock);
    return quick;
}

void conc_wait_group_add_at(struct conc_wait_group *group, int64_t n, const struct conc_site *site)
{
    if (!add_quick(group, n))
        join_all(add(group, n, NULL, site));
}

static void task_ended(struct conc_task *task)
{
    bool releases = task->engine->releases;
    if (!releases || !add_quick(task->owner, -1))
        add(task->owner, -1, releases ? NULL : task, CONC_HERE);
}

int conc_wait_group_go_at(struct conc_wait_group *group, void (*fn)(void *), void *arg,
    const char *name, const struct conc_site *site)
{
    return conc_wait_group_go_body(group, NULL, fn, arg, name, site);
}

/* Starts a task that is counted already. */
static inline int start(struct conc_wait_group *group, void (*body)(struct conc_task *),
    void (*fn)(void *), void *arg, const char *name, const struct conc_site *site)
{
    int rc = conc_task_start_owned(&(struct conc_task_order){.body = body,
        .fn = fn,
        .arg = arg,
        .name = name,
        .site = site,
        .on_end = task_ended,
        .owner = group});
    if (rc != 0)
        add(group, -1, NULL, CONC_HERE);
    return rc;
}

static __attribute__((noinline)) int go_slowly(struct conc_wait_group *group,
    void (*body)(struct conc_task *), void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site)
{
    join_all(add(group, 1, NULL, site));
    return start(group, body, fn, arg, name, site);
}

int conc_wait_group_go_body(struct conc_wait_group *group, void (*body)(struct conc_task *),
    void (*fn)(void *), void *arg, const char *name, const struct conc_site *site)
{
    if (!add_quick(group, 1))
        return go_slowly(group, body, fn, arg, name, site);
    return start(group, body, fn, arg, name, site);
}

/* Waits when `site` is given. */
int conc_wait_group_wait_at(
    struct conc_wait_group *group, struct conc_context *ctx, const struct conc_site *site)
{
    int rc = 0;
    conc_lock_acquire(&group->lock);
    if (group->count > 0) {
        if (!site) {
            conc_lock_release(&group->lock);
            return EAGAIN;
        }
        rc = conc_wait_in(&group->waiters, NULL, &group->lock, ctx, "for wait group", site);
        if (rc != 0)
            return rc;
        conc_lock_acquire(&group->lock);
    }
    struct conc_task *ended = take_ended(group);
    conc_lock_release(&group->lock);
    join_all(ended);
    return 0;
}

int conc_wait_group_try_wait(struct conc_wait_group *group)
{
    return conc_wait_group_wait_at(group, NULL, NULL);
}

int64_t conc_wait_group_count(struct conc_wait_group *group)
{
    conc_lock_acquire(&group->lock);
    int64_t count = group->count;
    conc_lock_release(&group->lock);
    return count;
}
