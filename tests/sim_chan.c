/* SPDX-License-Identifier: MIT */

/*
 * Channels under many schedules: no message lost, doubled or out of its sender's order, and
 * everybody is told, whatever comes between a send, a receive, a close, a cancel and a deadline.
 */

#include "sync/chan.h"
#include "sync/context.h"
#include "tests/sim.h"

enum { MOST = 16, HALF = MOST / 2 };

/* Messages are numbers from 1 to MOST - 1, each sent by one task at most; those of one sender lie
 * on one side of HALF, and grow. */
static struct conc_chan *chan;
static struct conc_context ctx;
static int sent[MOST];     /* how many sends returned 0 */
static int received[MOST]; /* how many receives took it */

static void create(size_t capacity)
{
    sim_ok(conc_chan_create(&chan, sizeof(int), capacity, NULL));
    conc_context_with_cancel(&ctx, NULL);
}

/* ---------------------------------------------------------------- the tasks */

struct range {
    int from;
    int to; /* the last */
    struct conc_context *ctx;
};

static struct range low = {.from = 1, .to = 3};
static struct range high = {.from = HALF, .to = HALF + 2};

/* Sends its numbers; stops at a close and at the end of its context. */
static void send_range(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        int rc = conc_chan_send(chan, &i, range->ctx);
        sent[i] += rc == 0;
        if (rc == EPIPE || (range->ctx && rc == ECANCELED))
            return;
        sim_ok(rc);
    }
}

/* `last` is a receiver's: of each side the last number it got. */
static void got(int number, int last[2])
{
    sim_check(number > 0 && number < MOST);
    sim_check(++received[number] == 1);
    sim_check(number > last[number >= HALF]);
    last[number >= HALF] = number;
}

/* Receives until the channel is closed, or the context (may be NULL) ends. */
static void receive_all(void *arg)
{
    struct conc_context *with = arg;
    int last[2] = {0, 0};
    int number = -1;
    int rc;
    while ((rc = conc_chan_recv(chan, &number, with)) == 0) {
        got(number, last);
        number = -1;
    }
    if (rc == EPIPE)
        sim_check(number == 0);
    else
        sim_check(with && rc == ECANCELED && number == -1);
}

