/* SPDX-License-Identifier: MIT */

/* Messages: channels, the queue of a mutex and two conditions, select. */

#include <errno.h>
#include <stdatomic.h>

#include "bench/baselines/pthread_pipes.h"
#include "bench/baselines/pthread_queue.h"
#include "bench/baselines/pthread_team.h"
#include "bench/targets/row.h"
#include "bounded_queue.h"
#include "sync/chan.h"
#include "sync/select.h"
#include "sync/wait_group.h"

CONC_CHAN_DECLARE(u64_chan, uint64_t)

/* The sum of 0 … n - 1. */
static uint64_t sum_below(int64_t n)
{
    return (uint64_t)n * (uint64_t)(n - 1) / 2;
}

/* ---- one sender, and main receives; capacity 0 is a hand-over in person ---- */

struct stream {
    const struct trial *t;
    struct u64_chan *chan;
    struct conc_bounded_queue *bounded;
    struct textbook_queue textbook;
};

static void send_all(void *arg)
{
    struct stream *s = arg;
    trial_place(s->t, 1);
    for (uint64_t i = 0; i < (uint64_t)s->t->n; i++)
        OK(u64_chan_send(s->chan, i, NULL));
    OK(u64_chan_close(s->chan));
}

void chan_stream(struct trial *t)
{
    struct stream s = {.t = t};
    struct conc_wait_group sender = CONC_WAIT_GROUP_INIT;
    uint64_t sum = 0;
    uint64_t value;
    OK(u64_chan_create(&s.chan, (size_t)t->row->parameter));
    trial_place(t, 0);
    trial_begin(t);
    OK(conc_wait_group_go(&sender, send_all, &s));
    while (u64_chan_recv(s.chan, &value, NULL) == 0)
        sum += value;
    trial_end(t);
    conc_wait_group_wait(&sender, NULL);
    conc_wait_group_destroy(&sender);
    u64_chan_destroy(s.chan);
    MUST(sum == sum_below(t->n));
}

static void push_all(void *arg)
{
    struct stream *s = arg;
    trial_place(s->t, 1);
    for (uint64_t i = 0; i < (uint64_t)s->t->n; i++)
        OK(conc_bounded_queue_push(s->bounded, &i, NULL));
    OK(conc_bounded_queue_close(s->bounded));
}

void queue_stream(struct trial *t)
{
    struct stream s = {.t = t};
    struct conc_wait_group pusher = CONC_WAIT_GROUP_INIT;
    uint64_t sum = 0;
    uint64_t value;
    OK(conc_bounded_queue_create(&s.bounded, sizeof value, (size_t)t->row->parameter, NULL));
    trial_place(t, 0);
    trial_begin(t);
    OK(conc_wait_group_go(&pusher, push_all, &s));
    while (conc_bounded_queue_pop(s.bounded, &value, NULL) == 0)
        sum += value;
    trial_end(t);
    conc_wait_group_wait(&pusher, NULL);
    conc_wait_group_destroy(&pusher);
    conc_bounded_queue_destroy(s.bounded);
    MUST(sum == sum_below(t->n));
}

static void *push_all_textbook(void *arg)
{
    struct stream *s = arg;
    trial_place(s->t, 1);
    for (uint64_t i = 0; i < (uint64_t)s->t->n; i++)
        OK(textbook_queue_push(&s->textbook, &i));
    textbook_queue_close(&s->textbook);
    return NULL;
}

void chan_stream_textbook(struct trial *t)
{
    struct stream s = {.t = t};
    struct textbook_team pusher;
    uint64_t sum = 0;
    uint64_t value;
    OK(textbook_queue_init(&s.textbook, sizeof value, (size_t)t->row->parameter));
    trial_place(t, 0);
    trial_begin(t);
    OK(textbook_team_start(&pusher, 1, push_all_textbook, &s));
    while (textbook_queue_pop(&s.textbook, &value) == 0)
        sum += value;
    trial_end(t);
    textbook_team_join(&pusher);
    textbook_queue_destroy(&s.textbook);
    MUST(sum == sum_below(t->n));
}

/* ---- four senders, four receivers ---- */

enum { SIDE = 4 };

