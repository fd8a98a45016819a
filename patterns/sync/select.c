/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "runtime/check.h"
#include "runtime/random.h"
#include "sync/chan_internal.h"
#include "sync/context.h"
#include "sync/select.h"

/*
 * The locks of all channels are taken at once, in the order of their addresses, so that two selects
 * on the same channels cannot wait for each other, and so that "none is ready" is true of one
 * moment and not of a walk. cases[i].order is the i-th place of that order.
 */

static uintptr_t address(const struct conc_select_case *cases, size_t at)
{
    return (uintptr_t)cases[cases[at].order].chan;
}

static void swap_order(struct conc_select_case *cases, size_t a, size_t b)
{
    size_t order = cases[a].order;
    cases[a].order = cases[b].order;
    cases[b].order = order;
}

/* Heapsort: n log n for any input, and no memory. */
static void sift_down(struct conc_select_case *cases, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && address(cases, child) < address(cases, child + 1))
            child++;
        if (address(cases, at) >= address(cases, child))
            return;
        swap_order(cases, at, child);
    }
}

static void sort_by_address(struct conc_select_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cases[i].order = i;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(cases, i, n);
    for (size_t i = n; i-- > 1;) {
        swap_order(cases, 0, i);
        sift_down(cases, 0, i);
    }
}

/* Whether the i-th place of the order is the first with its channel; NULL channels have no lock. */
static bool first_of_channel(const struct conc_select_case *cases, size_t i)
{
    uintptr_t chan = address(cases, i);
    return chan != 0 && (i == 0 || address(cases, i - 1) != chan);
}

static void lock_all(struct conc_select_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (first_of_channel(cases, i))
            conc_lock_acquire(&cases[cases[i].order].chan->lock);
}

/* Releases all locks but that of `kept` (NULL: all). */
static void unlock_all(struct conc_select_case *cases, size_t n, const struct conc_chan *kept)
{
    for (size_t i = n; i-- > 0;)
        if (first_of_channel(cases, i) && cases[cases[i].order].chan != kept)
            conc_lock_release(&cases[cases[i].order].chan->lock);
}

/* Whether a case can go ahead. Without the lock it is a guess. */
static inline bool ready(const struct conc_select_case *c)
{
    const struct conc_chan *ch = c->chan;
    if (!ch)
        return false;
    if (c->send ? conc_chan_count(ch) < ch->capacity || conc_wait_queue_head(&ch->receivers)
                : conc_chan_count(ch) > 0 || conc_wait_queue_head(&ch->senders))
        return true;
    return conc_chan_is_closed(ch);
}

/* Does what the case says, with the lock of its channel held. */
static inline int move(struct conc_select_case *c, struct conc_wait_node **wake)
{
    return c->send ? conc_chan_send_locked(c->chan, c->send_from, wake)
                   : conc_chan_recv_locked(c->chan, c->recv_into, wake);
}

/* Stores the outcome. The element of a receive from a closed channel was zeroed by its closer. */
static void choose(struct conc_select_case *cases, size_t at, int rc, size_t *chosen)
{
    cases[at].rc = rc;
    *chosen = at;
}

/* Draws one of the cases that seem ready, and does it. A waiter on the other side may be claimed by
 * its context at this moment: then another case is drawn. EAGAIN: none is ready. */
static int take_one(
    struct conc_select_case *cases, size_t n, size_t *chosen, struct conc_wait_node **wake)
{
    for (;;) {
        uint64_t seen = 0;
        size_t drawn = 0;
        for (size_t i = 0; i < n; i++)
            if (ready(&cases[i]) && (++seen == 1 || conc_random_below(seen) == 0))
                drawn = i;
        if (seen == 0)
            return EAGAIN;
        int rc = move(&cases[drawn], wake);
        if (rc != EAGAIN) {
            choose(cases, drawn, rc, chosen);
            return 0;
        }
    }
}

/*
 * Puts the waiter into the queues. Of several cases with the same channel and direction one is
 * drawn to stand for all; the one that sends and the one that receives on the same channel are
 * twins. So whoever claims the waiter through a channel takes out, under its lock, all there is of
 * us in that channel: afterwards it need not be touched, and may be gone. Returns a channel whose
 * lock is held, or NULL.
 */
static struct conc_chan *queue_all(
    struct conc_select_case *cases, size_t n, struct conc_waiter *waiter)
{
    struct conc_chan *ch = NULL;
    for (size_t from = 0, to; from < n; from = to) {
        struct conc_wait_node *nodes[2] = {NULL, NULL};
        uint64_t seen[2] = {0, 0};
        size_t drawn[2] = {0, 0};
        for (to = from; to < n && address(cases, to) == address(cases, from); to++) {
            size_t i = cases[to].order;
            int send = cases[i].send != 0;
            cases[i].node.queue = NULL;
            if (++seen[send] == 1 || conc_random_below(seen[send]) == 0)
                drawn[send] = i;
        }
        if (address(cases, from) == 0)
            continue;
        ch = cases[cases[from].order].chan;
        for (int send = 0; send < 2; send++) {
            if (seen[send] == 0)
                continue;
            struct conc_select_case *c = &cases[drawn[send]];
            void *data = send ? (void *)(uintptr_t)c->send_from : c->recv_into;
            nodes[send] = &c->node;
            conc_wait_queue_push(
                send ? &ch->senders : &ch->receivers, &c->node, waiter, (int)drawn[send], data);
        }
        if (nodes[0] && nodes[1]) {
            nodes[0]->twin = nodes[1];
            nodes[1]->twin = nodes[0];
        }
    }
    return ch;
}

