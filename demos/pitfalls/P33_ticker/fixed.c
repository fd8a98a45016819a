/* SPDX-License-Identifier: MIT */
/* P33, fixed: conc's limiter is a record and some arithmetic. There is nothing behind it. */
#include "demos/pitfalls/pitfall.h"
#include "rate_limiter.h"

static int serve(void)
{
    struct conc_rate_limiter limiter;
    conc_rate_limiter_init(&limiter, 5, 1);
    int allowed = conc_rate_limiter_allow(&limiter, 1);
    conc_rate_limiter_destroy(&limiter);
    return allowed;
}

int main(void)
{
    int served = 0;
    for (int client = 0; client < 3; client++)
        served += serve();
    return verdict(served == 3, "%d of 3 clients served", served);
}
