/* SPDX-License-Identifier: MIT */

/*
 * The bucket is two numbers: so many tokens at such a moment. What it holds later follows:
 *
 *   tokens(t) = tokens + (t - base) × rate, but never more than burst
 *
 * Taking n makes it `tokens - n`; when that is negative, the taker may act at the t at which
 * tokens(t) is 0. Only a full bucket moves the base (and, once in a million tokens, so does
 * precision): n being whole, the sums stay whole numbers, which a double holds exactly, and what
 * rounding there is does not add up. Rejected: to carry the tokens along to `now` at each call, as
 * the Go original does, which rounds each time; and a tick of 1/rate seconds, which is no time at
 * all for high rates and for ever for low ones.
 */

#include "rate_limiter.h"

#include <errno.h>
#include <stddef.h>

#include "sync/context.h"
#include "sync/timer.h"

#define SECOND 1e9
#define NEVER INT64_MAX

/* From so many tokens on, the base is moved: the fraction has at least 32 bits then. */
#define FOLD_AT 1048576.0

/* As an initial base: the bucket has been full since ever, on whatever axis of time. */
#define SINCE_EVER INT64_MIN

static bool legal(double rate, int64_t burst)
{
    return rate >= 0 && burst >= 0; /* false for a NaN */
}

static bool infinite(double rate)
{
    return rate == CONC_RATE_INFINITE;
}

double conc_rate_every(int64_t interval_ns)
{
    return interval_ns <= 0 ? CONC_RATE_INFINITE : SECOND / (double)interval_ns;
}

int conc_rate_limiter_init(struct conc_rate_limiter *limiter, double rate, int64_t burst)
{
    if (!limiter || !legal(rate, burst))
        return EINVAL;
    *limiter = (struct conc_rate_limiter){.rate = rate,
        .burst = burst,
        .tokens = (double)burst,
        .base_ns = SINCE_EVER,
        .fills_ns = NEVER};
    conc_lock_init(&limiter->lock);
    return 0;
}

void conc_rate_limiter_destroy(struct conc_rate_limiter *limiter)
{
    conc_lock_acquire(&limiter->lock);
    bool used = conc_wait_queue_head(&limiter->waiters);
    conc_lock_release(&limiter->lock);
    if (used)
        conc_panic(CONC_HERE, "a rate limiter is destroyed that a task waits for");
    conc_lock_destroy(&limiter->lock);
}

/* ------------------------------------------------------------------ arithmetic, under the lock */

/* What flows in from the base to now. */
static inline double inflow(const struct conc_rate_limiter *limiter, int64_t now_ns)
{
    int64_t elapsed;
    if (now_ns <= limiter->base_ns)
        return 0;
    if (__builtin_sub_overflow(now_ns, limiter->base_ns, &elapsed))
        elapsed = INT64_MAX;
    /* The product of two whole numbers comes first: it is exact up to 2^53. */
    return (double)elapsed * limiter->rate / SECOND;
}

/* How long the bucket takes to be full from the base on, when that has so many tokens; rather some
 * nanoseconds more than one less. */
static inline int64_t fills_ns(const struct conc_rate_limiter *limiter, double tokens)
{
    double ns = ((double)limiter->burst - tokens) * (SECOND * (1 + 1e-9)) / limiter->rate + 1;
    return ns < 9.2e18 ? (int64_t)ns : NEVER;
}

/* Whether it is full for certain, by a comparison of whole numbers. What is computed from the time
 * waits for the clock, and that is most of what an allow costs; this was computed before. */
static inline bool full_long_since(const struct conc_rate_limiter *limiter, int64_t now_ns)
{
    int64_t elapsed;
    return !__builtin_sub_overflow(now_ns, limiter->base_ns, &elapsed) &&
           elapsed > limiter->fills_ns;
}

/* Brings the bucket to now: afterwards tokens(now) is within the burst. */
static inline void advance(struct conc_rate_limiter *limiter, int64_t now_ns)
{
    double burst = (double)limiter->burst;
    if (full_long_since(limiter, now_ns)) {
        limiter->tokens = burst;
        limiter->base_ns = now_ns;
        return;
    }
    double in = infinite(limiter->rate) ? burst : inflow(limiter, now_ns);
    if (infinite(limiter->rate) || limiter->tokens + in >= burst)
        limiter->tokens = burst;
    else if (in >= FOLD_AT)
        limiter->tokens += in;
    else
        return;
    if (now_ns > limiter->base_ns)
        limiter->base_ns = now_ns;
}

/* The first moment at which tokens(t) >= 0, had the base so many, less than 0; NEVER where there is
 * none. */