static void close_chan(void *arg)
{
    (void)arg;
    sim_ok(conc_chan_close(chan));
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* What was sent has been received, or is still in the channel, which is closed now. The number of
 * messages. */
static int settle(void)
{
    int last[2] = {0, 0};
    int number;
    int n = 0;
    conc_chan_close(chan);
    while (conc_chan_try_recv(chan, &number) == 0)
        got(number, last);
    for (int i = 0; i < MOST; i++) {
        sim_check(sent[i] == received[i]);
        n += sent[i];
    }
    conc_context_destroy(&ctx);
    conc_chan_destroy(chan);
    return n;
}

/* ---------------------------------------------------------------- all goes well */

static void all_arrive(size_t capacity)
{
    struct conc_task *receivers[2];
    create(capacity);
    for (int i = 0; i < 2; i++)
        sim_ok(conc_task_start(&receivers[i], receive_all, NULL));
    sim_go(send_range, &low);
    sim_go(send_range, &high);
    sim_join();
    sim_ok(conc_chan_close(chan));
    for (int i = 0; i < 2; i++)
        conc_task_join(receivers[i]);
    sim_check(settle() == 6);
}

static void unbuffered(void)
{
    all_arrive(0);
}

static void buffered(void)
{
    all_arrive(1);
}

/* ---------------------------------------------------------------- close and cancel */

static void close_races(size_t capacity)
{
    create(capacity);
    sim_go(send_range, &low);
    sim_go(receive_all, NULL);
    sim_go(send_range, &high);
    sim_go(close_chan, NULL);
    sim_join();
    sim_check(conc_chan_len(chan) == 0);
    sim_reached(settle() == 6 ? "all sent" : "cut short");
}

static void close_unbuffered(void)
{
    close_races(0);
}

static void close_buffered(void)
{
    close_races(2);
}

/* A closer frees every one of several that wait on either side. */
static void close_frees_all(void)
{
    create(0);
    bool senders = sim_draw(2);
    for (int i = 0; i < 3; i++) {
        static struct range one[3];
        one[i] = (struct range){.from = i + 1, .to = i + 1};
        if (senders)
            sim_go(send_range, &one[i]);
        else
            sim_go(receive_all, NULL);
    }
    sim_go(close_chan, NULL);
    sim_join();
    sim_check(settle() == 0);
}

static void second_close(void *arg)
{
    *(int *)arg = conc_chan_close(chan);
}

static void one_close_counts(void)
{
    int rc[2] = {-1, -1};
    create(1);
    sim_go(second_close, &rc[0]);
    sim_go(second_close, &rc[1]);
    sim_go(receive_all, NULL);
    sim_join();
    sim_check(rc[0] + rc[1] == EPIPE && rc[0] * rc[1] == 0);
    settle();
}

static void cancel_races(size_t capacity)
{
    static struct range a, b;
    create(capacity);
    a = (struct range){1, 3, &ctx};
    b = (struct range){HALF, HALF + 2, &ctx};
    sim_go(send_range, &a);
    sim_go(receive_all, &ctx);
    sim_go(send_range, &b);
    sim_go(cancel, NULL);
    sim_join();
    sim_reached(settle() == 6 ? "all sent" : "cut short");
}

static void cancel_unbuffered(void)
{
    cancel_races(0);
}

static void cancel_buffered(void)
{
    cancel_races(1);
}

/* ---------------------------------------------------------------- the same moment */

static struct conc_context at_ten;

static int send_way;

static void send_at_ten(void *arg)
{
    (void)arg;
    int number = 1;
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    int rc = send_way ? conc_chan_try_send(chan, &number) : conc_chan_send(chan, &number, &at_ten);
    sim_check(rc == 0 || rc == (send_way ? EAGAIN : ETIMEDOUT));
    sent[number] += rc == 0;
}

static void receive_until_ten(void *arg)
{
    (void)arg;
    int number = -1;
    int rc = conc_chan_recv(chan, &number, &at_ten);
    sim_check(rc == 0 || (rc == ETIMEDOUT && number == -1));
    sim_reached(rc == 0 ? "received" : "timed out");
    if (rc == 0)
        received[number]++;
}

/* A receiver's time is up when the message comes. */
static void deadline_of_receiver(void)
{
    create(0);
    send_way = sim_draw(2);
    conc_context_with_deadline(&at_ten, NULL, CONC_MS(10));
    sim_go(send_at_ten, NULL);
    sim_go(receive_until_ten, NULL);
    sim_join();
    conc_context_destroy(&at_ten);
    settle();
}

static void receive_then_sleep(void *arg)
{
    receive_until_ten(arg);
    sim_ok(conc_sleep_until(CONC_MS(20), NULL));
    sim_check(conc_now_ns() >= CONC_MS(20));
}

/* The wake-up that came together with the deadline was for that wait, not for the next. */
static void no_wake_up_left(void)
{
    create(0);
    send_way = 1;
    conc_context_with_deadline(&at_ten, NULL, CONC_MS(10));
    sim_go(receive_then_sleep, NULL);
    sim_go(send_at_ten, NULL);
    sim_join();
    conc_context_destroy(&at_ten);
    settle();
}

static void send_until_ten(void *arg)
{
    (void)arg;
    int number = 1;
    int rc = conc_chan_send(chan, &number, &at_ten);
    sim_check(rc == 0 || rc == ETIMEDOUT);
    sim_reached(rc == 0 ? "sent" : "timed out");
    sent[number] += rc == 0;
}

static void receive_at_ten(void *arg)
{
    (void)arg;
    int number = -1;
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    int rc = conc_chan_try_recv(chan, &number);
    sim_check(rc == 0 || (rc == EAGAIN && number == -1));
    if (rc == 0)
        received[number]++;
}

/* A sender's time is up when somebody comes to take the message. */
static void deadline_of_sender(void)
{
    create(0);
    conc_context_with_deadline(&at_ten, NULL, CONC_MS(10));
    sim_go(send_until_ten, NULL);
    sim_go(receive_at_ten, NULL);
    sim_join();
    conc_context_destroy(&at_ten);
    settle();
}

/* ---------------------------------------------------------------- order */

static void send_in_turn(void *arg)
{
    int number = *(const int *)arg;
    sim_ok(conc_sleep(CONC_MS(number), NULL));
    sim_ok(conc_chan_send(chan, &number, NULL));
    sent[number]++;
}

/* Of senders that wait, the first is served first; also those who wait for room. */
static void senders_queue(void)
{
    static const int numbers[] = {1, 2, 3};
    create((size_t)sim_draw(2));
    for (int i = 0; i < 3; i++)
        sim_go(send_in_turn, (void *)(uintptr_t)&numbers[i]);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    for (int i = 1; i <= 3; i++) {
        int number;
        sim_ok(conc_chan_recv(chan, &number, NULL));
        sim_check(number == i);
        received[number]++;
    }
    sim_join();
    settle();
}

static void receive_in_turn(void *arg)
{
    int turn = *(const int *)arg;
    int number;
    sim_ok(conc_sleep(CONC_MS(turn), NULL));
    sim_ok(conc_chan_recv(chan, &number, NULL));
    sim_check(number == turn);
    received[number]++;
}

static void receivers_queue(void)
{
    static const int numbers[] = {1, 2, 3};
    create((size_t)sim_draw(2));
    for (int i = 0; i < 3; i++)
        sim_go(receive_in_turn, (void *)(uintptr_t)&numbers[i]);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    for (int i = 1; i <= 3; i++) {
        sim_ok(conc_chan_send(chan, &i, NULL));
        sent[i]++;
    }
    sim_join();
    settle();
}

/* A sender that waits for room has it as soon as an element is taken: it returns, and the channel
 * is full again. */
static void send_two(void *arg)
{
    static struct range two = {.from = 1, .to = 2};
    (void)arg;
    send_range(&two);
}

static void room_for_one_who_waits(void)
{
    create(1);
    sim_go(send_two, NULL);
    if (sim_draw(2))
        sim_ok(conc_sleep(CONC_MS(1), NULL));
    for (int i = 1; i <= 2; i++) {
        int number;
        sim_ok(conc_chan_recv(chan, &number, NULL));
        sim_check(number == i);
        received[number]++;
        if (i == 1)
            sim_join();
    }
    settle();
}

/* ---------------------------------------------------------------- the end of its life */

static void receive_and_destroy(void *arg)
{
    (void)arg;
    int number;
    sim_ok(conc_chan_recv(chan, &number, NULL));
    conc_chan_destroy(chan);
}

static void send_last(void *arg)
{
    (void)arg;
    int number = 1;
    sim_ok(conc_chan_send(chan, &number, NULL));
}

/* The receiver of the last message may destroy the channel, though its sender has not returned. */
static void destroyed_at_once(void)
{
    create((size_t)sim_draw(2));
    sim_go(receive_and_destroy, NULL);
    sim_go(send_last, NULL);
    sim_join();
    conc_context_destroy(&ctx);
}

static void drop(void *element)
{
    received[*(int *)element]++;
}

static void drops_the_rest(void)
{
    create(0);
    conc_chan_destroy(chan);
    sim_ok(conc_chan_create(&chan, sizeof(int), 4, drop));
    sim_go(send_range, &low);
    sim_go(send_range, &high);
    sim_go(close_chan, NULL);
    for (int i = 0; i < 2; i++) {
        int number;
        if (conc_chan_recv(chan, &number, NULL) == 0)
            received[number]++;
    }
    sim_join();
    conc_chan_destroy(chan);
    for (int i = 0; i < MOST; i++)
        sim_check(sent[i] == received[i]);
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- anything at any time */

/* One call drawn from all there are. Those that wait give up in the end. */
static void any_call(int *next, int last[2])
{
    struct conc_context limit;
    int number = -1;
    int rc;
    int way = sim_draw(10);
    conc_context_with_timeout(&limit, &ctx, CONC_MS(1 + sim_draw(2)));
    switch (way) {
    case 0:
        rc = conc_chan_try_send(chan, next);
        sim_check(rc == 0 || rc == EAGAIN || rc == EPIPE);
        break;
    case 1:
    case 2:
    case 3:
        rc = conc_chan_send(chan, next, &limit);
        sim_check(rc == 0 || rc == EPIPE || rc == ETIMEDOUT || rc == ECANCELED);
        break;
    case 4:
        rc = conc_chan_try_recv(chan, &number);
        sim_check(rc == 0 || rc == EAGAIN || rc == EPIPE);
        break;
    case 5:
    case 6:
    case 7:
        rc = conc_chan_recv(chan, &number, &limit);
        sim_check(rc == 0 || rc == EPIPE || rc == ETIMEDOUT || rc == ECANCELED);
        break;
    case 8:
        rc = sim_draw(3) == 0 ? conc_chan_close(chan) : EPIPE;
        sim_check(rc == 0 || rc == EPIPE);
        break;
    default:
        rc = conc_sleep(CONC_MS(1), &ctx);
        if (sim_draw(8) == 0)
            conc_context_cancel(&ctx);
        break;
    }
    if (way <= 3 && rc == 0)
        sent[(*next)++]++;
    if (way >= 4 && way <= 7) {
        if (rc == 0)
            got(number, last);
        else
            sim_check(number == (rc == EPIPE ? 0 : -1));
    }
    conc_context_destroy(&limit);
}

static void any_calls(void *arg)
{
    int next = *(const int *)arg;
    int last[2] = {0, 0};
    for (int i = 0; i < 5; i++)
        any_call(&next, last);
}

static void anything(void)
{
    static const int from[] = {1, HALF};
    create((size_t)sim_draw(3));
    for (int i = 0; i < 2; i++)
        sim_go(any_calls, (void *)(uintptr_t)&from[i]);
    int last[2] = {0, 0};
    for (int i = 0; i < 3; i++) {
        int number = -1;
        if (conc_chan_try_recv(chan, &number) == 0)
            got(number, last);
        conc_yield();
    }
    sim_join();
    sim_reached(settle() > 0 ? "messages" : "silence");
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(unbuffered), SIM(buffered),
        SIM(close_unbuffered, "all sent", "cut short"),
        SIM(close_buffered, "all sent", "cut short"), SIM(close_frees_all), SIM(one_close_counts),
        SIM(cancel_unbuffered, "all sent", "cut short"),
        SIM(cancel_buffered, "all sent", "cut short"),
        SIM(deadline_of_receiver, "received", "timed out"),
        SIM(no_wake_up_left, "received", "timed out"), SIM(deadline_of_sender, "sent", "timed out"),
        SIM(senders_queue), SIM(receivers_queue), SIM(room_for_one_who_waits),
        SIM(destroyed_at_once), SIM(drops_the_rest), SIM(anything, "messages", "silence"));
}