struct crowd {
    const struct trial *t;
    struct u64_chan *chan;
    struct textbook_queue textbook;
    atomic_int senders;
    atomic_int receivers;
    atomic_uint_fast64_t sum;
};

static void send_part(void *arg)
{
    struct crowd *c = arg;
    int me = atomic_fetch_add(&c->senders, 1);
    trial_place(c->t, me);
    uint64_t end = (uint64_t)(c->t->n * (me + 1) / SIDE);
    for (uint64_t i = (uint64_t)(c->t->n * me / SIDE); i < end; i++)
        OK(u64_chan_send(c->chan, i, NULL));
}

static void recv_part(void *arg)
{
    struct crowd *c = arg;
    uint64_t sum = 0;
    uint64_t value;
    trial_place(c->t, atomic_fetch_add(&c->receivers, 1));
    while (u64_chan_recv(c->chan, &value, NULL) == 0)
        sum += value;
    atomic_fetch_add(&c->sum, sum);
}

void chan_many(struct trial *t)
{
    struct crowd c = {.t = t};
    struct conc_wait_group senders = CONC_WAIT_GROUP_INIT;
    struct conc_wait_group receivers = CONC_WAIT_GROUP_INIT;
    OK(u64_chan_create(&c.chan, (size_t)t->row->parameter));
    trial_begin(t);
    for (int i = 0; i < SIDE; i++) {
        OK(conc_wait_group_go(&receivers, recv_part, &c));
        OK(conc_wait_group_go(&senders, send_part, &c));
    }
    conc_wait_group_wait(&senders, NULL);
    OK(u64_chan_close(c.chan));
    conc_wait_group_wait(&receivers, NULL);
    trial_end(t);
    conc_wait_group_destroy(&receivers);
    conc_wait_group_destroy(&senders);
    u64_chan_destroy(c.chan);
    MUST(c.sum == sum_below(t->n));
}

static void *push_part(void *arg)
{
    struct crowd *c = arg;
    int me = atomic_fetch_add(&c->senders, 1);
    trial_place(c->t, me);
    uint64_t end = (uint64_t)(c->t->n * (me + 1) / SIDE);
    for (uint64_t i = (uint64_t)(c->t->n * me / SIDE); i < end; i++)
        OK(textbook_queue_push(&c->textbook, &i));
    return NULL;
}

static void *pop_part(void *arg)
{
    struct crowd *c = arg;
    uint64_t sum = 0;
    uint64_t value;
    trial_place(c->t, atomic_fetch_add(&c->receivers, 1));
    while (textbook_queue_pop(&c->textbook, &value) == 0)
        sum += value;
    atomic_fetch_add(&c->sum, sum);
    return NULL;
}

void chan_many_textbook(struct trial *t)
{
    struct crowd c = {.t = t};
    struct textbook_team senders;
    struct textbook_team receivers;
    OK(textbook_queue_init(&c.textbook, sizeof(uint64_t), (size_t)t->row->parameter));
    trial_begin(t);
    OK(textbook_team_start(&receivers, SIDE, pop_part, &c));
    OK(textbook_team_start(&senders, SIDE, push_part, &c));
    textbook_team_join(&senders);
    textbook_queue_close(&c.textbook);
    textbook_team_join(&receivers);
    trial_end(t);
    textbook_queue_destroy(&c.textbook);
    MUST(c.sum == sum_below(t->n));
}

/* ---- there and back over two unbuffered channels ---- */

struct table {
    const struct trial *t;
    struct u64_chan *ping;
    struct u64_chan *pong;
    struct textbook_queue textbook_ping;
    struct textbook_queue textbook_pong;
};

static void give_back(void *arg)
{
    struct table *table = arg;
    uint64_t value;
    trial_place(table->t, 1);
    while (u64_chan_recv(table->ping, &value, NULL) == 0)
        OK(u64_chan_send(table->pong, value + 1, NULL));
}

void chan_ping_pong(struct trial *t)
{
    struct table table = {.t = t};
    struct conc_wait_group other = CONC_WAIT_GROUP_INIT;
    OK(u64_chan_create(&table.ping, 0));
    OK(u64_chan_create(&table.pong, 0));
    trial_place(t, 0);
    trial_begin(t);
    OK(conc_wait_group_go(&other, give_back, &table));
    uint64_t value = 0;
    for (int64_t i = 0; i < t->n; i++) {
        OK(u64_chan_send(table.ping, value, NULL));
        OK(u64_chan_recv(table.pong, &value, NULL));
    }
    trial_end(t);
    OK(u64_chan_close(table.ping));
    conc_wait_group_wait(&other, NULL);
    conc_wait_group_destroy(&other);
    u64_chan_destroy(table.pong);
    u64_chan_destroy(table.ping);
    MUST(value == (uint64_t)t->n);
}

