/* SPDX-License-Identifier: MIT */
/* P30, fixed: conc's limiter computes what has flowed in when somebody asks. There is no period,
 * and every rate is legal. */
#include <stdint.h>

#include "demos/pitfalls/pitfall.h"
#include "rate_limiter.h"

static int64_t rates[] = {2000000000, 0, 5};

/* Whether a limiter of that rate, whose bucket is full at the beginning, lets the first pass. */
static int first_passes(int64_t rate)
{
    struct conc_rate_limiter limiter;
    if (conc_rate_limiter_init(&limiter, (double)rate, 1) != 0)
        return 0;
    int passes = conc_rate_limiter_allow(&limiter, 1);
    conc_rate_limiter_destroy(&limiter);
    return passes;
}

int main(void)
{
    int passed = 0;
    for (int i = 0; i < 3; i++)
        passed += first_passes(rates[i]);
    return verdict(passed == 3, "the first passed at %d of 3 rates", passed);
}
