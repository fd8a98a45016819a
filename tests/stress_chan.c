/* SPDX-License-Identifier: MIT */
/* ctest: labels stress; timeout 120 */

/*
 * Producers and consumers on one channel, by every kind of call, with deadlines, cancels and a
 * close that may come at any moment. Afterwards every element whose send returned 0 was received
 * exactly once, no other was, and each consumer saw those of one producer in their order.
 */

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/select.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { MAX_SIDE = 5, MAX_ITEMS = 400 };

struct item {
    int producer;
    int number;
    int check;  /* of the two above: a torn copy shows */
    int unused; /* in every other round, so that elements are words, which have a quick way */
};

struct round {
    struct conc_chan *chan;
    struct conc_chan *silent; /* nothing ever happens on it */
    struct conc_context root;
    int producers;
    int consumers;
    int items;
    atomic_bool over;
    atomic_int sent[MAX_SIDE][MAX_ITEMS];
    atomic_int received[MAX_SIDE][MAX_ITEMS];
    atomic_int wrong;
};

/* A worker and the context of the call it is in, for the canceller to find. */
struct worker {
    struct round *round;
    int number;
    uint64_t random;
    struct conc_mutex mutex;
    struct conc_context *current; /* under mutex */
};

static uint64_t draw(struct worker *w, uint64_t bound)
{
    return conc_splitmix64(&w->random) % bound;
}

/* One attempt to send (`send_from`) or to receive, in a way drawn by chance. */
static int attempt(struct worker *w, const struct item *send_from, struct item *recv_into)
{
    struct conc_chan *ch = w->round->chan;
    struct conc_context ctx;
    struct conc_context *with = NULL;
    uint64_t way = draw(w, 8);
    if (draw(w, 8) == 0)
        conc_yield();
    if (way == 0)
        return send_from ? conc_chan_try_send(ch, send_from) : conc_chan_try_recv(ch, recv_into);
    if (way >= 3) {
        conc_context_with_timeout(
            &ctx, &w->round->root, way < 6 ? (int64_t)draw(w, 60) * 1000 : CONC_S(1000));
        with = &ctx;
        conc_mutex_lock(&w->mutex, NULL);
        w->current = with;
        conc_mutex_unlock(&w->mutex);
    }
    int rc;
    if (way % 2) {
        struct conc_select_case one = CONC_RECV(ch, recv_into);
        if (send_from)
            one = (struct conc_select_case)CONC_SEND(ch, send_from);
        struct conc_select_case cases[] = {CONC_RECV(w->round->silent, NULL), one};
        size_t chosen = 9;
        rc = way == 7 ? conc_try_select(cases, 2, &chosen) : conc_select(cases, 2, &chosen, with);
        if (rc == 0)
            rc = chosen == 1 ? cases[1].rc : -1;
    } else {
        rc = send_from ? conc_chan_send(ch, send_from, with) : conc_chan_recv(ch, recv_into, with);
    }
    if (with) {
        conc_mutex_lock(&w->mutex, NULL);
        w->current = NULL;
        conc_mutex_unlock(&w->mutex);
        conc_context_destroy(&ctx);
    }
    return rc;
}

static bool may_try_again(int rc)
{
    return rc == EAGAIN || rc == ETIMEDOUT || rc == ECANCELED;
}

static void produce(void *arg)
{
    struct worker *w = arg;
    struct round *round = w->round;
    for (int i = 0; i < round->items; i++) {
        struct item item = {w->number, i, w->number * 7919 + i, 0};
        int rc;
        do { /* now and then one is given up, but not the first */
            rc = attempt(w, &item, NULL);
        } while (may_try_again(rc) && (i == 0 || draw(w, 10) != 0));
        if (rc == 0)
            atomic_store(&round->sent[w->number][i], 1);
        else if (rc == EPIPE)
            return;
        else if (!may_try_again(rc))
            atomic_fetch_add(&round->wrong, 1);
    }
}

static void consume(void *arg)
{
    struct worker *w = arg;
    struct round *round = w->round;
    int last[MAX_SIDE];
    for (int i = 0; i < MAX_SIDE; i++)
        last[i] = -1;
    for (;;) {
        struct item item = {-1, -1, -1, -1};
        int rc = attempt(w, NULL, &item);
        if (rc == EPIPE) {
            if (item.producer != 0 || item.number != 0 || item.check != 0)
                atomic_fetch_add(&round->wrong, 1); /* not zeroed */
            return;
        }
        if (rc != 0) {
            if (!may_try_again(rc) || item.producer != -1 || item.check != -1)
                atomic_fetch_add(&round->wrong, 1); /* touched */
            continue;
        }
        if (item.producer < 0 || item.producer >= round->producers || item.number < 0 ||
            item.number >= round->items || item.check != item.producer * 7919 + item.number ||
            item.number <= last[item.producer]) {
            atomic_fetch_add(&round->wrong, 1);
            continue;
        }
        last[item.producer] = item.number;
        atomic_fetch_add(&round->received[item.producer][item.number], 1);
    }
}

struct canceller {
    struct round *round;
    struct worker *workers;
    int n;
    uint64_t random;
};

static void cancel_at_random(void *arg)
{
    struct canceller *c = arg;
    while (!atomic_load(&c->round->over)) {
        struct worker *w = &c->workers[conc_splitmix64(&c->random) % (uint64_t)c->n];
        conc_mutex_lock(&w->mutex, NULL);
        if (w->current)
            conc_context_cancel(w->current);
        conc_mutex_unlock(&w->mutex);
        conc_sleep(CONC_US(20), NULL);
    }
}

