/* SPDX-License-Identifier: MIT */

/*
 * Select under many schedules: of all cases exactly one happens, those that lost leave nothing
 * behind in their channels, and two selects meet each other in whatever order they list them.
 */

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/select.h"
#include "tests/sim.h"

enum { CHANNELS = 2, MOST = 16 };

/* Messages are numbers below MOST, each sent by one task at most; received[i] says through which
 * channel it came, plus one. */
static struct conc_chan *chans[CHANNELS];
static struct conc_context ctx;
static int sent[MOST]; /* through which channel, plus one */
static int received[MOST];
static int n_received;

static void create(size_t capacity)
{
    for (int i = 0; i < CHANNELS; i++)
        sim_ok(conc_chan_create(&chans[i], sizeof(int), capacity, NULL));
    conc_context_with_cancel(&ctx, NULL);
}

static void note_sent(int number, size_t channel)
{
    sim_check(number >= 0 && number < MOST && sent[number] == 0);
    sent[number] = (int)channel + 1;
}

static void note_received(int number, size_t channel)
{
    sim_check(number >= 0 && number < MOST && received[number] == 0);
    received[number] = (int)channel + 1;
    n_received++;
}

/* Everything has come through the channel it went into; what is left in them counts. */
static int settle(void)
{
    int n = 0;
    for (size_t i = 0; i < CHANNELS; i++) {
        int number;
        while (conc_chan_try_recv(chans[i], &number) == 0)
            note_received(number, i);
    }
    for (int i = 0; i < MOST; i++) {
        sim_check(sent[i] == received[i]);
        n += sent[i] != 0;
    }
    for (size_t i = 0; i < CHANNELS; i++)
        conc_chan_destroy(chans[i]); /* panics where a node was left behind */
    conc_context_destroy(&ctx);
    return n;
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* ---------------------------------------------------------------- receiving from two channels */

struct sender {
    size_t channel;
    int from;
    int to;
};

static void send_some(void *arg)
{
    const struct sender *sender = arg;
    for (int i = sender->from; i <= sender->to; i++) {
        sim_ok(conc_chan_send(chans[sender->channel], &i, NULL));
        note_sent(i, sender->channel);
    }
}

static struct sender low = {.channel = 0, .from = 0, .to = 2};
static struct sender high = {.channel = 1, .from = 8, .to = 10};

static void receive_of_both(int n)
{
    int last[CHANNELS] = {-1, -1};
    while (n-- > 0) {
        int numbers[CHANNELS] = {-1, -1};
        size_t chosen = 9;
        struct conc_select_case cases[] = {
            CONC_RECV(chans[0], &numbers[0]), CONC_RECV(chans[1], &numbers[1])};
        sim_ok(conc_select(cases, 2, &chosen, NULL));
        sim_check(chosen < CHANNELS && cases[chosen].rc == 0);
        sim_check(numbers[1 - chosen] == -1);
        sim_check(numbers[chosen] > last[chosen]);
        last[chosen] = numbers[chosen];
        note_received(numbers[chosen], chosen);
    }
}

static void receive_three(void *arg)
{
    (void)arg;
    receive_of_both(3);
}

static void one_receiver(void)
{
    create((size_t)sim_draw(2));
    sim_go(send_some, &low);
    sim_go(send_some, &high);
    receive_of_both(6);
    sim_join();
    sim_check(settle() == 6);
}

static void two_receivers(void)
{
    create((size_t)sim_draw(2));
    sim_go(receive_three, NULL);
    sim_go(send_some, &low);
    sim_go(send_some, &high);
    sim_go(receive_three, NULL);
    sim_join();
    sim_check(settle() == 6);
}

/* ---------------------------------------------------------------- both directions */

/* Sends on one channel or receives from the other, whichever can be. */
static void swap(int number, size_t to, size_t from, bool reversed, struct conc_context *with)
{
    int got = -1;
    size_t chosen = 9;
    struct conc_select_case send = CONC_SEND(chans[to], &number);
    struct conc_select_case recv = CONC_RECV(chans[from], &got);
    struct conc_select_case cases[2] = {reversed ? recv : send, reversed ? send : recv};
    int rc = conc_select(cases, 2, &chosen, with);
    if (rc != 0) {
        sim_check(with && rc == ECANCELED && got == -1);
        return;
    }
    sim_check(cases[chosen].rc == 0);
    if (cases[chosen].send)
        note_sent(number, to);
    else
        note_received(got, from);
    sim_check(cases[chosen].send == (got == -1));
}

static void swap_to_left(void *arg)
{
    swap(0, 0, 1, arg != NULL, NULL);
}

static void swap_to_right(void *arg)
{
    swap(1, 1, 0, arg != NULL, NULL);
}

/* Two tasks, each ready to send to the other or to receive from it: one message goes one way. */
static void both_directions(void)
{
    create(0);
    sim_go(swap_to_left, sim_draw(2) ? chans : NULL);
    sim_go(swap_to_right, sim_draw(2) ? chans : NULL);
    sim_join();
    sim_reached(sent[0] ? "to the left" : "to the right");
    sim_check(settle() == 1);
}

static void swap_on_one(void *arg)
{
    int number = *(const int *)arg;
    swap(number, 0, 0, number % 2 == 0, &ctx);
}

static const int numbers[] = {0, 1, 2, 3};

/* Each sends to and receives from the same channel: they meet in pairs, and none meets itself. */
static void one_channel_both_ways(void)
{
    create(0);
    for (int i = 0; i < 4; i++)
        sim_go(swap_on_one, (void *)(uintptr_t)&numbers[i]);
    sim_join();
    sim_check(settle() == 2);
}

static void odd_one_out(void)
{
    create(0);
    for (int i = 0; i < 3; i++)
        sim_go(swap_on_one, (void *)(uintptr_t)&numbers[i]);
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    sim_check(n_received == 1);
    cancel(NULL);
    sim_join();
    sim_check(settle() == 1);
}

/* ---------------------------------------------------------------- what the losers leave */

static void receive_one(void *arg)
{
    (void)arg;
    receive_of_both(1);
}

/* After a select of two has taken one message nobody stands in either channel. */
static void losers_leave(void)
{
    create(0);
    sim_go(receive_one, NULL);
    struct sender one = {.channel = (size_t)sim_draw(2), .from = 5, .to = 5};
    send_some(&one);
    sim_join();
    int number = 6;
    for (size_t i = 0; i < CHANNELS && sim_draw(2); i++) /* else settle destroys them at once */
        sim_rc(conc_chan_try_send(chans[i], &number), EAGAIN);
    sim_check(settle() == 1);
}

/* The message that a select did not take is there for who asks next. */
static void the_other_stays(void)
{
    static struct sender a = {.channel = 0, .from = 1, .to = 1};
    static struct sender b = {.channel = 1, .from = 2, .to = 2};
    create(0);
    sim_go(receive_one, NULL);
    sim_go(send_some, &a);
    sim_go(send_some, &b);
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    sim_check(n_received == 1);
    size_t other = received[1] ? 1 : 0;
    int number;
    sim_ok(conc_chan_recv(chans[other], &number, NULL));
    note_received(number, other);
    sim_join();
    sim_check(settle() == 2);
}

/* The winner may destroy the channel it lost in, at once. */
static void select_and_destroy(void *arg)
{
    (void)arg;
    receive_of_both(1);
    conc_chan_destroy(chans[1]);
    chans[1] = NULL;
}

static void loser_destroyed(void)
{
    create(0);
    sim_go(select_and_destroy, NULL);
    struct sender one = {.channel = 0, .from = 5, .to = 5};
    send_some(&one);
    sim_join();
    sim_check(settle() == 1);
}

/* ---------------------------------------------------------------- the same channel twice */

static void receive_twice_listed(void)
{
    create(0);
    sim_go(send_some, &low);
    for (int i = 0; i < 3; i++) {
        int got[3] = {-1, -1, -1};
        size_t chosen = 9;
        struct conc_select_case cases[] = {
            CONC_RECV(chans[0], &got[0]), CONC_RECV(NULL, &got[1]), CONC_RECV(chans[0], &got[2])};
        sim_ok(conc_select(cases, 3, &chosen, NULL));
        sim_check(chosen != 1 && cases[chosen].rc == 0);
        sim_check(got[chosen] == i && got[2 - chosen] == -1);
        note_received(got[chosen], 0);
        sim_reached(chosen == 0 ? "first" : "last");
    }
    sim_join();
    sim_check(settle() == 3);
}

/* ---------------------------------------------------------------- close, cancel, deadline */

static int closed[CHANNELS];

static void close_one(void *arg)
{
    size_t channel = *(const size_t *)arg;
    closed[channel] = 1;
    sim_ok(conc_chan_close(chans[channel]));
}

static void select_until_closed(void *arg)
{
    (void)arg;
    struct conc_chan *open[CHANNELS] = {chans[0], chans[1]};
    while (open[0] || open[1]) {
        int got[CHANNELS] = {-1, -1};
        size_t chosen = 9;
        struct conc_select_case cases[] = {
            CONC_RECV(open[0], &got[0]), CONC_RECV(open[1], &got[1])};
        sim_ok(conc_select(cases, 2, &chosen, NULL));
        sim_check(got[1 - chosen] == -1);
        if (cases[chosen].rc == EPIPE) {
            sim_check(closed[chosen] && got[chosen] == 0);
            open[chosen] = NULL;
        } else {
            sim_ok(cases[chosen].rc);
            note_received(got[chosen], chosen);
        }
    }
}

static void send_until_closed(void *arg)
{
    const struct sender *sender = arg;
    for (int i = sender->from; i <= sender->to; i++) {
        size_t chosen = 9;
        struct conc_select_case cases[] = {
            CONC_SEND(chans[sender->channel], &i), CONC_RECV(NULL, NULL)};
        sim_ok(conc_select(cases, 2, &chosen, NULL));
        sim_check(chosen == 0);
        if (cases[0].rc == EPIPE)
            return;
        sim_ok(cases[0].rc);
        note_sent(i, sender->channel);
    }
}

static void close_races(void)
{
    static const size_t channels[] = {0, 1};
    create((size_t)sim_draw(2));
    sim_go(select_until_closed, NULL);
    sim_go(send_until_closed, &low);
    sim_go(send_until_closed, &high);
    for (int i = 0; i < 2; i++)
        sim_go(close_one, (void *)(uintptr_t)&channels[i]);
    sim_join();
    sim_reached(settle() == 6 ? "all sent" : "cut short");
}

static void select_or_cancelled(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int got[CHANNELS] = {-1, -1};
        size_t chosen = 9;
        struct conc_select_case cases[] = {
            CONC_RECV(chans[0], &got[0]), CONC_RECV(chans[1], &got[1])};
        int rc = conc_select(cases, 2, &chosen, &ctx);
        if (rc != 0) {
            sim_check(rc == ECANCELED && chosen == 9 && got[0] == -1 && got[1] == -1);
            return;
        }
        note_received(got[chosen], chosen);
    }
}

