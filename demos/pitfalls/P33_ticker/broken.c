/* SPDX-License-Identifier: MIT */
/*
 * P33: A limiter with a refill task behind it, which nobody stops
 *
 * @family own
 * @kind leak
 * @from Go concurrency patterns, 6 "rate limiting", "token bucket": refill runs until Stop, and
 *     whoever makes a limiter has to know that
 * @weakness CWE-772
 * @rule What a constructor starts, only its destructor ends. A limiter that is dropped like a plain
 *     value leaves its ticker and its task behind, which go on for ever: one of each for every
 *     limiter, say for every client. Best is to need neither: what has flowed in since the last
 *     look can be computed.
 * @detect native:leak conc:leak memcheck:possibly-lost
 */
#include "demos/pitfalls/pitfall.h"
#include "rate_limiter.h"
#include "sync/chan.h"
#include "sync/timer.h"
#include "sync/wait_group.h"

static struct conc_wait_group refills = CONC_WAIT_GROUP_INIT;

static void refill(void *tokens)
{
    struct conc_timer *ticker;
    conc_ticker_create(&ticker, CONC_S(1) / 5);
    /* place 1: for ever */
    while (conc_chan_recv(conc_timer_chan(ticker), NULL, NULL) == 0)
        conc_chan_try_send(tokens, NULL);
}

static int serve(void)
{
    struct conc_chan *tokens;
    conc_chan_create(&tokens, 0, 1, NULL);
    conc_chan_try_send(tokens, NULL);
    /* place 2: starts a task, and forgets it */
    conc_wait_group_go(&refills, refill, tokens);
    return conc_chan_try_recv(tokens, NULL) == 0;
}

int main(void)
{
    int served = 0;
    for (int client = 0; client < 3; client++)
        served += serve();
    return verdict(served == 3, "%d of 3 clients served", served);
}
