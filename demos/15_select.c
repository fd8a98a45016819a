/* SPDX-License-Identifier: MIT */
/*
 * 15 Select: how does one task wait for several things, and for whichever comes first?
 *
 *   ./conc run 15
 *
 * Look for: on stderr, how the draw between two channels that are always ready comes out even; that
 * quit ends the worker after all data, because the sender has seen its data taken; that the losers
 * of "first answer" have left when the answer is there.
 * Try: --seed 7 for another winner; --items 100000 and the draw gets more even; --tick 100 for a
 *      clock that is nearly always ready.
 */
#include <stdlib.h>

#include "demos/demo.h"
#include "runtime/clock.h"
#include "select.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/timer.h"
#include "sync/wait_group.h"

/* ------------------------------------------------------------------ two channels as one */

struct side {
    struct conc_chan *to;
    int64_t from, items; /* sends from, from + 2, … below items */
};

static void send_side(void *arg)
{
    struct side *side = arg;
    for (int64_t n = side->from; n < side->items; n += 2)
        CHECK_OK(conc_chan_send(side->to, &n, NULL));
    CHECK_OK(conc_chan_close(side->to));
}

struct two {
    struct conc_chan *in[2];
    struct conc_chan *out;
};

static void mux(void *arg)
{
    struct two *two = arg;
    CHECK_OK(conc_mux(two->in, 2, two->out, NULL, NULL));
    CHECK_OK(conc_chan_close(two->out));
}

static void show_mux(int64_t items)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct two two;
    struct side sides[2];
    int64_t next[2] = {0, 1}, n;
    CHECK_OK(conc_chan_create(&two.out, sizeof(int64_t), 0, NULL));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(conc_chan_create(&two.in[i], sizeof(int64_t), 0, NULL));
        sides[i] = (struct side){two.in[i], i, items};
        CHECK_OK(conc_wait_group_go(&group, send_side, &sides[i]));
    }
    CHECK_OK(conc_wait_group_go(&group, mux, &two));
    while (conc_chan_recv(two.out, &n, NULL) == 0) {
        CHECK(n == next[n % 2]); /* each channel's own order is kept */
        next[n % 2] += 2;
    }
    CHECK_OK(conc_wait_group_wait(&group, NULL));
    demo_result("mux: %" PRId64 " even, %" PRId64 " odd numbers, each in order\n", next[0] / 2,
        next[1] / 2);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(two.in[0]);
    conc_chan_destroy(two.in[1]);
    conc_chan_destroy(two.out);
}

/* ------------------------------------------------------------------ data, time and quit */

struct events {
    struct conc_chan *data, *quit;
    int64_t tick_ns, count[3];
};

/* snippet: select */
static void handle_events(void *arg)
{
    struct events *events = arg;
    struct conc_timer *ticker;
    int64_t value, time_ns;
    CHECK_OK(conc_ticker_create(&ticker, events->tick_ns));
    struct conc_select_case cases[] = {
        CONC_RECV(events->data, &value),
        CONC_RECV(conc_timer_chan(ticker), &time_ns),
        CONC_RECV(events->quit, NULL),
    };
    size_t chosen;
    do {
        CHECK_OK(conc_select(cases, 3, &chosen, NULL));
        events->count[chosen]++;
    } while (chosen != 2);
    conc_timer_destroy(ticker);
}
/* end snippet */

static void show_events(int64_t items, int64_t tick_ns)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct events events = {.tick_ns = tick_ns};
    CHECK_OK(conc_chan_create(&events.data, sizeof(int64_t), 0, NULL));
    CHECK_OK(conc_chan_create(&events.quit, 0, 0, NULL));
    CHECK_OK(conc_wait_group_go(&group, handle_events, &events));
    /* A rendezvous: a send has returned when its element was taken, so quit comes last. */
    for (int64_t i = 0; i < items; i++)
        CHECK_OK(conc_chan_send(events.data, &i, NULL));
    CHECK_OK(conc_chan_close(events.quit));
    CHECK_OK(conc_wait_group_wait(&group, NULL));
    demo_say("%" PRId64 " ticks between the data", events.count[1]);
    demo_result("events: %" PRId64 " data, then quit\n", events.count[0]);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(events.data);
    conc_chan_destroy(events.quit);
}

/* ------------------------------------------------------------------ fairness */

/* Two channels that are closed are always ready, both. */
static void show_draw(int64_t items)
{
    struct conc_chan *ready[2];
    int64_t drawn[2] = {0};
    size_t chosen;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(conc_chan_create(&ready[i], 0, 0, NULL));
        CHECK_OK(conc_chan_close(ready[i]));
    }
    struct conc_select_case cases[] = {CONC_RECV(ready[0], NULL), CONC_RECV(ready[1], NULL)};
    for (int64_t i = 0; i < items; i++) {
        CHECK_OK(conc_select(cases, 2, &chosen, NULL));
        drawn[chosen]++;
    }
    demo_say("two ready channels, drawn %" PRId64 " and %" PRId64 " times", drawn[0], drawn[1]);
    demo_result("draws: %" PRId64 " in all\n", drawn[0] + drawn[1]);
    conc_chan_destroy(ready[0]);
    conc_chan_destroy(ready[1]);
}

/* ------------------------------------------------------------------ the first answer wins */

static int mirror(void *result, void *arg, struct conc_context *ctx)
{
    bool has_it = *(bool *)arg;
    if (!has_it)
        return conc_context_wait(ctx); /* slow, until another has answered */
    *(int *)result = 42;
    return 0;
}

static void show_first_answer(size_t n, size_t fast)
{
    static bool yes = true, no = false;
    struct conc_question *questions = calloc(n, sizeof(*questions));
    CHECK(questions != NULL);
    for (size_t i = 0; i < n; i++)
        questions[i] = (struct conc_question){mirror, i == fast ? &yes : &no};
    int answer;
    size_t winner;
    CHECK_OK(conc_first_answer(questions, n, sizeof(answer), &answer, &winner, NULL, NULL));
    demo_result("first answer: %d, from mirror %zu of %zu\n", answer, winner + 1, n);
    free(questions);
}

int main(int argc, char **argv)
{
    int64_t tick_us = 1000;
    const struct demo_flag flags[] = {{"tick", &tick_us, 10, 1000000, "microseconds a tick"}, {0}};
    struct demo demo = {
        .number = 15, .title = "Select", .workers = 3, .items = 100, .seed = 1, .flags = flags};
    demo_begin(&demo, argc, argv);
    show_mux(demo.items);
    show_events(demo.items, CONC_US(tick_us));
    show_draw(demo.items);
    show_first_answer((size_t)demo.workers, demo.seed % (uint64_t)demo.workers);
    return demo_end(&demo);
}
