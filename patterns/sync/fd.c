/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/clock.h"
#include "sync/context.h"
#include "sync/fd.h"

/* Puts the claim of the task itself, which found the descriptor ready, before all others. */
static bool claim_ready(struct conc_waiter *waiter)
{
    int unclaimed = CONC_UNCLAIMED;
    return atomic_compare_exchange_strong(&waiter->claim, &unclaimed, 0);
}

int conc_fd_wait_at(int fd, short events, struct conc_context *ctx, const struct conc_site *site)
{
    if (events == 0)
        return EINVAL;
    int rc = conc_fd_try_wait(fd, events);
    if (rc != EAGAIN)
        return rc;
    struct conc_wait_info info = {"for a file descriptor", NULL, site};
    struct conc_waiter waiter;
    struct conc_wait_node node = {.queue = NULL};
    conc_waiter_init(&waiter);
    if (ctx && (rc = conc_context_enlist(ctx, &node, &waiter)) != 0)
        return rc;
    short revents;
    rc = conc_park_fd(NULL, fd, events, &revents, conc_context_deadline(ctx), &info);
    bool token_taken = rc == 0 && revents == 0;
    if (!token_taken && !claim_ready(&waiter))
        conc_park(NULL, CONC_FOREVER, &info); /* cancelled at the same moment: take the token */
    if (ctx)
        conc_context_delist(ctx, &node);
    if (token_taken || rc == ETIMEDOUT)
        return conc_wait_error(rc == ETIMEDOUT ? CONC_CLAIM_DEADLINE : CONC_CLAIM_CONTEXT, ctx);
    return rc;
}

int conc_fd_try_wait(int fd, short events)
{
    if (events == 0)
        return EINVAL;
    if (fd < 0)
        return EBADF; /* poll would pass over it in silence */
    short revents = 0;
    static const struct conc_wait_info info = {"for a file descriptor", NULL, NULL};
    int rc = conc_park_fd(NULL, fd, events, &revents, 0, &info);
    return rc == ETIMEDOUT ? EAGAIN : rc;
}
