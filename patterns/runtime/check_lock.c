/* SPDX-License-Identifier: MIT */

/*
 * What the checks know of locks: who holds which and waits for which, and in which order they have
 * been taken.
 *
 *   holder ── held ── lock        a task that holds something or waits; a lock that is held, or
 *      └──── waits ─────┘         was once taken with another
 *             lock ── edge ── lock
 *
 * A hold is noted after the lock is taken and forgotten before it is given back, a wait is noted
 * before it begins and forgotten after it ended. So under the lock of the checks "task T waits for
 * lock L, which task U holds" is true at that moment, if it is there at all; and the last of those
 * who close a circle of such waits sees all of it. That is why a deadlock that is reported is one.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/census.h"
#include "runtime/check_internal.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/setting.h"

/* An edge leads from the newest FROM_MAX locks that a task holds. From those before it there is a
 * way through these, and a task may hold thousands (all shards of a map). */
enum { BUCKETS = 4096, EDGES_MAX = 1 << 16, FROM_MAX = 8 };

struct held {
    struct holder *holder;
    struct lock *lock;
    enum conc_check_kind kind;
    const struct conc_site *site;
    int64_t since_ns;
    struct held *next_of_holder; /* newest first */
    struct held **place_of_holder;
    struct held *next_of_lock;
};

struct holder {
    uint64_t id; /* of the task: its record may become another's */
    char name[32];
    struct held *held;
    struct lock *waits; /* NULL: for none */
    bool waits_for_ever;
    enum conc_check_kind waits_kind;
    const struct conc_site *waits_site;
    struct holder *next; /* in the bucket */
};

struct lock {
    const void *address;
    struct held *held;
    size_t waiting;     /* tasks that wait for it */
    bool own;           /* libconc's: held long and across waits on purpose */
    size_t may_give_up; /* of these, not for ever */
    struct edge *out;   /* what was asked for with it held */
    struct edge *in;
    struct lock *next; /* in the bucket */

    /* Of the search that is under way. */
    uint64_t seen; /* its number */
    struct lock *queue;
    struct edge *edge; /* through which it was reached, */
    struct lock *from; /* or from which, */
    struct held *via;  /* which is held by one who waits for this */
    struct held *hold; /* the last of the circle */
};

struct edge {
    struct lock *from;
    struct lock *to;
    enum conc_check_kind from_kind;
    enum conc_check_kind to_kind;
    const struct conc_site *held_at;
    const struct conc_site *asked_at;
    uint64_t task;
    char name[32];
    bool reported; /* the circle that it closed */
    struct edge *next_out;
    struct edge *next_in;
    struct edge *next; /* in the bucket */
};

/* All under conc_check_lock. */
static struct holder *holders[BUCKETS];
static struct lock *locks[BUCKETS];
static struct edge *edges[BUCKETS];
static size_t edge_count;
static uint64_t searches;

/* What is free is kept: most come and go with every lock and unlock. */
static struct held *free_held;
static struct holder *free_holders;
static struct lock *free_locks;

#define TAKE(list, next)                                                                           \
    __extension__({                                                                                \
        __typeof__(list) taken_ = (list);                                                          \
        if (taken_)                                                                                \
            (list) = taken_->next;                                                                 \
        else                                                                                       \
            taken_ = conc_check_calloc(1, sizeof *taken_);                                         \
        taken_;                                                                                    \
    })

/* --- the tables ---------------------------------------------------------------------------------
 */

