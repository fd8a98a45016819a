/* SPDX-License-Identifier: MIT */
/*
 * 10 Rate limiter: 20 requests come at once and 5 per second may pass. When does each pass?
 *
 *   ./conc run 10            the times are computed
 *   ./conc run 10 --real     and waited for, 3 seconds long
 *
 * Look for: the first five, the burst, pass at once, then one every 200 ms; whoever asks in vain
 * is not made to wait by a limiter that sleeps.
 * Try: --burst 1: no two within 200 ms; --rate 1000000000: all within 15 ns;
 *      --workers 1: the same line, for it is the limiter that orders the requests.
 */
#include <stdlib.h>

#include "demos/demo.h"
#include "errgroup.h"
#include "rate_limiter.h"
#include "sync/timer.h"

struct client {
    struct conc_rate_limiter *limiter;
    int64_t begin_ns; /* all requests come at this moment */
    bool real;
    int64_t first, step, items; /* this client's: first, first + step, … */
    int64_t *times_ns;          /* when each request may pass, since the begin */
};

static int ask(void *arg, struct conc_context *ctx)
{
    struct client *me = arg;
    for (int64_t i = me->first; i < me->items; i += me->step) {
        /* snippet: reserve */
        struct conc_reservation turn;
        CHECK_OK(conc_rate_limiter_reserve_at_time(me->limiter, 1, &turn, me->begin_ns));
        if (me->real) {
            CHECK_OK(conc_sleep_until(turn.act_ns, ctx));
            demo_say("client %" PRId64 " passes", me->first);
        }
        /* end snippet */
        me->times_ns[i] = turn.act_ns - me->begin_ns;
    }
    return 0;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One line per request, at most 20 of them: at which moment it passes. */
static void draw(const int64_t *times_ns, int64_t n)
{
    int64_t shown = n < 20 ? n : 20;
    int64_t column_ns = shown > 0 && times_ns[shown - 1] > 0 ? times_ns[shown - 1] : 1;
    for (int64_t i = 0; i < shown; i++) {
        int column = (int)((double)times_ns[i] / (double)column_ns * 60);
        demo_result("%3" PRId64 " %9.3f ms |%*s*\n", i + 1, (double)times_ns[i] / 1e6, column, "");
    }
    if (n > shown)
        demo_result("and %" PRId64 " more, the last at %.3f ms\n", n - shown,
            (double)times_ns[n - 1] / 1e6);
}

static void requests(const struct demo *demo, int64_t rate, int64_t burst, bool real)
{
    struct conc_rate_limiter limiter;
    struct conc_errgroup group;
    struct client *clients = calloc((size_t)demo->workers, sizeof(*clients));
    int64_t *times_ns = calloc((size_t)demo->items + 1, sizeof(*times_ns));
    CHECK(clients && times_ns);
    CHECK_OK(conc_rate_limiter_init(&limiter, (double)rate, burst));
    conc_errgroup_init(&group, NULL);
    int64_t begin_ns = conc_now_ns();
    for (int64_t i = 0; i < demo->workers; i++) {
        clients[i] =
            (struct client){&limiter, begin_ns, real, i, demo->workers, demo->items, times_ns};
        CHECK_OK(conc_errgroup_go(&group, ask, &clients[i], NULL));
    }
    CHECK_OK(conc_errgroup_wait(&group, NULL));
    conc_errgroup_destroy(&group);

    qsort(times_ns, (size_t)demo->items, sizeof(*times_ns), by_time);
    draw(times_ns, demo->items);
    /* Between the first and the last of burst + 1 requests in a row a token has flowed in. */
    for (int64_t i = 0; i + burst < demo->items; i++)
        CHECK((double)(times_ns[i + burst] - times_ns[i]) >= 1e9 / (double)rate - 2);
    demo_result("never more than %" PRId64 " at once, %" PRId64 " per second after\n", burst, rate);
    conc_rate_limiter_destroy(&limiter);
    free(clients);
    free(times_ns);
}

/* One request a second for ten seconds, three at once: how many pass at rates out of the ordinary?
 */
static void strange_rates(void)
{
    const struct {
        const char *name;
        double rate;
    } rates[] = {{"0", 0}, {"1e-10", 1e-10}, {"2e9", 2e9}, {"infinite", CONC_RATE_INFINITE}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct conc_rate_limiter limiter;
        int passed = 0;
        CHECK_OK(conc_rate_limiter_init(&limiter, rates[i].rate, 3));
        for (int64_t second = 0; second < 10; second++)
            passed += conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(second));
        demo_result("rate %-8s: %2d of 10 pass\n", rates[i].name, passed);
        conc_rate_limiter_destroy(&limiter);
    }
}

int main(int argc, char **argv)
{
    int64_t rate = 5, burst = 5, real = 0;
    const struct demo_flag flags[] = {
        {"rate", &rate, 1, 1000000000, "requests per second"},
        {"burst", &burst, 1, 1000000, "requests at once"},
        {"real", &real, 0, 1, "wait for the times, and not only compute them"},
        {0},
    };
    struct demo demo = {
        .number = 10, .title = "Rate limiter", .workers = 4, .items = 20, .flags = flags};
    demo_begin(&demo, argc, argv);
    requests(&demo, rate, burst, real != 0);
    strange_rates();
    return demo_end(&demo);
}
