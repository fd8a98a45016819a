/* SPDX-License-Identifier: MIT */
#ifndef CONC_RATE_LIMITER_H
#define CONC_RATE_LIMITER_H

/*
 * A rate limiter: golang.org/x/time/rate. A token bucket that holds up to `burst` tokens, full at
 * the beginning, into which `rate` tokens flow per second. Each event takes a token; over any span
 * of t seconds no more than burst + rate × t events pass.
 *
 *   struct conc_rate_limiter limiter;
 *   conc_rate_limiter_init(&limiter, 5, 5);              // 5 per second, 5 at once
 *
 *   if (conc_rate_limiter_allow(&limiter, 1))            // drop what is too much,
 *       serve();
 *   rc = conc_rate_limiter_wait(&limiter, 1, ctx);       // or wait for the turn,
 *   rc = conc_rate_limiter_reserve(&limiter, 1, &r);     // or learn when it comes
 *
 * No ticker and no task: what has flowed in since the last look is computed when somebody looks
 * (the generic cell rate algorithm, ITU-T I.371, written for a bucket). So every rate is legal: 0
 * (what is in the bucket, and then nothing), 1e-10, 2e9, and CONC_RATE_INFINITE, for which
 * everything passes and the burst does not matter. Any number of tasks may call anything at once.
 * Nobody sleeps with a lock held. Allocates nothing.
 *
 * Each call that looks at the clock has a form that is told the time instead, _at_time: for tests,
 * and for time that is not the clock's. Times are on any axis in nanoseconds, one axis per limiter.
 * A time earlier than one given before makes no tokens, and no span of time makes them twice.
 *
 * Where C differs from Go: a request larger than the burst is EMSGSIZE. Where no time can be given
 * (rate 0 and too few tokens) reserve refuses with EBUSY, and wait waits until the rate or the
 * burst is changed. As in Go, whoever has been given a time keeps it when the rate is changed
 * later.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "sync/waiter.h"

#define CONC_RATE_INFINITE (__builtin_inf())

struct conc_rate_limiter {
    struct conc_lock lock; /* guards the fields below */
    double rate;           /* tokens per second */
    int64_t burst;
    double tokens;    /* in the bucket at base_ns; negative: promised to reservations */
    int64_t base_ns;  /* moved as seldom as can be, so that rounding does not add up */
    int64_t fills_ns; /* longer after the base than this it is full for certain */
    int64_t reserved; /* tokens promised to reservations, in the order of their times */
    struct conc_wait_queue waiters; /* those to whom no time can be given */
};

/* A promise of n tokens for a moment to come. */
struct conc_reservation {
    struct conc_rate_limiter *limiter; /* NULL: nothing to give back */
    int64_t n;
    int64_t act_ns; /* the holder may act from then on */
    int64_t order;  /* the limiter's `reserved` just after this one */
};

/* The rate of one token per interval; an interval of 0 or less is an infinite rate. */
double conc_rate_every(int64_t interval_ns);

/* Makes a limiter with a full bucket. 0; EINVAL: limiter is NULL, rate is negative or no number, or
 * burst is negative. With burst 0 nothing passes unless the rate is infinite. */
int conc_rate_limiter_init(struct conc_rate_limiter *limiter, double rate, int64_t burst);

/* Ends its life. One that is waited for without a time ends the program with a message. */
void conc_rate_limiter_destroy(struct conc_rate_limiter *limiter);

/* Takes n tokens if they are there: true, or false and nothing taken. n of 0 is always true, a
 * negative n never. Never waits. The try twin of wait, for those who need no reason. */
bool conc_rate_limiter_allow(struct conc_rate_limiter *limiter, int64_t n);
bool conc_rate_limiter_allow_at_time(struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns);

/*
 * int conc_rate_limiter_wait(struct conc_rate_limiter *limiter, int64_t n, struct conc_context
 * *ctx)
 *
 * Takes n tokens and waits until they have flowed in. Waiters get their times first come, first
 * served. Woken by its time, a cancel or the deadline, and gives back what it can of its tokens in
 * the latter cases. Tokens that are there win over a context that is done. A deadline before its
 * time is ETIMEDOUT at once: waiting for it would be in vain. Where no time can be given it waits
 * for a change of rate or burst.
 *
 * 0: the caller may act. Otherwise it may not: ECANCELED, ETIMEDOUT: the context's end; EMSGSIZE: n
 * is larger than the burst; EINVAL: limiter is NULL or n negative.
 */
#define conc_rate_limiter_wait(limiter, n, ctx)                                                    \
    conc_rate_limiter_wait_at((limiter), (n), (ctx), CONC_HERE)
int conc_rate_limiter_wait_at(struct conc_rate_limiter *limiter, int64_t n,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when the tokens are not there. */
int conc_rate_limiter_try_wait(struct conc_rate_limiter *limiter, int64_t n);
int conc_rate_limiter_try_wait_at_time(
    struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns);

/*
 * Takes n tokens out of the bucket, of the future where need be, and says in *reservation when the
 * caller may act. Never waits. Whoever does not act cancels it. The limiter must outlive it.
 *
 * 0; EMSGSIZE: n is larger than the burst; EBUSY: no time can be given, the rate being 0 or too
 * small for the clock; EINVAL: an argument is NULL or n negative. On failure nothing is taken.
 */
int conc_rate_limiter_reserve(
    struct conc_rate_limiter *limiter, int64_t n, struct conc_reservation *reservation);
int conc_rate_limiter_reserve_at_time(struct conc_rate_limiter *limiter, int64_t n,
    struct conc_reservation *reservation, int64_t now_ns);

/* How long the holder has to wait from now before it may act, in nanoseconds; 0: it may. */
int64_t conc_reservation_delay(const struct conc_reservation *reservation);
int64_t conc_reservation_delay_at_time(const struct conc_reservation *reservation, int64_t now_ns);

/*
 * Gives the tokens back, less those promised to others since: their times are fixed and rest on
 * this one's. Does nothing when the time to act has passed, and when called again. Returns how many
 * tokens went back.
 */
int64_t conc_reservation_cancel(struct conc_reservation *reservation);
int64_t conc_reservation_cancel_at_time(struct conc_reservation *reservation, int64_t now_ns);

/* Changes the rate, or the burst, from now on. Tokens already in the bucket stay, up to the burst.
 * After an infinite rate the bucket is full. Wakes those who wait without a time. 0; EINVAL as for
 * init. */
int conc_rate_limiter_set_rate(struct conc_rate_limiter *limiter, double rate);
int conc_rate_limiter_set_rate_at_time(
    struct conc_rate_limiter *limiter, double rate, int64_t now_ns);
int conc_rate_limiter_set_burst(struct conc_rate_limiter *limiter, int64_t burst);
int conc_rate_limiter_set_burst_at_time(
    struct conc_rate_limiter *limiter, int64_t burst, int64_t now_ns);

/* The rate and the burst at this moment. */
double conc_rate_limiter_rate(struct conc_rate_limiter *limiter);
int64_t conc_rate_limiter_burst(struct conc_rate_limiter *limiter);

/* The tokens in the bucket now; negative when more has been promised than has flowed in. */
double conc_rate_limiter_tokens(struct conc_rate_limiter *limiter);
double conc_rate_limiter_tokens_at_time(struct conc_rate_limiter *limiter, int64_t now_ns);

#endif