static void *give_back_textbook(void *arg)
{
    struct table *table = arg;
    uint64_t value;
    trial_place(table->t, 1);
    while (textbook_queue_pop(&table->textbook_ping, &value) == 0) {
        value++;
        OK(textbook_queue_push(&table->textbook_pong, &value));
    }
    return NULL;
}

void chan_ping_pong_textbook(struct trial *t)
{
    struct table table = {.t = t};
    struct textbook_team other;
    OK(textbook_queue_init(&table.textbook_ping, sizeof(uint64_t), 0));
    OK(textbook_queue_init(&table.textbook_pong, sizeof(uint64_t), 0));
    trial_place(t, 0);
    trial_begin(t);
    OK(textbook_team_start(&other, 1, give_back_textbook, &table));
    uint64_t value = 0;
    for (int64_t i = 0; i < t->n; i++) {
        OK(textbook_queue_push(&table.textbook_ping, &value));
        OK(textbook_queue_pop(&table.textbook_pong, &value));
    }
    trial_end(t);
    textbook_queue_close(&table.textbook_ping);
    textbook_team_join(&other);
    textbook_queue_destroy(&table.textbook_pong);
    textbook_queue_destroy(&table.textbook_ping);
    MUST(value == (uint64_t)t->n);
}

/* ---- select, every one of four channels ready ---- */

/* The channels are filled with the clock stopped. Each holds as many as are then taken from all
 * four together, so none can run dry. */
enum { READY = 4, SELECTS = 1024 };

static void fill(struct u64_chan *const *chans, struct conc_chan *const *raw)
{
    for (size_t c = 0; c < READY; c++)
        for (size_t i = conc_chan_len(raw[c]); i < SELECTS; i++)
            OK(u64_chan_try_send(chans[c], c + 1));
}

void chan_select(struct trial *t)
{
    struct u64_chan *chans[READY];
    struct conc_chan *raw[READY];
    uint64_t values[READY] = {0};
    struct conc_select_case cases[READY];
    int64_t taken[READY] = {0};
    for (size_t c = 0; c < READY; c++) {
        OK(u64_chan_create(&chans[c], SELECTS));
        raw[c] = u64_chan_raw(chans[c]);
        cases[c] = (struct conc_select_case)CONC_RECV(raw[c], &values[c]);
    }
    for (int64_t left = t->n; left > 0; left -= SELECTS) {
        int64_t now = left < SELECTS ? left : SELECTS;
        fill(chans, raw);
        trial_begin(t);
        for (int64_t i = 0; i < now; i++) {
            size_t chosen;
            OK(conc_select(cases, READY, &chosen, NULL));
            MUST(values[chosen] == chosen + 1);
            taken[chosen]++;
        }
        trial_end(t);
    }
    int64_t sum = 0;
    for (size_t c = 0; c < READY; c++) {
        MUST(t->n < 1000 || taken[c] > t->n / 8); /* drawn with equal chance */
        sum += taken[c];
        u64_chan_destroy(chans[c]);
    }
    MUST(sum == t->n);
}

void chan_select_textbook(struct trial *t)
{
    struct textbook_pipes pipes;
    uint64_t sum = 0;
    OK(textbook_pipes_init(&pipes, READY));
    for (int64_t left = t->n; left > 0; left -= SELECTS) {
        int64_t now = left < SELECTS ? left : SELECTS;
        for (int64_t i = 0; i < now; i++)
            OK(textbook_pipes_send(&pipes, (size_t)i % READY, 1));
        trial_begin(t);
        for (int64_t i = 0; i < now; i++) {
            uint64_t value;
            OK(textbook_pipes_recv(&pipes, &value));
            sum += value;
        }
        trial_end(t);
    }
    textbook_pipes_destroy(&pipes);
    MUST(sum == (uint64_t)t->n);
}