static struct holder **holder_place(uint64_t id)
{
    struct holder **place = &holders[id % BUCKETS];
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

/* The calling task's; NULL: no memory. */
static struct holder *holder_of(struct conc_task *self)
{
    struct holder **place = holder_place(self->id);
    if (*place)
        return *place;
    struct holder *made = TAKE(free_holders, next);
    if (made) {
        *made = (struct holder){.id = self->id};
        snprintf(made->name, sizeof made->name, "%s", atomic_load(&self->name));
        *place = made;
    }
    return made;
}

static void holder_drop_if_idle(struct holder *holder)
{
    if (holder->held || holder->waits)
        return;
    *holder_place(holder->id) = holder->next;
    holder->next = free_holders;
    free_holders = holder;
}

static struct lock **lock_place(const void *address)
{
    uintptr_t key = (uintptr_t)address;
    struct lock **place = &locks[(key >> 4 ^ key >> 16) % BUCKETS];
    while (*place && (*place)->address != address)
        place = &(*place)->next;
    return place;
}

static struct lock *lock_of(const void *address)
{
    struct lock **place = lock_place(address);
    if (*place)
        return *place;
    struct lock *made = TAKE(free_locks, next);
    if (made) {
        *made = (struct lock){.address = address};
        *place = made;
    }
    return made;
}

static void lock_drop_if_idle(struct lock *lock)
{
    if (lock->own || lock->held || lock->waiting > 0 || lock->out || lock->in)
        return;
    *lock_place(lock->address) = lock->next;
    lock->next = free_locks;
    free_locks = lock;
}

/* Takes a hold out of both its lists. */
static void let_go(struct held *held)
{
    *held->place_of_holder = held->next_of_holder;
    if (held->next_of_holder)
        held->next_of_holder->place_of_holder = held->place_of_holder;
    struct held **at = &held->lock->held;
    while (*at != held)
        at = &(*at)->next_of_lock;
    *at = held->next_of_lock;
    holder_drop_if_idle(held->holder);
    held->next_of_lock = free_held;
    free_held = held;
}

static void no_longer_waits(struct holder *holder)
{
    struct lock *lock = holder->waits;
    if (!lock)
        return;
    holder->waits = NULL;
    lock->waiting--;
    lock->may_give_up -= !holder->waits_for_ever;
}

/* --- reports ------------------------------------------------------------------------------------
 */

static const char *kind_of(enum conc_check_kind kind)
{
    return kind == CONC_CHECK_MUTEX ? "mutex" : "read-write mutex";
}

/* --- the order of locks -------------------------------------------------------------------------
 */

static struct edge **edge_place(const struct lock *from, const struct lock *to)
{
    uintptr_t key = (uintptr_t)from * 31 + (uintptr_t)to;
    struct edge **place = &edges[(key >> 4 ^ key >> 16) % BUCKETS];
    while (*place && !((*place)->from == from && (*place)->to == to))
        place = &(*place)->next;
    return place;
}

static void drop_edge(struct edge *edge)
{
    struct edge **at = &edge->from->out;
    while (*at != edge)
        at = &(*at)->next_out;
    *at = edge->next_out;
    at = &edge->to->in;
    while (*at != edge)
        at = &(*at)->next_in;
    *at = edge->next_in;
    *edge_place(edge->from, edge->to) = edge->next;
    free(edge);
    edge_count--;
}

/* The shortest way along edges: each lock on it has the edge that leads there. False: none. */
static bool find_way(struct lock *from, struct lock *to)
{
    uint64_t search = ++searches;
    struct lock *last = from;
    from->seen = search;
    from->queue = NULL;
    for (struct lock *at = from; at; at = at->queue)
        for (struct edge *edge = at->out; edge; edge = edge->next_out) {
            if (edge->to->seen == search)
                continue;
            edge->to->seen = search;
            edge->to->edge = edge;
            if (edge->to == to)
                return true;
            edge->to->queue = NULL;
            last->queue = edge->to;
            last = edge->to;
        }
    return false;
}

/* The edge has closed a circle: the way from its end to its begin is found. */
static void report_order(
    struct conc_check_report *report, const struct edge *closing, struct lock *way[], size_t n)
{
    const struct edge *first = way[n - 1]->edge;
    if (!conc_check_is_new(
            "lock order", closing->held_at, closing->asked_at, first->held_at, first->asked_at))
        return;
    conc_check_add(report,
        "conc: lock order: %s %p is asked for with %s %p held, and elsewhere the other way round\n",
        kind_of(closing->to_kind), closing->to->address, kind_of(closing->from_kind),
        closing->from->address);
    conc_check_add(report,
        "  task %llu %s holds %s %p, taken at %s:%d in %s, and asks for %s %p at %s:%d in %s\n",
        (unsigned long long)closing->task, closing->name, kind_of(closing->from_kind),
        closing->from->address, CONC_CHECK_AT(closing->held_at), kind_of(closing->to_kind),
        closing->to->address, CONC_CHECK_AT(closing->asked_at));
    for (size_t i = n; i-- > 0;) {
        const struct edge *edge = way[i]->edge;
        conc_check_add(report,
            "  %s task %llu %s held %s %p, taken at %s:%d in %s, and asked for %s %p at %s:%d in "
            "%s\n",
            i == n - 1 ? "earlier the other way round:" : "and", (unsigned long long)edge->task,
            edge->name, kind_of(edge->from_kind), edge->from->address, CONC_CHECK_AT(edge->held_at),
            kind_of(edge->to_kind), edge->to->address, CONC_CHECK_AT(edge->asked_at));
    }
}

/* Notes that `to` is asked for while `held` is held. */
static void add_edge(struct conc_check_report *report, struct conc_task *self,
    const struct held *held, struct lock *to, enum conc_check_kind kind,
    const struct conc_site *site)
{
    struct lock *from = held->lock;
    struct edge **place = edge_place(from, to);
    if (from == to || *place || edge_count >= EDGES_MAX)
        return;
    struct edge *edge = conc_check_calloc(1, sizeof *edge);
    if (!edge)
        return;
    *edge = (struct edge){.from = from,
        .to = to,
        .from_kind = held->kind,
        .to_kind = kind,
        .held_at = held->site,
        .asked_at = site,
        .task = self->id,
        .next_out = from->out,
        .next_in = to->in};
    snprintf(edge->name, sizeof edge->name, "%s", atomic_load(&self->name));
    from->out = edge;
    to->in = edge;
    *place = edge;
    edge_count++;
    const struct edge *back = *edge_place(to, from);
    if ((back && back->reported) || !find_way(to, from))
        return;
    edge->reported = true;
    struct lock *way[8];
    size_t n = 0;
    for (struct lock *at = from; at != to; at = at->edge->from)
        if (n < sizeof way / sizeof *way)
            way[n++] = at;
    report_order(report, edge, way, n);
}

void conc_check_asks(const void *address, enum conc_check_kind kind, const struct conc_site *site)
{
    struct conc_check_report report = {.len = 0};
    struct conc_task *self = conc_self();
    conc_check_enter();
    struct holder *holder = *holder_place(self->id);
    struct lock *lock = holder && holder->held ? lock_of(address) : NULL;
    size_t n = 0;
    if (lock)
        for (const struct held *held = holder->held; held && n++ < FROM_MAX;
             held = held->next_of_holder)
            add_edge(&report, self, held, lock, kind, site);
    conc_check_leave();
    if (report.len > 0)
        conc_check_say(&report);
}

/* --- holding and waiting ------------------------------------------------------------------------
 */

void conc_check_took(const void *address, enum conc_check_kind kind, const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    conc_check_enter();
    struct holder *holder = holder_of(self);
    struct lock *lock = lock_of(address);
    struct held *held = holder && lock ? TAKE(free_held, next_of_lock) : NULL;
    if (held) {
        *held = (struct held){.holder = holder,
            .lock = lock,
            .kind = kind,
            .site = site,
            .since_ns = conc_check_all ? conc_engine()->now_ns() : 0,
            .next_of_holder = holder->held,
            .place_of_holder = &holder->held,
            .next_of_lock = lock->held};
        if (holder->held)
            holder->held->place_of_holder = &held->next_of_holder;
        holder->held = held;
        lock->held = held;
    }
    if (holder)
        no_longer_waits(holder);
    conc_check_leave();
}

/* Whether the program's own code took it, and not libconc's. */
static bool is_theirs(const struct held *held)
{
    return !held->lock->own && conc_check_is_theirs(held->site);
}

static void look_how_long(struct conc_check_report *report, const struct held *held)
{
    int64_t held_ns = conc_engine()->now_ns() - held->since_ns;
    if (held_ns <= conc_check_long_ns || !is_theirs(held) ||
        !conc_check_is_new("held long", held->site, NULL, NULL, NULL))
        return;
    conc_check_add(report,
        "conc: held long: task %llu %s held %s %p, taken at %s:%d in %s, for %lld ms\n",
        (unsigned long long)held->holder->id, held->holder->name, kind_of(held->kind),
        held->lock->address, CONC_CHECK_AT(held->site), (long long)(held_ns / CONC_MS(1)));
}

void conc_check_gives(const void *address, enum conc_check_kind kind)
{
    struct conc_task *self = conc_self();
    conc_check_enter();
    struct lock *lock = *lock_place(address);
    struct held *found = NULL;
    /* A read lock may be given back by another task: then any will do. */
    for (struct held *held = lock ? lock->held : NULL; held; held = held->next_of_lock)
        if (held->kind == kind && (held->holder->id == self->id || kind == CONC_CHECK_READ)) {
            found = held;
            if (held->holder->id == self->id)
                break;
        }
    struct conc_check_report report = {.len = 0};
    if (found) {
        if (conc_check_all)
            look_how_long(&report, found);
        let_go(found);
        lock_drop_if_idle(lock);
    }
    conc_check_leave();
    if (report.len > 0)
        conc_check_say(&report);
}

void conc_check_forget(const void *address)
{
    conc_check_enter();
    struct lock *lock = *lock_place(address);
    if (lock) {
        while (lock->held)
            let_go(lock->held);
        while (lock->out)
            drop_edge(lock->out);
        while (lock->in)
            drop_edge(lock->in);
        lock->own = false;
        lock_drop_if_idle(lock);
    }
    conc_check_leave();
}

/* --- deadlock -----------------------------------------------------------------------------------
 */

static struct conc_check_report deadlock; /* the first: under conc_check_lock, then fixed */

/* Whether who waits for the lock needs all who hold it to give it back, for ever. A reader waits
 * behind a writer, which may give up. */
static bool waits_for_holders(const struct holder *holder)
{
    return holder->waits && holder->waits_for_ever &&
           (holder->waits_kind != CONC_CHECK_READ || holder->waits->may_give_up == 0);
}

/* Whether the way along holders and what they wait for leads from a waiting task back to it: then
 * each lock on it, from the returned one backwards, has the hold whose holder waits for the next.
 */
static struct lock *find_circle(const struct holder *begin)
{
    uint64_t search = ++searches;
    struct lock *last = begin->waits;
    last->seen = search;
    last->queue = NULL;
    last->from = NULL;
    for (struct lock *at = last; at; at = at->queue)
        for (struct held *held = at->held; held; held = held->next_of_lock) {
            if (held->holder == begin) {
                at->hold = held;
                return at;
            }
            struct lock *next = held->holder->waits;
            if (!waits_for_holders(held->holder) || next->seen == search)
                continue;
            next->seen = search;
            next->from = at;
            next->via = held;
            next->queue = NULL;
            last->queue = next;
            last = next;
        }
    return NULL;
}

static void add_waiting(struct conc_check_report *report, const struct held *held)
{
    const struct holder *holder = held->holder;
    conc_check_add(report,
        "  task %llu %s holds %s %p, taken at %s:%d in %s, and waits for %s %p at %s:%d in %s\n",
        (unsigned long long)holder->id, holder->name, kind_of(held->kind), held->lock->address,
        CONC_CHECK_AT(held->site), kind_of(holder->waits_kind), holder->waits->address,
        CONC_CHECK_AT(holder->waits_site));
}

bool conc_check_waits(
    const void *address, enum conc_check_kind kind, bool for_ever, const struct conc_site *site)
{
    struct lock *end = NULL;
    struct conc_task *self = conc_self();
    conc_check_enter();
    struct holder *holder = holder_of(self);
    struct lock *lock = lock_of(address);
    if (holder && lock) {
        no_longer_waits(holder);
        holder->waits = lock;
        holder->waits_for_ever = for_ever;
        holder->waits_kind = kind;
        holder->waits_site = site;
        lock->waiting++;
        lock->may_give_up += !for_ever;
        if (waits_for_holders(holder))
            end = find_circle(holder);
    }
    if (end && deadlock.len == 0) {
        conc_check_add(&deadlock, end->from ? "conc: deadlock: tasks wait for each other's locks\n"
                                            : "conc: deadlock: a task waits for its own lock\n");
        add_waiting(&deadlock, end->hold);
        for (const struct lock *at = end; at->from; at = at->from)
            add_waiting(&deadlock, at->via);
    }
    conc_check_leave();
    return end;
}

void conc_check_deadlock(void)
{
    conc_census_die(deadlock.text, CONC_EXIT_DEADLOCK);
}

void conc_check_gave_up(const void *address)
{
    struct conc_task *self = conc_self();
    conc_check_enter();
    struct holder *holder = *holder_place(self->id);
    struct lock *lock = *lock_place(address);
    if (holder) {
        no_longer_waits(holder);
        holder_drop_if_idle(holder);
    }
    if (lock)
        lock_drop_if_idle(lock);
    conc_check_leave();
}

/* --- waiting with a lock held -------------------------------------------------------------------
 */

/* What others may only bring about by going on: if they need the lock for that, they cannot. A
 * condition unlocks its mutex; a lock behind a lock is a matter of their order. */
static bool needs_others(const char *what)
{
    static const char *const whats[] = {"to send to channel", "to receive from channel",
        "in select", "for wait group", "for permits of semaphore"};
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++)
        if (strcmp(what, whats[i]) == 0)
            return true;
    return false;
}

