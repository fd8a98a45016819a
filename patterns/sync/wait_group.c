/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/check.h"
#include "sync/context.h"
#include "sync/wait_group_internal.h"

void conc_wait_group_init(struct conc_wait_group *group)
{
    *group = (struct conc_wait_group){.count = 0};
    conc_lock_init(&group->lock);
    if (conc_check_misuse_on())
        conc_check_forget_group(group);
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
    bool used = group->count != 0 || conc_wait_queue_head(&group->waiters) ||
                conc_wait_queue_head(&group->room);
    struct conc_task *ended = take_ended(group);
    conc_lock_release(&group->lock);
    if (used)
        conc_panic(CONC_HERE, "a wait group is destroyed whose count is not 0");
    join_all(ended);
    if (conc_check_misuse_on())
        conc_check_forget_group(group);
    conc_lock_destroy(&group->lock);
}

/* Those to be unparked after the count has been lowered. Under the lock. */
static inline struct conc_wait_node *take_waiters(struct conc_wait_group *group)
{
    if (group->count == 0 && conc_wait_queue_head(&group->waiters))
        return conc_wait_queue_claim_all(&group->waiters);
    return NULL;
}

/* Changes the count; in the same step takes the tasks that have run, if it rises. */
static struct conc_task *add(struct conc_wait_group *group, int64_t n, const struct conc_site *site)
{
    struct conc_task *taken = NULL;
    int64_t count;
    conc_lock_acquire(&group->lock);
    if (__builtin_add_overflow(group->count, n, &count) || count < 0)
        conc_panic(site, "the count of a wait group falls below 0 or overflows");
    if (group->count == 0 && count > 0 && conc_check_misuse_on())
        conc_check_counts(group, site);
    group->count = count;
    if (n > 0)
        taken = take_ended(group);
    struct conc_wait_node *waiters = take_waiters(group);
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
                 (count > 0 || (count == 0 && !conc_wait_queue_head(&group->waiters))) &&
                 !(group->count == 0 && conc_check_misuse_on());
    if (quick)
        group->count = count;
    conc_lock_release(&group->lock);
    return quick;
}

void conc_wait_group_add_at(struct conc_wait_group *group, int64_t n, const struct conc_site *site)
{
    if (!add_quick(group, n))
        join_all(add(group, n, site));
}

/* One task less: its place goes to the first that waits for one, else the count is lowered.
 * `ended`: the task, to be joined; NULL: the engine does it, or there is none. `held`: the lock. */
static __attribute__((noinline)) void leave(
    struct conc_wait_group *group, struct conc_task *ended, bool held)
{
    if (!held)
        conc_lock_acquire(&group->lock);
    if (ended) {
        ended->next_ended = group->ended;
        group->ended = ended;
    }
    struct conc_wait_node *unpark = conc_wait_queue_claim(&group->room);
    if (unpark) {
        unpark->next = NULL;
    } else {
        if (group->count <= 0)
            conc_panic(CONC_HERE, "the count of a wait group falls below 0");
        group->count--;
        unpark = take_waiters(group);
    }
    conc_lock_release(&group->lock);
    conc_wait_list_unpark(unpark);
}

/* Most often the count falls and that is all, or the place is handed over, to one who will only
 * start another task: those that are ready go first. (By leave, with a context or where the lock
 * was not to be had at once, it goes next.) */
void conc_wait_group_task_ended(struct conc_task *task)
{
    struct conc_wait_group *group = task->owner;
    bool releases = task->engine->releases;
    bool held = conc_lock_acquire_quick(&group->lock);
    struct conc_wait_node *next = held ? conc_wait_queue_head(&group->room) : NULL;
    if (held && releases && next && !next->waiter) {
        conc_wait_queue_take_sole(&group->room, next);
        conc_lock_release(&group->lock);
        conc_unpark_sole_last(next->task);
    } else if (held && releases && !next && group->count > 1) {
        group->count--;
        conc_lock_release(&group->lock);
    } else {
        leave(group, releases ? NULL : task, held);
    }
}

const struct conc_task_kind conc_wait_group_task = {.on_end = conc_wait_group_task_ended};

void conc_wait_group_leave(struct conc_wait_group *group)
{
    leave(group, NULL, false);
}

/* A task that is counted. */
static inline int start(struct conc_wait_group *group, void (*fn)(void *), void *arg,
    const char *name, const struct conc_site *site)
{
    int rc = conc_task_start_kind(group, fn, arg, name, site, &conc_wait_group_task);
    if (rc != 0)
        leave(group, NULL, false);
    return rc;
}

static __attribute__((noinline)) int go_slowly(struct conc_wait_group *group, void (*fn)(void *),
    void *arg, const char *name, const struct conc_site *site)
{
    join_all(add(group, 1, site));
    return start(group, fn, arg, name, site);
}

int conc_wait_group_go_at(struct conc_wait_group *group, void (*fn)(void *), void *arg,
    const char *name, const struct conc_site *site)
{
    if (!conc_lock_acquire_quick(&group->lock))
        return go_slowly(group, fn, arg, name, site);
    if (conc_wait_group_enter_quick(group, INT64_MAX))
        return start(group, fn, arg, name, site);
    conc_lock_release(&group->lock);
    return go_slowly(group, fn, arg, name, site);
}

static const char for_room[] = "for room in wait group";

static __attribute__((noinline)) int enter_slowly(struct conc_wait_group *group, int64_t limit,
    struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_task *ended = take_ended(group);
    if (ended) {
        conc_lock_release(&group->lock);
        join_all(ended);
        conc_lock_acquire(&group->lock);
    }
    if (group->count >= limit && site)
        return conc_wait_in(&group->lock, NULL, ctx, site, &group->room, for_room);
    bool room = group->count < limit;
    if (room && group->count == 0 && conc_check_misuse_on())
        conc_check_counts(group, site);
    if (room)
        group->count++;
    conc_lock_release(&group->lock);
    return room ? 0 : EAGAIN;
}

/* Whenever the lock is free and somebody is in `room`, the count is not below the limit: so nobody
 * who comes later finds room before him. */
int conc_wait_group_enter_held(struct conc_wait_group *group, int64_t limit,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (group->count < limit || group->ended || !site)
        return enter_slowly(group, limit, ctx, site);
    return conc_wait_in(&group->lock, NULL, ctx, site, &group->room, for_room);
}

int conc_wait_group_enter_at(struct conc_wait_group *group, int64_t limit, struct conc_context *ctx,
    const struct conc_site *site)
{
    conc_lock_acquire(&group->lock);
    if (conc_wait_group_enter_quick(group, limit))
        return 0;
    return conc_wait_group_enter_held(group, limit, ctx, site);
}

/* Waits when `site` is given. */
int conc_wait_group_wait_at(
    struct conc_wait_group *group, struct conc_context *ctx, const struct conc_site *site)
{
    int rc = 0;
    conc_lock_acquire(&group->lock);
    if (site && conc_check_misuse_on())
        conc_check_waits_for_group(group, group->count > 0, site);
    if (group->count > 0) {
        if (!site) {
            conc_lock_release(&group->lock);
            return EAGAIN;
        }
        rc = conc_wait_in(&group->lock, NULL, ctx, site, &group->waiters, "for wait group");
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
