/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/clock.h"
#include "runtime/cores.h"
#include "runtime/jump_return.h"
#include "sync/context.h"
#include "sync/waiter.h"

void conc_wait_queue_push_front(struct conc_wait_queue *queue, struct conc_wait_node *node,
    struct conc_waiter *waiter, int index, void *data)
{
    struct conc_wait_node *head = conc_wait_queue_head(queue);
    *node = (struct conc_wait_node){
        .next = head,
        .queue = queue,
        .waiter = waiter,
        .task = waiter ? waiter->task : conc_self(),
        .index = index,
        .data = data,
    };
    *(head ? &head->prev : &queue->tail) = node;
    conc_wait_queue_set_head(queue, node);
}

void conc_wait_queue_remove(struct conc_wait_node *node)
{
    struct conc_wait_queue *queue = node->queue;
    if (!queue)
        return;
    if (node->prev)
        node->prev->next = node->next;
    else
        conc_wait_queue_set_head(queue, node->next);
    *(node->next ? &node->next->prev : &queue->tail) = node->prev;
    node->queue = NULL;
}

struct conc_wait_node *conc_wait_queue_claim_all(struct conc_wait_queue *queue)
{
    struct conc_wait_node *list = NULL;
    struct conc_wait_node **end = &list;
    struct conc_wait_node *node;
    while ((node = conc_wait_queue_claim(queue))) {
        node->next = NULL;
        *end = node;
        end = &node->next;
    }
    return list;
}

void conc_wait_list_unpark(struct conc_wait_node *list)
{
    while (list) {
        struct conc_wait_node *next = list->next; /* the node is gone once its task runs */
        __builtin_prefetch(list->prev);           /* one that comes later, or NULL */
        conc_wait_node_unpark(list);
        list = next;
    }
}

static bool claim(struct conc_waiter *waiter, int as)
{
    int unclaimed = CONC_UNCLAIMED;
    return atomic_compare_exchange_strong(&waiter->claim, &unclaimed, as);
}

int conc_wait_shared(struct conc_waiter *waiter, struct conc_lock *held, struct conc_context *ctx,
    const struct conc_wait_info *info)
{
    struct conc_wait_node node = {.queue = NULL};
    if (ctx && conc_context_enlist(ctx, &node, waiter) != 0 && claim(waiter, CONC_CLAIM_CONTEXT)) {
        if (held)
            conc_lock_release(held);
        return CONC_CLAIM_CONTEXT;
    }
    /* Parked once for each claim: a claim of ours takes no token, anybody else's brings one. */
    if (conc_park(held, conc_context_deadline(ctx), info) == ETIMEDOUT &&
        !claim(waiter, CONC_CLAIM_DEADLINE))
        conc_park(NULL, CONC_FOREVER, info);
    if (ctx)
        conc_context_delist(ctx, &node);
    return atomic_load(&waiter->claim);
}

int conc_wait_error(int claim, struct conc_context *ctx)
{
    /* Not the claim decides: where a cancel and the deadline met, all who ask get the same answer.
     * Asking also makes a deadline known to the tree. */
    int error = conc_context_error(ctx);
    return error == 0 && claim == CONC_CLAIM_DEADLINE ? ETIMEDOUT : error;
}

/* With a context, or where somebody looks on. */
static __attribute__((noinline)) int wait_in_slowly(struct conc_lock *held, void *data,
    struct conc_context *ctx, const struct conc_site *site, struct conc_wait_queue *queue,
    const char *what)
{
    struct conc_wait_info info = {what, held, site};
    struct conc_waiter waiter;
    struct conc_wait_node node;
    if (!ctx) {
        struct conc_task *self = conc_self();
        conc_wait_queue_push_sole(queue, &node, self, data);
        conc_park_sole(self, held, &info);
        return node.result;
    }
    conc_wait_queue_push(queue, &node, conc_waiter_init(&waiter), 0, data);
    int claim = conc_wait_shared(&waiter, held, ctx, &info);
    if (claim >= 0)
        return node.result;
    conc_lock_acquire(held);
    conc_wait_queue_remove(&node);
    conc_lock_release(held);
    return conc_wait_error(claim, ctx);
}

#if defined(__x86_64__)
CONC_JUMP_RETURN(conc_wait_in, conc_wait_in_body);
#else
#define CONC_JUMP_RETURN_BODY
#define conc_wait_in_body conc_wait_in
#endif

CONC_JUMP_RETURN_BODY int conc_wait_in_body(struct conc_lock *held, void *data,
    struct conc_context *ctx, const struct conc_site *site, struct conc_wait_queue *queue,
    const char *what);

int conc_wait_in_body(struct conc_lock *held, void *data, struct conc_context *ctx,
    const struct conc_site *site, struct conc_wait_queue *queue, const char *what)
{
    struct conc_task *self = conc_task_current_get();
    if (ctx || !self || conc_is_watched())
        return wait_in_slowly(held, data, ctx, site, queue, what);
    struct conc_wait_info info = {what, held, site};
    struct conc_wait_node node;
    conc_wait_queue_push_sole(queue, &node, self, data);
    conc_park_sole_unwatched(self, held, &info);
    return node.result;
}

/* About what it takes to put a message into a buffer or to take one out, and what a wait costs at
 * least. */
enum { MESSAGE_NS = 20, MOST_PATIENCE_NS = 1000 };

int conc_wait_patience_ns(size_t capacity)
{
    if (conc_engine() != &conc_engine_threads || conc_cores() == 1)
        return 0;
    size_t most = MOST_PATIENCE_NS / MESSAGE_NS;
    return MESSAGE_NS * (int)(capacity < most ? capacity : most);
}

void conc_wait_stay_away(const struct conc_wait_queue *queue, struct conc_lock *held, int64_t ns)
{
    if (conc_wait_queue_head(queue)) /* their turn comes first */
        return;
    conc_lock_release(held);
    conc_core_wait(ns);
    conc_lock_acquire(held);
}