void conc_check_sleeps(struct conc_task *self)
{
    const char *what = atomic_load_explicit(&self->wait_what, memory_order_relaxed);
    if (!conc_check_all || !needs_others(what))
        return;
    const struct conc_site *site = atomic_load_explicit(&self->wait_site, memory_order_relaxed);
    struct conc_check_report report = {.len = 0};
    conc_check_enter();
    const struct holder *holder = *holder_place(self->id);
    for (const struct held *held = holder ? holder->held : NULL; held; held = held->next_of_holder)
        if (is_theirs(held) &&
            conc_check_is_new("waits with a lock held", held->site, site, NULL, NULL))
            conc_check_add(&report,
                "conc: waits with a lock held: task %llu %s waits %s %p at %s:%d in %s, and holds "
                "%s "
                "%p, taken at %s:%d in %s\n",
                (unsigned long long)holder->id, holder->name, what,
                atomic_load_explicit(&self->wait_object, memory_order_relaxed), CONC_CHECK_AT(site),
                kind_of(held->kind), held->lock->address, CONC_CHECK_AT(held->site));
    conc_check_leave();
    if (report.len > 0)
        conc_check_say(&report);
}

void conc_check_own(const void *address)
{
    conc_self(); /* the first call of a program turns the checks on */
    if (!conc_check_on())
        return;
    conc_check_enter();
    struct lock *lock = lock_of(address);
    if (lock)
        lock->own = true;
    conc_check_leave();
}

/* --- what is held, for messages -----------------------------------------------------------------
 */

const char *conc_check_taken(const void *address, char *text, size_t size)
{
    text[0] = '\0';
    if (!conc_check_on())
        return text;
    conc_check_enter();
    const struct lock *lock = *lock_place(address);
    const struct conc_site *site = lock && lock->held ? lock->held->site : NULL;
    conc_check_leave();
    if (site)
        snprintf(text, size, ", taken at %s:%d in %s", site->file, site->line, site->function);
    return text;
}

size_t conc_check_holds(uint64_t task, struct conc_check_held *to, size_t max)
{
    if (!conc_check_on())
        return 0;
    /* The thread that a signal interrupted may be the one that holds the lock. */
    for (int i = 0; !conc_check_try_enter(); i++)
        if (i == 10000)
            return 0;
    size_t n = 0;
    const struct holder *holder = *holder_place(task);
    for (const struct held *held = holder ? holder->held : NULL; held && n < max;
         held = held->next_of_holder)
        to[n++] = (struct conc_check_held){held->lock->address, held->kind, held->site};
    conc_check_leave();
    return n;
}
