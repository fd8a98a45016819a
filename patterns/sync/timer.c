/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>

#include "runtime/memory.h"
#include "runtime/timer_queue.h"
#include "sync/context.h"
#include "sync/timer.h"

/* --- sleep --------------------------------------------------------------------------------------
 */

static int sleep_until(int64_t deadline_ns, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_wait_info info = {"to wake up", NULL, site};
    if (!ctx) {
        conc_park(NULL, deadline_ns, &info); /* in no queue: only the deadline ends it */
        return 0;
    }
    /* A wait for a child of ctx, which ends with ctx or at the time to wake up. */
    struct conc_context alarm;
    struct conc_waiter waiter;
    conc_context_with_deadline(&alarm, ctx, deadline_ns);
    conc_waiter_init(&waiter);
    conc_wait(&waiter, NULL, &alarm, &info);
    conc_context_destroy(&alarm);
    return conc_now_ns() >= deadline_ns ? 0 : conc_context_error(ctx);
}

int conc_sleep_until_at(int64_t deadline_ns, struct conc_context *ctx, const struct conc_site *site)
{
    return conc_now_ns() >= deadline_ns ? 0 : sleep_until(deadline_ns, ctx, site);
}

int conc_sleep_at(int64_t ns, struct conc_context *ctx, const struct conc_site *site)
{
    return ns <= 0 ? 0 : sleep_until(conc_deadline_after(ns), ctx, site);
}

/* --- timers and tickers --------------------------------------------------------------------------
 */

struct conc_timer {
    struct conc_chan *chan; /* fixed */
    bool ticker;            /* fixed */
    struct conc_timer_entry entry;
};

/* On the runtime's timer task. The channel is full when the tick before was not received: then this
 * one is dropped. */
static void fire(void *arg)
{
    struct conc_timer *timer = arg;
    int64_t now_ns = conc_now_ns();
    conc_chan_try_send(timer->chan, &now_ns);
}

static int arm(struct conc_timer *timer, int64_t ns)
{
    return conc_timer_arm(
        &timer->entry, conc_deadline_after(ns), timer->ticker ? ns : 0, fire, timer);
}

static int create(struct conc_timer **timer, bool ticker, int64_t ns)
{
    if (!timer || (ticker && ns <= 0))
        return EINVAL;
    struct conc_timer *made = conc_malloc(sizeof *made);
    if (!made)
        return ENOMEM;
    *made = (struct conc_timer){.ticker = ticker};
    int rc = conc_chan_create(&made->chan, sizeof(int64_t), 1, NULL);
    if (rc == 0)
        rc = arm(made, ns);
    if (rc != 0) {
        conc_chan_destroy(made->chan);
        conc_free(made);
        return rc;
    }
    *timer = made;
    return 0;
}

int conc_timer_create(struct conc_timer **timer, int64_t after_ns)
{
    return create(timer, false, after_ns);
}

int conc_ticker_create(struct conc_timer **ticker, int64_t period_ns)
{
    return create(ticker, true, period_ns);
}

void conc_timer_destroy(struct conc_timer *timer)
{
    if (!timer)
        return;
    conc_timer_disarm(&timer->entry);
    conc_chan_destroy(timer->chan);
    conc_free(timer);
}

struct conc_chan *conc_timer_chan(struct conc_timer *timer)
{
    return timer->chan;
}

bool conc_timer_stop(struct conc_timer *timer)
{
    bool running = conc_timer_disarm(&timer->entry);
    while (conc_chan_try_recv(timer->chan, NULL) == 0)
        ;
    return running;
}

int conc_timer_reset(struct conc_timer *timer, int64_t ns)
{
    if (timer->ticker && ns <= 0)
        return EINVAL;
    conc_timer_stop(timer);
    return arm(timer, ns);
}
