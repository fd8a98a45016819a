/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_TIMER_H
#define CONC_SYNC_TIMER_H

/*
 * Sleep, timers and tickers: the waiting half of Go's time package. A timer sends the time once on
 * its channel, a ticker again and again; both can stand in a select. To bound one wait, give it a
 * context with a timeout: that needs no timer.
 *
 *   struct conc_timer *tick;
 *   conc_ticker_create(&tick, CONC_MS(100));
 *   ... CONC_RECV(conc_timer_chan(tick), &now) in a select ...
 *   conc_timer_destroy(tick);
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "runtime/site.h"
#include "sync/chan.h"

/*
 * int conc_sleep(int64_t ns, struct conc_context *ctx)
 *
 * Sleeps for ns nanoseconds; woken earlier by a cancel or the deadline of ctx. 0: slept to the end;
 * a span of 0 or less returns 0 at once. ECANCELED, ETIMEDOUT: the context's end.
 */
#define conc_sleep(ns, ctx) conc_sleep_at((ns), (ctx), CONC_HERE)
int conc_sleep_at(int64_t ns, struct conc_context *ctx, const struct conc_site *site);

/* The same until the clock of conc_now_ns shows deadline_ns; a moment that has passed returns 0. */
#define conc_sleep_until(deadline_ns, ctx) conc_sleep_until_at((deadline_ns), (ctx), CONC_HERE)
int conc_sleep_until_at(
    int64_t deadline_ns, struct conc_context *ctx, const struct conc_site *site);

struct conc_timer; /* opaque: a timer or a ticker */

/* Makes a timer that fires once, after_ns from now (0 or less: at once). The caller destroys it.
 * 0; EINVAL: timer is NULL; ENOMEM, EAGAIN: it could not be made. */
int conc_timer_create(struct conc_timer **timer, int64_t after_ns);

/* Makes a ticker that fires every period_ns, first after one period. A tick that finds the one
 * before not yet received is dropped: a slow receiver does not make ticks pile up. As above; EINVAL
 * also for a period of 0 or less. */
int conc_ticker_create(struct conc_timer **ticker, int64_t period_ns);

/* Stops it for good and frees it and its channel. Nobody may be receiving. NULL is allowed. */
void conc_timer_destroy(struct conc_timer *timer);

/* The channel it sends on: elements are int64_t, the time on the clock of conc_now_ns at which it
 * fired; capacity 1. Belongs to the timer; never closed. */
struct conc_chan *conc_timer_chan(struct conc_timer *timer);

/* Stops it: true when it was running (a ticker always is; a timer until it has fired). What it had
 * sent and nobody had received is taken back, so no old time is received after stop has returned.
 */
bool conc_timer_stop(struct conc_timer *timer);

/* Stops it as above and starts it anew: a timer fires ns from now, a ticker every ns. 0; EINVAL: a
 * ticker with ns of 0 or less; ENOMEM, EAGAIN: it could not be armed and stays stopped. */
int conc_timer_reset(struct conc_timer *timer, int64_t ns);

#endif