/* Waits on all channels. Their locks are held; they are released. */
static int wait_for_one(struct conc_select_case *cases, size_t n, size_t *chosen,
    struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_waiter waiter;
    conc_waiter_init(&waiter);
    struct conc_chan *kept = queue_all(cases, n, &waiter);
    unlock_all(cases, n, kept);
    struct conc_wait_info info = {"in select", cases, site};
    int claimed = conc_wait(&waiter, kept ? &kept->lock : NULL, ctx, &info);
    for (size_t i = 0; i < n; i++) {
        struct conc_chan *ch = cases[i].chan;
        if (!ch || (claimed >= 0 && ch == cases[claimed].chan))
            continue;
        conc_lock_acquire(&ch->lock);
        conc_wait_queue_remove(&cases[i].node);
        conc_lock_release(&ch->lock);
    }
    if (claimed < 0)
        return conc_wait_error(claimed, ctx);
    choose(cases, (size_t)claimed, cases[claimed].node.result, chosen);
    return 0;
}

/* The cases that seem ready, at a look without locks. A list and not a set of bits: to draw from it
 * takes no loop and no branch that depends on what is drawn. */
enum { SEEN_MAX = 64 };
struct seen {
    size_t n;
    unsigned char at[SEEN_MAX];
};

/* EINVAL: a case is wrong. Of more cases than there is room for none is seen. */
static inline __attribute__((always_inline)) int look(
    const struct conc_select_case *cases, size_t n, struct seen *seen)
{
    seen->n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct conc_select_case *c = &cases[i];
        if (c->chan && c->send && !c->send_from && c->chan->size > 0)
            return EINVAL;
        if (CONC_LOCK_PTHREAD || n > SEEN_MAX)
            continue;
        seen->at[seen->n] = (unsigned char)i;
        seen->n += ready(c);
    }
    return 0;
}

/*
 * The common case: some are ready, and one lock is enough. One of those that seem ready is drawn,
 * and done if it is, which the lock of its channel tells; else another. EAGAIN: none was. That is
 * not yet true of one moment.
 */
static inline int take_seen(struct conc_select_case *cases, struct seen *seen, size_t *chosen)
{
    while (seen->n > 0) {
        /* The upper half of the product of n and 32 random bits: equal chances, but for 2^-26. */
        size_t drawn = seen->n == 1 ? 0 : (conc_random_u64() >> 32) * seen->n >> 32;
        size_t at = seen->at[drawn];
        struct conc_chan *ch = cases[at].chan;
        struct conc_wait_node *wake = NULL;
        conc_lock_acquire(&ch->lock);
        int rc = move(&cases[at], &wake);
        conc_lock_release(&ch->lock);
        if (wake)
            conc_wait_node_unpark(wake);
        if (rc != EAGAIN) {
            choose(cases, at, rc, chosen);
            return 0;
        }
        seen->at[drawn] = seen->at[--seen->n];
    }
    return EAGAIN;
}

/* All channels at once. Waits when `site` is given. */
static __attribute__((noinline)) int select_locked(struct conc_select_case *cases, size_t n,
    size_t *chosen, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_node *wake = NULL;
    conc_self(); /* before the locks: the first call of a thread does more than look */
    sort_by_address(cases, n);
    lock_all(cases, n);
    int rc = take_one(cases, n, chosen, &wake);
    if (rc == EAGAIN && site)
        return wait_for_one(cases, n, chosen, ctx, site);
    unlock_all(cases, n, NULL);
    if (wake)
        conc_wait_node_unpark(wake);
    return rc;
}

/* For the checks: what the chosen case has done. That its channel is closed may be an answer that
 * it has waited for, so no case is blamed for it. */
static void tell(const struct conc_select_case *c)
{
    if (c->rc == 0 && c->send)
        conc_check_sends(c->chan, 0, NULL);
    else if (c->rc == 0)
        conc_check_receives(c->chan);
}

static __attribute__((noinline)) int select_checked(struct conc_select_case *cases, size_t n,
    size_t *chosen, struct conc_context *ctx, const struct conc_site *site)
{
    struct seen seen;
    if (look(cases, n, &seen) != 0)
        return EINVAL;
    int rc = select_locked(cases, n, chosen, ctx, site);
    if (rc == 0)
        tell(&cases[*chosen]);
    return rc;
}

/* Where somebody looks on. True: the checks want to be told. */
static __attribute__((noinline)) bool is_checked(void)
{
    conc_sim_point();
    return conc_check_misuse_on();
}

int conc_select_at(struct conc_select_case *cases, size_t n, size_t *chosen,
    struct conc_context *ctx, const struct conc_site *site)
{
    struct seen seen;
    if ((!cases && n > 0) || !chosen || n > INT_MAX)
        return EINVAL;
    if (conc_is_watched() && is_checked())
        return select_checked(cases, n, chosen, ctx, site);
    if (look(cases, n, &seen) != 0)
        return EINVAL;
    if (take_seen(cases, &seen, chosen) == 0)
        return 0;
    return select_locked(cases, n, chosen, ctx, site);
}

int conc_try_select(struct conc_select_case *cases, size_t n, size_t *chosen)
{
    return conc_select_at(cases, n, chosen, NULL, NULL);
}
