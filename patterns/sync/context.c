/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "sync/context.h"

/* States of an after-callback. GATHERED: its context has ended, and it stands in the list of the
 * task that ended it, to be called. */
enum { STOPPED, ARMED, GATHERED, CALLING, CALLED };

/* Guards every callback from GATHERED on: a list of gathered ones may hold records of many
 * contexts, and each may still be stopped. Taken after the lock of a context. */
static struct conc_lock afters_lock = CONC_LOCK_INIT;

/* The error of a context that is done, else 0. */
static int error_of(struct conc_context *ctx)
{
    int error = atomic_load_explicit(&ctx->error, memory_order_acquire);
    return error == CONC_CONTEXT_ASK ? 0 : error;
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* Enters ctx into its parent's children, or makes it done if the parent is. */
static void attach(struct conc_context *ctx)
{
    struct conc_context *parent = ctx->parent;
    conc_context_error(parent); /* a deadline that has passed counts */
    conc_lock_acquire(&parent->lock);
    int error = error_of(parent);
    if (error != 0) {
        ctx->cause = parent->cause;
        CONC_NOTE(&ctx->error, error, memory_order_release);
    }
    /* A child of a done parent is entered too: the parent must not be destroyed before it. */
    ctx->next_sibling = parent->children;
    if (parent->children)
        parent->children->prev_sibling = ctx;
    parent->children = ctx;
    conc_lock_release(&parent->lock);
}

static void detach(struct conc_context *ctx)
{
    struct conc_context *parent = ctx->parent;
    conc_lock_acquire(&parent->lock);
    *(ctx->prev_sibling ? &ctx->prev_sibling->next_sibling : &parent->children) = ctx->next_sibling;
    if (ctx->next_sibling)
        ctx->next_sibling->prev_sibling = ctx->prev_sibling;
    conc_lock_release(&parent->lock);
}

/* Whether one load tells all. Before there is a task the engine is not known, which may be sim. */
static bool quick_to_ask(const struct conc_context *ctx)
{
    return ctx->deadline_ns == CONC_FOREVER && conc_task_current_get() &&
           !atomic_load_explicit(&conc_sim_on, memory_order_relaxed);
}

static void init(struct conc_context *ctx, struct conc_context *parent, int64_t deadline_ns,
    const void *key, void *value)
{
    int64_t inherited = conc_context_deadline(parent);
    deadline_ns = inherited < deadline_ns ? inherited : deadline_ns;
    /* Field by field: for a whole record gcc takes rep stos, which is slow to start. */
    ctx->parent = parent;
    ctx->deadline_ns = deadline_ns;
    ctx->key = key;
    ctx->value = value;
    ctx->cause = 0;
    ctx->waiters = (struct conc_wait_queue){.head = NULL};
    ctx->afters = NULL;
    ctx->children = NULL;
    ctx->next_sibling = NULL;
    ctx->prev_sibling = NULL;
    atomic_init(&ctx->error, quick_to_ask(ctx) ? 0 : CONC_CONTEXT_ASK);
    conc_lock_init(&ctx->lock);
    if (parent)
        attach(ctx);
}

void conc_context_with_cancel(struct conc_context *ctx, struct conc_context *parent)
{
    init(ctx, parent, CONC_FOREVER, NULL, NULL);
}

void conc_context_with_deadline(
    struct conc_context *ctx, struct conc_context *parent, int64_t deadline_ns)
{
    init(ctx, parent, deadline_ns, NULL, NULL);
}

void conc_context_with_timeout(
    struct conc_context *ctx, struct conc_context *parent, int64_t timeout_ns)
{
    init(ctx, parent, conc_deadline_after(timeout_ns), NULL, NULL);
}

void conc_context_with_value(
    struct conc_context *ctx, struct conc_context *parent, const void *key, void *value)
{
    init(ctx, parent, CONC_FOREVER, key, value);
}

void conc_context_destroy(struct conc_context *ctx)
{
    /* Nobody may come any more, but whoever ended it may still be on the way out. Looking is enough
     * to learn that he has left, and is no locked instruction. */
    conc_sim_point();
    if (conc_lock_is_held(&ctx->lock)) {
        conc_lock_acquire(&ctx->lock);
        conc_lock_release(&ctx->lock);
    }
    const char *left = ctx->children                         ? "children"
                       : conc_wait_queue_head(&ctx->waiters) ? "waiters"
                       : ctx->afters                         ? "after-callbacks"
                                                             : NULL;
    if (left)
        conc_panic(CONC_HERE, "a context is destroyed that still has %s", left);
    if (ctx->parent)
        detach(ctx);
    conc_lock_destroy(&ctx->lock);
}

/* --- being done ---------------------------------------------------------------------------------
 */

static void link_after(struct conc_context_after **list, struct conc_context_after *after)
{
    after->next = *list;
    after->link = list;
    if (after->next)
        after->next->link = &after->next;
    *list = after;
}

static void unlink_after(struct conc_context_after *after)
{
    *after->link = after->next;
    if (after->next)
        after->next->link = after->link;
}

/* What is to be done for those who wait for an end, once no lock is held. */
struct ended {
    struct conc_wait_node *waiters; /* claimed */
    struct conc_wait_node **waiters_end;
    struct conc_context_after *afters; /* under afters_lock: may be stopped meanwhile */
    bool some_afters;
};

/* Ends one context, whose lock is held: claims its waiters, gathers its callbacks. */
static void end_one(struct conc_context *ctx, int error, int cause, struct ended *ended)
{
    if (error_of(ctx) != 0)
        return;
    ctx->cause = cause;
    CONC_NOTE(&ctx->error, error, memory_order_release);
    if (conc_wait_queue_head(&ctx->waiters)) {
        *ended->waiters_end = conc_wait_queue_claim_all(&ctx->waiters);
        while (*ended->waiters_end)
            ended->waiters_end = &(*ended->waiters_end)->next;
    }
    if (!ctx->afters)
        return;
    ended->some_afters = true;
    conc_lock_acquire(&afters_lock);
    while (ctx->afters) {
        struct conc_context_after *after = ctx->afters;
        unlink_after(after);
        link_after(&ended->afters, after);
        after->state = GATHERED;
    }
    conc_lock_release(&afters_lock);
}

/* Calls the gathered callbacks, those first that were gathered last: from the leaves to the root.
 */
static void call_gathered(struct conc_context_after **afters)
{
    for (;;) {
        conc_lock_acquire(&afters_lock);
        struct conc_context_after *after = *afters;
        if (after) {
            unlink_after(after);
            after->state = CALLING;
            after->runner = conc_self();
        }
        conc_lock_release(&afters_lock);
        if (!after)
            return;
        after->fn(after->arg);
        conc_lock_acquire(&afters_lock);
        after->state = CALLED; /* the record is its owner's again once we let go of the lock */
        struct conc_wait_node *stoppers = conc_wait_queue_claim_all(&after->stoppers);
        conc_lock_release(&afters_lock);
        conc_wait_list_unpark(stoppers);
    }
}

/*
 * Ends ctx and everything below it. Walks the tree with the locks of the path from ctx to the node
 * at hand held, so no child can leave, or come, unseen; no recursion, however deep the tree.
 * Waiters and callbacks are gathered on the way and woken after the last lock is released.
 */
static void end_tree(struct conc_context *ctx, int error, int cause)
{
    struct ended ended = {.waiters_end = &ended.waiters};
    int64_t now_ns = 0; /* read when first needed */

    struct conc_context *at = ctx;
    conc_lock_acquire(&at->lock);
    bool fresh = error_of(at) == 0; /* not done before: neither is the tree below */
    end_one(at, error, cause, &ended);
    struct conc_context *child = fresh ? at->children : NULL;
    for (;;) {
        if (child) {
            conc_lock_acquire(&child->lock);
            fresh = error_of(child) == 0;
            /* A deadline that passed below came before this end, though nobody has noticed it yet;
             * those further down have deadlines no later, so it holds for all of them. */
            if (child->deadline_ns != CONC_FOREVER && now_ns == 0)
                now_ns = conc_now_ns();
            bool passed = child->deadline_ns != CONC_FOREVER && child->deadline_ns <= now_ns;
            end_one(child, passed ? ETIMEDOUT : error, passed ? ETIMEDOUT : cause, &ended);
            at = child;
            child = fresh ? at->children : NULL;
            continue;
        }
        struct conc_context *done = at;
        if (done == ctx) {
            conc_lock_release(&done->lock);
            break;
        }
        at = done->parent;
        child = done->next_sibling;
        conc_lock_release(&done->lock);
    }
    if (ended.waiters)
        conc_wait_list_unpark(ended.waiters);
    if (ended.some_afters)
        call_gathered(&ended.afters);
}

void conc_context_cancel_cause(struct conc_context *ctx, int cause)
{
    conc_context_error(ctx); /* a deadline that has passed came first */
    end_tree(ctx, ECANCELED, cause != 0 ? cause : ECANCELED);
}

void conc_context_cancel(struct conc_context *ctx)
{
    conc_context_cancel_cause(ctx, ECANCELED);
}

int conc_context_error_slow(struct conc_context *ctx)
{
#if CONC_LOCK_PTHREAD
    /* Helgrind and DRD do not see that the load orders anything; the lock tells them. */
    conc_lock_acquire(&ctx->lock);
    conc_lock_release(&ctx->lock);
#else
    conc_sim_point(); /* a loop that asks until it is told to stop must let others run */
    int ask = CONC_CONTEXT_ASK;
    if (quick_to_ask(ctx) && atomic_compare_exchange_strong(&ctx->error, &ask, 0))
        return 0; /* made before there was a task; from now on it is quick */
#endif
    int error = error_of(ctx);
    if (error != 0 || ctx->deadline_ns == CONC_FOREVER || conc_now_ns() < ctx->deadline_ns)
        return error;
    /* The deadline is that of the highest context which has it: the whole tree below is done. */
    struct conc_context *top = ctx;
    while (top->parent && top->parent->deadline_ns == ctx->deadline_ns)
        top = top->parent;
    end_tree(top, ETIMEDOUT, ETIMEDOUT);
    return error_of(ctx);
}

int conc_context_cause(struct conc_context *ctx)
{
    if (conc_context_error(ctx) == 0)
        return 0;
    /* The error alone orders the read; the lock is for the tools, which do not know atomics. */
    conc_lock_acquire(&ctx->lock);
    int cause = ctx->cause;
    conc_lock_release(&ctx->lock);
    return cause;
}

int64_t conc_context_deadline(const struct conc_context *ctx)
{
    return ctx ? ctx->deadline_ns : CONC_FOREVER;
}

void *conc_context_value(const struct conc_context *ctx, const void *key)
{
    for (; ctx; ctx = ctx->parent)
        if (ctx->key && ctx->key == key)
            return ctx->value;
    return NULL;
}

/* --- waiting for it -----------------------------------------------------------------------------
 */

int conc_context_enlist(
    struct conc_context *ctx, struct conc_wait_node *node, struct conc_waiter *waiter)
{
    conc_lock_acquire(&ctx->lock);
    int error = error_of(ctx);
    if (error == 0)
        conc_wait_queue_push(&ctx->waiters, node, waiter, CONC_CLAIM_CONTEXT, NULL);
    conc_lock_release(&ctx->lock);
    return error;
}

void conc_context_delist(struct conc_context *ctx, struct conc_wait_node *node)
{
    conc_lock_acquire(&ctx->lock);
    conc_wait_queue_remove(node);
    conc_lock_release(&ctx->lock);
}

int conc_context_wait_at(struct conc_context *ctx, const struct conc_site *site)
{
    if (!ctx)
        return EINVAL;
    int error = conc_context_error(ctx);
    if (error != 0)
        return error;
    struct conc_waiter waiter;
    conc_waiter_init(&waiter);
    struct conc_wait_info info = {"for the end of context", ctx, site};
    return conc_wait_error(conc_wait(&waiter, NULL, ctx, &info), ctx);
}

/* --- callbacks ----------------------------------------------------------------------------------
 */

static void deadline_comes(void *arg)
{
    conc_context_error(arg);
}

int conc_context_after(
    struct conc_context_after *after, struct conc_context *ctx, void (*fn)(void *), void *arg)
{
    if (!after || !ctx || !fn)
        return EINVAL;
    *after = (struct conc_context_after){.ctx = ctx, .fn = fn, .arg = arg, .state = STOPPED};
    if (ctx->deadline_ns != CONC_FOREVER && conc_context_error(ctx) == 0) {
        int rc = conc_timer_arm(&after->deadline, ctx->deadline_ns, 0, deadline_comes, ctx);
        if (rc != 0)
            return rc;
    }
    struct conc_context_after *at_once = NULL;
    conc_lock_acquire(&ctx->lock);
    if (error_of(ctx) == 0) {
        link_after(&ctx->afters, after);
        after->state = ARMED;
    } else {
        link_after(&at_once, after);
        after->state = GATHERED;
    }
    bool now = after->state == GATHERED;
    conc_lock_release(&ctx->lock);
    if (now)
        call_gathered(&at_once);
    return 0;
}

bool conc_context_after_stop(struct conc_context_after *after)
{
    struct conc_task *self = conc_self();
    conc_timer_disarm(&after->deadline);
    struct conc_context *ctx = after->ctx;
    conc_lock_acquire(&ctx->lock);
    conc_lock_acquire(&afters_lock);
    if (after->state == ARMED || after->state == GATHERED) {
        unlink_after(after);
        after->state = STOPPED;
    }
    bool stopped = after->state == STOPPED;
    conc_lock_release(&ctx->lock);
    if (after->state == CALLING && after->runner != self)
        conc_wait_in(
            &afters_lock, NULL, NULL, CONC_HERE, &after->stoppers, "for the callback of a context");
    else
        conc_lock_release(&afters_lock);
    return stopped;
}
