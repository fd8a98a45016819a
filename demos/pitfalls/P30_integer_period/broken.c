/* SPDX-License-Identifier: MIT */
/*
 * P30: A token bucket that divides a second by its rate
 *
 * @family own
 * @kind logic
 * @from Go concurrency patterns, 6 "rate limiting", "token bucket":
 *     time.NewTicker(time.Second / time.Duration(rl.rate))
 * @weakness CWE-369, CWE-682, CERT INT33-C
 * @rule A period in whole nanoseconds is 0 for every rate above 1e9, which no ticker takes, and a
 *     division by zero for the rate 0, which somebody sets to say "nothing passes". What comes from
 *     a configuration is either checked or harmless; better is arithmetic for which every rate is
 *     legal.
 * @detect native:crash asan:undefined
 */
#include <stdint.h>

#include "demos/pitfalls/pitfall.h"
#include "rate_limiter.h"
#include "sync/timer.h"

static int64_t rates[] = {2000000000, 0, 5};

/* Whether a limiter of that rate, whose bucket is full at the beginning, lets the first pass. */
static int first_passes(int64_t rate)
{
    struct conc_timer *ticker;
    /* place 1: the rate is 0 */
    int64_t period = CONC_S(1) / rate;
    /* place 2: the period is 0 */
    if (conc_ticker_create(&ticker, period) != 0)
        return 0;
    conc_timer_destroy(ticker);
    return 1;
}

int main(void)
{
    int passed = 0;
    for (int i = 0; i < 3; i++)
        passed += first_passes(rates[i]);
    return verdict(passed == 3, "the first passed at %d of 3 rates", passed);
}
