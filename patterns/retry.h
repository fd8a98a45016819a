/* SPDX-License-Identifier: MIT */
#ifndef CONC_RETRY_H
#define CONC_RETRY_H

/*
 * Retry: calls a function again after it has failed, waiting longer each time, until it succeeds or
 * there is a reason to stop: too many attempts, an error that no repetition cures, the context's
 * end, or a budget that is used up.
 *
 *   struct conc_retry_budget budget;                        // one for all callers of one server
 *   conc_retry_budget_init(&budget, 100, 10);               // retries: 10 % of calls, 10 at once
 *
 *   struct conc_retry_policy policy = {
 *       .attempts = 5, .base_ns = CONC_MS(10), .max_ns = CONC_S(1), .budget = &budget};
 *   int rc = conc_retry(&policy, fetch, &page, NULL, ctx);  // int fetch(void *arg, ctx)
 *
 * The wait before retry k (1, 2, …) is drawn from 0 to min(max, base · 2^(k-1)): exponential
 * back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015). Without jitter,
 * callers that failed together come back together. Without a budget, a server in trouble is sent a
 * multiple of its normal load: n attempts on each of three layers make n³ calls.
 *
 * A policy is read only and may be shared by any number of tasks; a budget is made to be.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/lock.h"
#include "runtime/site.h"

struct conc_context;

/*
 * A retry budget: a bucket of tokens. Each call puts a fraction of a token in, each retry takes a
 * whole one out, and where there is none there is no retry. So retries add at most that fraction to
 * the load in the long run, whatever happens. (The idea is that of Finagle's RetryBudget and of
 * gRPC's retry throttling; here tokens do not expire, so that no clock is needed.)
 */
struct conc_retry_budget {
    struct conc_lock lock; /* guards tokens */
    int64_t permille;      /* fixed: thousandths of a token per call */
    int64_t limit;         /* fixed: thousandths of a token that fit */
    int64_t tokens;        /* thousandths */
};

/* Makes a full budget: `permille` retries per 1000 calls, and `burst` at once. Both from 0 to
 * 1 000 000; a burst of 0 allows no retry at all. 0; EINVAL: an argument out of range. */
int conc_retry_budget_init(struct conc_retry_budget *budget, int64_t permille, int64_t burst);

/* Ends its life. */
void conc_retry_budget_destroy(struct conc_retry_budget *budget);

/* Whole tokens in it at this moment. */
int64_t conc_retry_budget_tokens(struct conc_retry_budget *budget);

enum conc_retry_jitter {
    CONC_RETRY_FULL_JITTER,
    CONC_RETRY_NO_JITTER, /* wait the whole bound each time; for comparison */
};

struct conc_retry_policy {
    int attempts;                     /* at most so many calls of fn; 0: no bound */
    int64_t base_ns;                  /* bound of the first wait; 0: no waiting */
    int64_t max_ns;                   /* bound of all waits; 0: none */
    enum conc_retry_jitter jitter;    /* see above */
    uint64_t seed;                    /* of the draws of each conc_retry; 0: the calling task's own
                                         sequence (runtime/random.h) */
    int64_t attempt_ns;               /* time limit of one attempt; 0: none */
    struct conc_retry_budget *budget; /* or NULL */

    /* Whether an error is worth another attempt; NULL: every one is. */
    bool (*again)(int rc);
};

/* Why conc_retry returned. */
enum conc_retry_end {
    CONC_RETRY_DONE,      /* fn has succeeded */
    CONC_RETRY_ATTEMPTS,  /* all attempts are used up */
    CONC_RETRY_PERMANENT, /* `again` said no */
    CONC_RETRY_BUDGET,    /* no token left */
    CONC_RETRY_CONTEXT,   /* the context has ended, or would have before the next attempt */
};

struct conc_retry_outcome {
    enum conc_retry_end end;
    int attempts;      /* calls of fn */
    int error;         /* what the last of them returned; 0 also when there was none */
    int64_t waited_ns; /* the waits decided upon, summed */
};

/* Tries something: 0, or an error code. Its context ends with that of conc_retry and at the time
 * limit of the attempt. */
typedef int conc_retry_fn(void *arg, struct conc_context *ctx);

/*
 * int conc_retry(const struct conc_retry_policy *policy, conc_retry_fn *fn, void *arg,
 *                struct conc_retry_outcome *outcome, struct conc_context *ctx)
 *
 * Calls fn(arg) until it returns 0 or the policy says stop, and waits in between; a wait is ended
 * by a cancel or the deadline. A wait that would outlast the deadline is not begun: it could only
 * end in ETIMEDOUT. `outcome` (may be NULL) receives the details, for every result but EINVAL.
 *
 * 0: fn has succeeded. The error of the last attempt: attempts or budget are used up, or the error
 * is permanent. ECANCELED, ETIMEDOUT: the context's end (where fn returned these of its own,
 * outcome->end tells). With a context that is done fn is not called. EINVAL: policy or fn is NULL,
 * or a number in the policy is negative.
 */
#define conc_retry(policy, fn, arg, outcome, ctx)                                                  \
    conc_retry_at((policy), (fn), (arg), (outcome), (ctx), CONC_HERE)
int conc_retry_at(const struct conc_retry_policy *policy, conc_retry_fn *fn, void *arg,
    struct conc_retry_outcome *outcome, struct conc_context *ctx, const struct conc_site *site);

/* The bound of the wait before the retry with this number (1, 2, …), without jitter: for tables and
 * tests. Never overflows; CONC_FOREVER where it is longer than any time. */
int64_t conc_retry_bound_ns(const struct conc_retry_policy *policy, int retry);

#endif
