/* SPDX-License-Identifier: MIT */

/* What the checks know of wait groups: which have been waited for before anything was counted. */

#include <stdio.h>
#include <stdlib.h>

#include "runtime/check_internal.h"
#include "runtime/engine.h"

enum { BUCKETS = 4096 };

struct group {
    const void *address;
    bool counted;                   /* something, ever */
    const struct conc_site *waited; /* where a wait found nothing that had been counted */
    uint64_t waiter;                /* who waited there */
    char waiter_name[32];
    struct group *next; /* in the bucket */
};

static struct group *groups[BUCKETS]; /* under conc_check_lock */

static struct group **place_of(const void *address)
{
    uintptr_t key = (uintptr_t)address;
    struct group **place = &groups[(key >> 4 ^ key >> 12) % BUCKETS];
    while (*place && (*place)->address != address)
        place = &(*place)->next;
    return place;
}

/* NULL: no memory, and it is not looked at. */
static struct group *group_of(const void *address)
{
    struct group **place = place_of(address);
    if (!*place && (*place = conc_check_calloc(1, sizeof **place)))
        (*place)->address = address;
    return *place;
}

void conc_check_waits_for_group(const void *address, bool counts_now, const struct conc_site *site)
{
    const struct conc_task *self = conc_self();
    conc_check_enter();
    struct group *group = group_of(address);
    if (group) {
        group->counted |= counts_now;
        bool nothing = !group->counted && conc_check_is_theirs(site);
        group->waited = nothing ? site : NULL;
        group->waiter = self->id;
        snprintf(group->waiter_name, sizeof group->waiter_name, "%s", atomic_load(&self->name));
    }
    conc_check_leave();
}

void conc_check_counts(const void *address, const struct conc_site *site)
{
    struct conc_check_report report = {.len = 0};
    const struct conc_task *self = conc_self();
    conc_check_enter();
    struct group *group = group_of(address);
    if (group && group->waited && group->waiter != self->id && conc_check_is_theirs(site) &&
        conc_check_is_new("counted after the wait", site, group->waited, NULL, NULL)) {
        conc_check_add(&report,
            "conc: counted after the wait: wait group %p by task %llu %s at %s:%d in %s; task %llu "
            "%s had waited for it at %s:%d in %s, and nothing was counted\n",
            address, (unsigned long long)self->id, atomic_load(&self->name), CONC_CHECK_AT(site),
            (unsigned long long)group->waiter, group->waiter_name, CONC_CHECK_AT(group->waited));
    }
    if (group) {
        group->counted = true;
        group->waited = NULL;
    }
    conc_check_leave();
    if (report.len > 0)
        conc_check_say(&report);
}

void conc_check_forget_group(const void *address)
{
    conc_check_enter();
    struct group **place = place_of(address);
    struct group *group = *place;
    if (group) {
        *place = group->next;
        free(group);
    }
    conc_check_leave();
}