static void send_or_cancelled(void *arg)
{
    const struct sender *sender = arg;
    for (int i = sender->from; i <= sender->to; i++) {
        int rc = conc_chan_send(chans[sender->channel], &i, &ctx);
        if (rc == ECANCELED)
            return;
        sim_ok(rc);
        note_sent(i, sender->channel);
    }
}

static void cancel_races(void)
{
    create((size_t)sim_draw(2));
    sim_go(select_or_cancelled, NULL);
    sim_go(send_or_cancelled, &low);
    sim_go(select_or_cancelled, NULL);
    sim_go(send_or_cancelled, &high);
    sim_go(cancel, NULL);
    sim_join();
    sim_reached(n_received == 4 ? "four received" : "cancelled");
    settle();
}

static struct conc_context at_ten;

static void select_until_ten(void *arg)
{
    (void)arg;
    int got[CHANNELS] = {-1, -1};
    size_t chosen = 9;
    struct conc_select_case cases[] = {CONC_RECV(chans[0], &got[0]), CONC_RECV(chans[1], &got[1])};
    int rc = conc_select(cases, 2, &chosen, &at_ten);
    sim_check(rc == 0 || (rc == ETIMEDOUT && chosen == 9 && got[0] == -1 && got[1] == -1));
    if (rc == 0)
        note_received(got[chosen], chosen);
    sim_reached(rc == 0 ? "received" : "timed out");
}

