/* SPDX-License-Identifier: MIT */

/* What the checks know of channels: who has sent to which and received from it, and where it was
 * closed. */

#include <errno.h>
#include <stdlib.h>

#include "runtime/check_internal.h"
#include "runtime/engine.h"

enum { BUCKETS = 4096 };

struct user {
    uint64_t task;
    bool sent;
    bool received;
    struct user *next;
};

struct chan {
    const void *address;
    struct user *users;
    const struct conc_site *closed_at;
    struct chan *next; /* in the bucket */
};

static struct chan *chans[BUCKETS]; /* under conc_check_lock */

static struct chan **chan_place(const void *address)
{
    uintptr_t key = (uintptr_t)address;
    struct chan **place = &chans[(key >> 4 ^ key >> 16) % BUCKETS];
    while (*place && (*place)->address != address)
        place = &(*place)->next;
    return place;
}

static struct chan *chan_of(const void *address)
{
    struct chan **place = chan_place(address);
    if (!*place && (*place = conc_check_calloc(1, sizeof **place)))
        (*place)->address = address;
    return *place;
}

/* The one who used it last comes first. */
static struct user *user_of(struct chan *chan, uint64_t task)
{
    struct user **place = &chan->users;
    while (*place && (*place)->task != task)
        place = &(*place)->next;
    struct user *user = *place;
    if (user)
        *place = user->next;
    else if ((user = conc_check_calloc(1, sizeof *user)))
        user->task = task;
    if (user) {
        user->next = chan->users;
        chan->users = user;
    }
    return user;
}

static void begin(struct conc_check_report *report, const char *what, const void *chan,
    const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    conc_check_add(report, "conc: %s: channel %p by task %llu %s at %s:%d in %s", what, chan,
        (unsigned long long)self->id, atomic_load(&self->name), CONC_CHECK_AT(site));
}

static void add_close(struct conc_check_report *report, const struct chan *chan)
{
    if (chan && chan->closed_at)
        conc_check_add(report, ", closed at %s:%d in %s\n", CONC_CHECK_AT(chan->closed_at));
    else
        conc_check_add(report, "\n");
}

static void leave_and_say(const struct conc_check_report *report)
{
    conc_check_leave();
    if (report->len > 0)
        conc_check_say(report);
}

void conc_check_sends(const void *address, int rc, const struct conc_site *site)
{
    struct conc_check_report report = {.len = 0};
    uint64_t self = conc_self()->id;
    conc_check_enter();
    struct chan *chan = chan_of(address);
    struct user *user = chan && rc != EPIPE ? user_of(chan, self) : NULL;
    if (user)
        user->sent = true;
    if (rc == EPIPE && conc_check_is_theirs(site) &&
        conc_check_is_new("send after close", site, NULL, NULL, NULL)) {
        begin(&report, "send after close", address, site);
        add_close(&report, chan);
    }
    leave_and_say(&report);
}

void conc_check_receives(const void *address)
{
    uint64_t self = conc_self()->id;
    conc_check_enter();
    struct chan *chan = chan_of(address);
    struct user *user = chan ? user_of(chan, self) : NULL;
    if (user)
        user->received = true;
    conc_check_leave();
}

/* Whether it has received from it and never sent, and another one has sent. */
static bool is_receiver(const struct chan *chan, uint64_t self)
{
    bool received = false, others_sent = false;
    for (const struct user *user = chan->users; user; user = user->next) {
        if (user->task == self && user->sent)
            return false;
        received |= user->task == self && user->received;
        others_sent |= user->sent;
    }
    return received && others_sent;
}

void conc_check_closes(const void *address, int rc, const struct conc_site *site)
{
    struct conc_check_report report = {.len = 0};
    uint64_t self = conc_self()->id;
    conc_check_enter();
    struct chan *chan = chan_of(address);
    if (rc == EPIPE && conc_check_is_theirs(site) &&
        conc_check_is_new("closed twice", site, chan ? chan->closed_at : NULL, NULL, NULL)) {
        begin(&report, "closed twice", address, site);
        add_close(&report, chan);
    }
    if (rc == 0 && chan) {
        chan->closed_at = site;
        if (conc_check_is_theirs(site) && is_receiver(chan, self) &&
            conc_check_is_new("closed by its receiver", site, NULL, NULL, NULL)) {
            begin(&report, "closed by its receiver", address, site);
            conc_check_add(&report, "; others have sent, and may not know\n");
        }
    }
    leave_and_say(&report);
}

void conc_check_forget_chan(const void *address)
{
    conc_check_enter();
    struct chan **place = chan_place(address);
    struct chan *chan = *place;
    if (chan) {
        *place = chan->next;
        for (struct user *next; chan->users; chan->users = next) {
            next = chan->users->next;
            free(chan->users);
        }
        free(chan);
    }
    conc_check_leave();
}
