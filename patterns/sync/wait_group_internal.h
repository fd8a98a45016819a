/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_WAIT_GROUP_INTERNAL_H
#define CONC_SYNC_WAIT_GROUP_INTERNAL_H

/*
 * conc_wait_group_enter_at in its parts, for what starts a task at each of its calls and would save
 * registers around one call more.
 *
 *   conc_lock_acquire(&group->lock);
 *   if (conc_wait_group_enter_quick(group, limit))
 *       ...                                                // counted, and the lock is released
 *   else
 *       rc = conc_wait_group_enter_held(group, limit, ctx, site);
 */

#include "runtime/check.h"
#include "sync/wait_group.h"

/* With the lock held: counts one more and releases it, where there is room and nothing else to do.
 * False: nothing is done. */
static inline __attribute__((always_inline)) bool conc_wait_group_enter_quick(
    struct conc_wait_group *group, int64_t limit)
{
    int64_t count = group->count;
    if (count >= limit || group->ended || (count == 0 && conc_check_misuse_on()))
        return false;
    group->count = count + 1;
    conc_lock_release(&group->lock);
    return true;
}

/* With the lock held, which it releases: the whole of conc_wait_group_enter_at. */
int conc_wait_group_enter_held(struct conc_wait_group *group, int64_t limit,
    struct conc_context *ctx, const struct conc_site *site) __attribute__((visibility("hidden")));

#endif