static void play_round(uint64_t seed)
{
    static const size_t capacities[] = {0, 0, 1, 2, 7, 64};
    static struct round round;
    static struct worker workers[2 * MAX_SIDE];
    uint64_t random = seed;
    memset(&round, 0, sizeof round);
    round.producers = 1 + (int)(conc_splitmix64(&random) % MAX_SIDE);
    round.consumers = 1 + (int)(conc_splitmix64(&random) % MAX_SIDE);
    round.items = 1 + (int)(conc_splitmix64(&random) % unit_scaled(MAX_ITEMS));
    size_t size =
        conc_splitmix64(&random) % 2 ? sizeof(struct item) : offsetof(struct item, unused);
    unit_ok(conc_chan_create(&round.chan, size, capacities[conc_splitmix64(&random) % 6], NULL));
    unit_ok(conc_chan_create(&round.silent, 1, 0, NULL));
    conc_context_with_cancel(&round.root, NULL);
    bool early_close = conc_splitmix64(&random) % 3 == 0;

    struct conc_wait_group producing = CONC_WAIT_GROUP_INIT;
    struct conc_wait_group others = CONC_WAIT_GROUP_INIT;
    int n = round.producers + round.consumers;
    for (int i = 0; i < n; i++)
        workers[i] = (struct worker){.round = &round,
            .number = i < round.producers ? i : i - round.producers,
            .random = conc_splitmix64(&random),
            .mutex = CONC_MUTEX_INIT};
    struct canceller canceller = {&round, workers, n, conc_splitmix64(&random)};
    unit_ok(conc_wait_group_go(&others, cancel_at_random, &canceller));
    for (int i = 0; i < n; i++)
        unit_ok(i < round.producers ? conc_wait_group_go(&producing, produce, &workers[i])
                                    : conc_wait_group_go(&others, consume, &workers[i]));
    if (early_close) {
        conc_sleep((int64_t)(conc_splitmix64(&random) % 2000) * 1000, NULL);
        unit_ok(conc_chan_close(round.chan));
    }
    unit_ok(conc_wait_group_wait(&producing, NULL));
    if (!early_close)
        unit_ok(conc_chan_close(round.chan));
    unit_rc(conc_chan_close(round.chan), EPIPE);
    atomic_store(&round.over, true);
    unit_ok(conc_wait_group_wait(&others, NULL));

    long moved = 0;
    for (int p = 0; p < round.producers; p++) {
        for (int i = 0; i < round.items; i++) {
            int sent = round.sent[p][i];
            int received = round.received[p][i];
            if (sent != received)
                ck_abort_msg("seed %" PRIu64 ": item %d of producer %d was sent %d times and "
                             "received %d times",
                    seed, i, p, sent, received);
            moved += sent;
        }
    }
    ck_assert_msg(round.wrong == 0, "seed %" PRIu64 ": %d results were wrong", seed, round.wrong);
    ck_assert_msg(early_close || moved >= round.producers,
        "seed %" PRIu64 ": %ld items moved, of %d producers that never give up their first", seed,
        moved, round.producers);
    ck_assert_uint_eq(conc_chan_len(round.chan), 0);
    for (int i = 0; i < n; i++)
        conc_mutex_destroy(&workers[i].mutex);
    conc_wait_group_destroy(&producing);
    conc_wait_group_destroy(&others);
    conc_context_destroy(&round.root);
    conc_chan_destroy(round.chan); /* aborts when a waiter was left in it */
    conc_chan_destroy(round.silent);
}

START_TEST(nothing_lost_nothing_doubled)
{
    for (struct unit_stress s = unit_stress_begin(2.0); unit_stress_more(&s);)
        play_round(s.seed);
}
END_TEST

/* ---------------------------------------------------------------- the hot path */

struct stream {
    struct conc_chan *chan;
    long n;
    long sum;
    bool in_order;
};

static void send_all(void *arg)
{
    struct stream *s = arg;
    for (long i = 1; i <= s->n; i++)
        if (conc_chan_send(s->chan, &i, NULL) != 0)
            abort();
    conc_chan_close(s->chan);
}

/* One to one, nothing but plain calls, as fast as it goes: the order and the sum. */
START_TEST(one_to_one)
{
    for (struct unit_stress s = unit_stress_begin(0.5); unit_stress_more(&s);) {
        for (size_t capacity = 0; capacity < 4; capacity++) {
            struct stream stream = {.n = (long)unit_scaled(4000)};
            struct conc_task *task;
            unit_ok(conc_chan_create(&stream.chan, sizeof(long), capacity, NULL));
            unit_ok(conc_task_start(&task, send_all, &stream));
            long expected = 1;
            long value;
            int rc;
            while ((rc = conc_chan_recv(stream.chan, &value, NULL)) == 0)
                if (value != expected++)
                    ck_abort_msg("%ld and not %ld", value, expected - 1);
            unit_rc(rc, EPIPE);
            ck_assert_int_eq(expected, stream.n + 1);
            conc_task_join(task);
            conc_chan_destroy(stream.chan);
        }
    }
}
END_TEST

int main(void)
{
    return unit_main_timeout("stress chan", 60, nothing_lost_nothing_doubled, one_to_one);
}