static int64_t time_of_debt(const struct conc_rate_limiter *limiter, double tokens)
{
    double ns = -tokens * SECOND / limiter->rate;
    /* Also for a rate of 0, for which it is infinite. */
    if (!(ns < 9.2e18))
        return NEVER;
    int64_t whole = (int64_t)ns;
    if ((double)whole < ns)
        whole++;
    return conc_time_add(limiter->base_ns, whole);
}

/* Takes n tokens that are there by latest_ns at the latest: 0 and the reservation, if one is
 * wanted; EMSGSIZE: never with this burst; EBUSY: never with this rate; EAGAIN: not by latest_ns.
 * Inline, so that who wants none does not pay for it. */
static inline int take(struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns,
    int64_t latest_ns, struct conc_reservation *reservation)
{
    struct conc_reservation made = {
        .limiter = limiter, .n = n, .act_ns = now_ns, .order = limiter->reserved};
    if (infinite(limiter->rate) || n == 0) {
        made.limiter = NULL; /* nothing is taken, so nothing can go back */
    } else {
        if (n > limiter->burst)
            return EMSGSIZE;
        advance(limiter, now_ns);
        double left = limiter->tokens - (double)n;
        int64_t act_ns = left < 0 ? time_of_debt(limiter, left) : now_ns;
        if (act_ns == NEVER && left < 0)
            return EBUSY;
        if (act_ns > now_ns && act_ns > latest_ns)
            return EAGAIN;
        if (act_ns > now_ns)
            made.act_ns = act_ns;
        limiter->tokens = left;
        limiter->fills_ns = fills_ns(limiter, left);
        limiter->reserved += n;
        made.order = limiter->reserved;
    }
    if (reservation)
        *reservation = made;
    return 0;
}

/* ------------------------------------------------------------------ asking and taking */

static __attribute__((noinline)) int try_wait_slowly(
    struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns)
{
    if (!limiter || n < 0)
        return EINVAL;
    conc_lock_acquire(&limiter->lock);
    int rc = take(limiter, n, now_ns, INT64_MIN, NULL);
    conc_lock_release(&limiter->lock);
    return rc == EBUSY ? EAGAIN : rc; /* wait would wait */
}

int conc_rate_limiter_try_wait_at_time(struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns)
{
    if (!limiter || n < 0 || !conc_lock_acquire_quick(&limiter->lock))
        return try_wait_slowly(limiter, n, now_ns);
    int rc = take(limiter, n, now_ns, INT64_MIN, NULL);
    conc_lock_release(&limiter->lock);
    return rc == EBUSY ? EAGAIN : rc;
}

int conc_rate_limiter_try_wait(struct conc_rate_limiter *limiter, int64_t n)
{
    return conc_rate_limiter_try_wait_at_time(limiter, n, conc_now_ns());
}

bool conc_rate_limiter_allow_at_time(struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns)
{
    return conc_rate_limiter_try_wait_at_time(limiter, n, now_ns) == 0;
}

bool conc_rate_limiter_allow(struct conc_rate_limiter *limiter, int64_t n)
{
    return conc_rate_limiter_try_wait(limiter, n) == 0;
}

int conc_rate_limiter_reserve_at_time(struct conc_rate_limiter *limiter, int64_t n,
    struct conc_reservation *reservation, int64_t now_ns)
{
    if (!limiter || n < 0 || !reservation)
        return EINVAL;
    conc_lock_acquire(&limiter->lock);
    int rc = take(limiter, n, now_ns, INT64_MAX, reservation);
    conc_lock_release(&limiter->lock);
    return rc;
}

int conc_rate_limiter_reserve(
    struct conc_rate_limiter *limiter, int64_t n, struct conc_reservation *reservation)
{
    return conc_rate_limiter_reserve_at_time(limiter, n, reservation, conc_now_ns());
}

int conc_rate_limiter_wait_at(struct conc_rate_limiter *limiter, int64_t n,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!limiter || n < 0)
        return EINVAL;
    struct conc_reservation ours;
    int64_t now_ns;
    int rc;
    for (;;) {
        now_ns = conc_now_ns();
        conc_lock_acquire(&limiter->lock);
        rc = take(limiter, n, now_ns, conc_context_deadline(ctx), &ours);
        if (rc != EBUSY)
            break;
        rc = conc_wait_in(
            &limiter->lock, NULL, ctx, site, &limiter->waiters, "for a change of rate limiter");
        if (rc != 0)
            return rc;
    }
    conc_lock_release(&limiter->lock);
    if (rc == EAGAIN) {
        /* The deadline is before our time. A cancel that has come is still the reason. */
        int error = conc_context_error(ctx);
        return error != 0 ? error : ETIMEDOUT;
    }
    if (rc != 0 || ours.act_ns <= now_ns)
        return rc;
    rc = conc_sleep_until_at(ours.act_ns, ctx, site);
    if (rc != 0)
        conc_reservation_cancel(&ours);
    return rc;
}