static void send_at_ten(void *arg)
{
    (void)arg;
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    for (size_t i = 0; i < CHANNELS; i++) {
        int number = (int)i;
        size_t chosen = 9;
        struct conc_select_case send = CONC_SEND(chans[i], &number);
        int rc = conc_try_select(&send, 1, &chosen);
        sim_check(rc == 0 || rc == EAGAIN);
        if (rc == 0)
            note_sent(number, i);
    }
}

/* The message and the end of the wait come at the same moment, and two messages at that. */
static void deadline_races(void)
{
    create(0);
    conc_context_with_deadline(&at_ten, NULL, CONC_MS(10));
    sim_go(select_until_ten, NULL);
    sim_go(send_at_ten, NULL);
    sim_join();
    conc_context_destroy(&at_ten);
    sim_check(settle() <= 1);
}

/* ---------------------------------------------------------------- anything at any time */

static void any_selects(void *arg)
{
    int next = *(const int *)arg;
    for (int i = 0; i < 4; i++) {
        struct conc_context limit;
        struct conc_select_case cases[3];
        int got[3] = {-1, -1, -1};
        size_t channels[3];
        size_t chosen = 9;
        size_t n = (size_t)(1 + sim_draw(3));
        conc_context_with_timeout(&limit, &ctx, CONC_MS(1 + sim_draw(2)));
        for (size_t k = 0; k < n; k++) {
            channels[k] = (size_t)sim_draw(CHANNELS);
            cases[k] = (struct conc_select_case)CONC_RECV(chans[channels[k]], &got[k]);
            if (sim_draw(2))
                cases[k] = (struct conc_select_case)CONC_SEND(chans[channels[k]], &next);
        }
        int rc = sim_draw(4) == 0 ? conc_try_select(cases, n, &chosen)
                                  : conc_select(cases, n, &chosen, &limit);
        sim_check(rc == 0 || rc == EAGAIN || rc == ETIMEDOUT || rc == ECANCELED);
        for (size_t k = 0; k < n; k++)
            sim_check(got[k] == -1 || (rc == 0 && k == chosen));
        if (rc == 0 && cases[chosen].rc == 0 && cases[chosen].send)
            note_sent(next++, channels[chosen]);
        else if (rc == 0 && cases[chosen].rc == 0)
            note_received(got[chosen], channels[chosen]);
        if (sim_draw(12) == 0)
            conc_context_cancel(&ctx);
        if (sim_draw(12) == 0)
            conc_chan_close(chans[sim_draw(CHANNELS)]);
        conc_context_destroy(&limit);
    }
}

static void anything(void)
{
    static const int from[] = {0, 5, 10};
    create((size_t)sim_draw(2));
    for (int i = 0; i < 3; i++)
        sim_go(any_selects, (void *)(uintptr_t)&from[i]);
    sim_join();
    sim_reached(settle() > 0 ? "messages" : "silence");
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(one_receiver), SIM(two_receivers),
        SIM(both_directions, "to the left", "to the right"), SIM(one_channel_both_ways),
        SIM(odd_one_out), SIM(losers_leave), SIM(the_other_stays), SIM(loser_destroyed),
        SIM(receive_twice_listed, "first", "last"), SIM(close_races, "all sent", "cut short"),
        SIM(cancel_races, "four received", "cancelled"),
        SIM(deadline_races, "received", "timed out"), SIM(anything, "messages", "silence"));
}
