/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>

#include "retry.h"
#include "runtime/task.h"
#include "runtime/clock.h"
#include "runtime/random.h"
#include "sync/context.h"
#include "sync/timer.h"

/* --- budget -------------------------------------------------------------------------------------
 */

enum { TOKEN = 1000, MOST = 1000000 };

int conc_retry_budget_init(struct conc_retry_budget *budget, int64_t permille, int64_t burst)
{
    if (!budget || permille < 0 || permille > MOST || burst < 0 || burst > MOST)
        return EINVAL;
    *budget = (struct conc_retry_budget){
        .permille = permille, .limit = burst * TOKEN, .tokens = burst * TOKEN};
    conc_lock_init(&budget->lock);
    return 0;
}

void conc_retry_budget_destroy(struct conc_retry_budget *budget)
{
    conc_lock_destroy(&budget->lock);
}

int64_t conc_retry_budget_tokens(struct conc_retry_budget *budget)
{
    conc_lock_acquire(&budget->lock);
    int64_t tokens = budget->tokens;
    conc_lock_release(&budget->lock);
    return tokens / TOKEN;
}

/* A call: puts its share in. */
static void deposit(struct conc_retry_budget *budget)
{
    conc_lock_acquire(&budget->lock);
    budget->tokens += budget->permille;
    if (budget->tokens > budget->limit)
        budget->tokens = budget->limit;
    conc_lock_release(&budget->lock);
}

/* A retry: takes a token, if there is one. */
static bool withdraw(struct conc_retry_budget *budget)
{
    conc_lock_acquire(&budget->lock);
    bool enough = budget->tokens >= TOKEN;
    if (enough)
        budget->tokens -= TOKEN;
    conc_lock_release(&budget->lock);
    return enough;
}

/* --- back-off -----------------------------------------------------------------------------------
 */

int64_t conc_retry_bound_ns(const struct conc_retry_policy *policy, int retry)
{
    int64_t bound = policy->base_ns;
    int64_t max = policy->max_ns ? policy->max_ns : CONC_FOREVER;
    for (int i = 1; i < retry && bound > 0 && bound < max; i++)
        bound = conc_time_add(bound, bound);
    return bound < max ? bound : max;
}

/* A number from 0 to bound, uniform but for one part in 2^64 / bound. */
static int64_t draw(int64_t bound, uint64_t *sequence)
{
    uint64_t below = (uint64_t)bound + 1;
    if (!sequence)
        return (int64_t)conc_random_below(below);
    __extension__ typedef unsigned __int128 wide;
    return (int64_t)(((wide)conc_splitmix64(sequence) * below) >> 64);
}

/* --- retry --------------------------------------------------------------------------------------
 */

static void end_limit(void *limit)
{
    conc_context_destroy(limit);
}

static int attempt(
    const struct conc_retry_policy *policy, conc_retry_fn *fn, void *arg, struct conc_context *ctx)
{
    if (policy->attempt_ns == 0)
        return fn(arg, ctx);
    struct conc_context limit;
    conc_context_with_timeout(&limit, ctx, policy->attempt_ns);
    /* As a cleanup: a function that ends its task must not leave this frame in its parent's tree.
     */
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, end_limit, &limit);
    int rc = fn(arg, &limit);
    conc_cleanup_pop(&cleanup, true);
    return rc;
}

/* Whether there is to be another attempt after one that failed; else out->end says why not. */
static bool may_retry(const struct conc_retry_policy *policy, struct conc_retry_outcome *out)
{
    if (policy->again && !policy->again(out->error))
        out->end = CONC_RETRY_PERMANENT;
    else if (policy->attempts > 0 && out->attempts >= policy->attempts)
        out->end = CONC_RETRY_ATTEMPTS;
    else if (policy->budget && !withdraw(policy->budget))
        out->end = CONC_RETRY_BUDGET;
    else
        return true;
    return false;
}

/* Waits before the next attempt: 0, or the error of the context. */
static int back_off(const struct conc_retry_policy *policy, struct conc_retry_outcome *out,
    uint64_t *sequence, struct conc_context *ctx, const struct conc_site *site)
{
    int64_t wait_ns = conc_retry_bound_ns(policy, out->attempts);
    if (policy->jitter == CONC_RETRY_FULL_JITTER)
        wait_ns = draw(wait_ns, sequence);
    int64_t until_ns = conc_deadline_after(wait_ns);
    if (until_ns > conc_context_deadline(ctx))
        return ETIMEDOUT;
    out->waited_ns = conc_time_add(out->waited_ns, wait_ns);
    return conc_sleep_until_at(until_ns, ctx, site);
}

/* snippet: loop */
static int run(const struct conc_retry_policy *policy, conc_retry_fn *fn, void *arg,
    struct conc_retry_outcome *out, struct conc_context *ctx, const struct conc_site *site)
{
    uint64_t state = policy->seed;
    uint64_t *sequence = state ? &state : NULL;
    int rc = conc_context_error(ctx);
    if (policy->budget && rc == 0)
        deposit(policy->budget);
    while (rc == 0) {
        out->attempts++;
        out->error = attempt(policy, fn, arg, ctx);
        if (out->error == 0) {
            out->end = CONC_RETRY_DONE;
            return 0;
        }
        if ((rc = conc_context_error(ctx)) != 0)
            break;
        if (!may_retry(policy, out))
            return out->error;
        rc = back_off(policy, out, sequence, ctx, site);
        if (rc == 0)
            rc = conc_context_error(ctx);
    }
    out->end = CONC_RETRY_CONTEXT;
    return rc;
}
/* end snippet */

int conc_retry_at(const struct conc_retry_policy *policy, conc_retry_fn *fn, void *arg,
    struct conc_retry_outcome *outcome, struct conc_context *ctx, const struct conc_site *site)
{
    if (!policy || !fn || policy->attempts < 0 || policy->base_ns < 0 || policy->max_ns < 0 ||
        policy->attempt_ns < 0)
        return EINVAL;
    struct conc_retry_outcome out = {0};
    int rc = run(policy, fn, arg, &out, ctx, site);
    if (outcome)
        *outcome = out;
    return rc;
}