/* ------------------------------------------------------------------ reservations */

int64_t conc_reservation_delay_at_time(const struct conc_reservation *reservation, int64_t now_ns)
{
    int64_t delay;
    if (now_ns >= reservation->act_ns)
        return 0;
    return __builtin_sub_overflow(reservation->act_ns, now_ns, &delay) ? INT64_MAX : delay;
}

int64_t conc_reservation_delay(const struct conc_reservation *reservation)
{
    return conc_reservation_delay_at_time(reservation, conc_now_ns());
}

int64_t conc_reservation_cancel_at_time(struct conc_reservation *reservation, int64_t now_ns)
{
    struct conc_rate_limiter *limiter = reservation->limiter;
    reservation->limiter = NULL;
    if (!limiter || reservation->act_ns < now_ns)
        return 0;
    conc_lock_acquire(&limiter->lock);
    int64_t later = limiter->reserved - reservation->order;
    int64_t back = reservation->n - later;
    if (back > 0) {
        limiter->tokens += (double)back;
        if (later == 0)
            limiter->reserved -= back; /* the one before is the last again */
        advance(limiter, now_ns);
    }
    conc_lock_release(&limiter->lock);
    return back > 0 ? back : 0;
}

int64_t conc_reservation_cancel(struct conc_reservation *reservation)
{
    return conc_reservation_cancel_at_time(reservation, conc_now_ns());
}

/* ------------------------------------------------------------------ settings */

/* Changes the rate or the burst; those who wait without a time then ask for one again. */
static int set(
    struct conc_rate_limiter *limiter, const double *rate, const int64_t *burst, int64_t now_ns)
{
    if (!limiter || !legal(rate ? *rate : 0, burst ? *burst : 0))
        return EINVAL;
    conc_lock_acquire(&limiter->lock);
    advance(limiter, now_ns);
    limiter->fills_ns = NEVER;
    if (rate && *rate != limiter->rate) {
        /* The old rate holds up to now: the base has to be there. */
        limiter->tokens += infinite(limiter->rate) ? 0 : inflow(limiter, now_ns);
        if (now_ns > limiter->base_ns)
            limiter->base_ns = now_ns;
        limiter->rate = *rate;
    }
    if (burst)
        limiter->burst = *burst;
    struct conc_wait_node *waiters = conc_wait_queue_claim_all(&limiter->waiters);
    conc_lock_release(&limiter->lock);
    conc_wait_list_unpark(waiters);
    return 0;
}

int conc_rate_limiter_set_rate_at_time(
    struct conc_rate_limiter *limiter, double rate, int64_t now_ns)
{
    return set(limiter, &rate, NULL, now_ns);
}

int conc_rate_limiter_set_rate(struct conc_rate_limiter *limiter, double rate)
{
    return set(limiter, &rate, NULL, conc_now_ns());
}

int conc_rate_limiter_set_burst_at_time(
    struct conc_rate_limiter *limiter, int64_t burst, int64_t now_ns)
{
    return set(limiter, NULL, &burst, now_ns);
}

int conc_rate_limiter_set_burst(struct conc_rate_limiter *limiter, int64_t burst)
{
    return set(limiter, NULL, &burst, conc_now_ns());
}

double conc_rate_limiter_rate(struct conc_rate_limiter *limiter)
{
    conc_lock_acquire(&limiter->lock);
    double rate = limiter->rate;
    conc_lock_release(&limiter->lock);
    return rate;
}

int64_t conc_rate_limiter_burst(struct conc_rate_limiter *limiter)
{
    conc_lock_acquire(&limiter->lock);
    int64_t burst = limiter->burst;
    conc_lock_release(&limiter->lock);
    return burst;
}

double conc_rate_limiter_tokens_at_time(struct conc_rate_limiter *limiter, int64_t now_ns)
{
    conc_lock_acquire(&limiter->lock);
    advance(limiter, now_ns);
    double tokens = limiter->tokens;
    if (!infinite(limiter->rate))
        tokens += inflow(limiter, now_ns);
    conc_lock_release(&limiter->lock);
    return tokens;
}

double conc_rate_limiter_tokens(struct conc_rate_limiter *limiter)
{
    return conc_rate_limiter_tokens_at_time(limiter, conc_now_ns());
}
