/* SPDX-License-Identifier: MIT */
/* ctest: labels stress; timeout 120 */

/*
 * Tasks that select over random sets of channels, sending and receiving, the same channel several
 * times and in both directions, with deadlines and closes. Afterwards every element whose send was
 * the chosen case was received once or is still in its channel, and no other exists.
 */

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/select.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { CHANS = 5, TASKS = 6, CASES = 9, PER_TASK = 300 };

struct item {
    int task;
    int number;
    int chan;
    int unused; /* in every other round, so that elements are words, which have a quick way */
};

struct round {
    struct conc_chan *chans[CHANS];
    struct conc_context root;
    int steps;
    atomic_int sent[TASKS][PER_TASK];
    atomic_int received[TASKS][PER_TASK];
    atomic_long moved;
    atomic_int wrong;
};

struct member {
    struct round *round;
    int me;
    uint64_t random;
};

static uint64_t draw(struct member *m, uint64_t bound)
{
    return conc_splitmix64(&m->random) % bound;
}

static void receive(struct round *round, const struct item *item, int chan, int last[TASKS][CHANS])
{
    if (item->task < 0 || item->task >= TASKS || item->number < 0 || item->number >= PER_TASK ||
        item->chan != chan) {
        atomic_fetch_add(&round->wrong, 1);
        return;
    }
    /* First in, first out: of one sender and one channel a receiver sees rising numbers. */
    if (last && item->number <= last[item->task][chan])
        atomic_fetch_add(&round->wrong, 1);
    if (last)
        last[item->task][chan] = item->number;
    atomic_fetch_add(&round->received[item->task][item->number], 1);
}

static void select_at_random(void *arg)
{
    struct member *m = arg;
    struct round *round = m->round;
    int last[TASKS][CHANS];
    memset(last, 0xFF, sizeof last);
    int next = 0; /* of our own items */
    for (int step = 0; step < round->steps && next < PER_TASK; step++) {
        struct conc_select_case cases[CASES];
        struct item out[CASES];
        struct item in[CASES];
        int chans[CASES];
        size_t n = draw(m, CASES + 1);
        for (size_t i = 0; i < n; i++) {
            chans[i] = (int)draw(m, CHANS + 1) - 1; /* -1: NULL */
            struct conc_chan *ch = chans[i] < 0 ? NULL : round->chans[chans[i]];
            in[i] = (struct item){-1, -1, -1, -1};
            out[i] = (struct item){m->me, next, chans[i], 0};
            if (draw(m, 2))
                cases[i] = (struct conc_select_case)CONC_SEND(ch, &out[i]);
            else
                cases[i] = (struct conc_select_case)CONC_RECV(ch, &in[i]);
        }
        size_t chosen = CASES;
        int rc;
        if (draw(m, 4) == 0) {
            rc = conc_try_select(cases, n, &chosen);
        } else {
            struct conc_context ctx;
            conc_context_with_timeout(&ctx, &round->root, (int64_t)draw(m, 300) * 1000);
            rc = conc_select(cases, n, &chosen, &ctx);
            conc_context_destroy(&ctx);
        }
        if (rc != 0) {
            if (chosen != CASES || (rc != EAGAIN && rc != ETIMEDOUT && rc != ECANCELED))
                atomic_fetch_add(&round->wrong, 1);
        } else if (chosen >= n || chans[chosen] < 0) {
            atomic_fetch_add(&round->wrong, 1);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            bool is_chosen = rc == 0 && i == chosen;
            if (!is_chosen && !cases[i].send && in[i].task != -1)
                atomic_fetch_add(&round->wrong, 1); /* a loser was touched */
        }
        if (rc != 0)
            continue;
        if (cases[chosen].rc == EPIPE) {
            if (!cases[chosen].send && (in[chosen].task | in[chosen].number | in[chosen].chan) != 0)
                atomic_fetch_add(&round->wrong, 1); /* not zeroed */
        } else if (cases[chosen].rc != 0) {
            atomic_fetch_add(&round->wrong, 1);
        } else if (cases[chosen].send) {
            atomic_store(&round->sent[m->me][next++], 1);
            atomic_fetch_add(&round->moved, 1);
        } else {
            receive(round, &in[chosen], chans[chosen], last);
        }
        if (draw(m, 16) == 0)
            conc_yield();
    }
}

/* How many items were sent. */
static long play_round(uint64_t seed)
{
    static struct round round;
    struct member members[TASKS];
    uint64_t random = seed;
    memset(&round, 0, sizeof round);
    round.steps = (int)unit_scaled(1000);
    conc_context_with_cancel(&round.root, NULL);
    size_t size =
        conc_splitmix64(&random) % 2 ? sizeof(struct item) : offsetof(struct item, unused);
    for (int i = 0; i < CHANS; i++)
        unit_ok(conc_chan_create(&round.chans[i], size, conc_splitmix64(&random) % 3, NULL));
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < TASKS; i++) {
        members[i] = (struct member){&round, i, conc_splitmix64(&random)};
        unit_ok(conc_wait_group_go(&group, select_at_random, &members[i]));
    }
    /* Some channels are closed in the middle; in some rounds the whole is cancelled. */
    for (int i = 0; i < CHANS; i++) {
        if (conc_splitmix64(&random) % 3 == 0) {
            conc_sleep((int64_t)(conc_splitmix64(&random) % 500) * 1000, NULL);
            unit_ok(conc_chan_close(round.chans[i]));
        }
    }
    if (conc_splitmix64(&random) % 4 == 0)
        conc_context_cancel(&round.root);
    unit_ok(conc_wait_group_wait(&group, NULL));

    for (int i = 0; i < CHANS; i++) {
        struct item item;
        while (conc_chan_try_recv(round.chans[i], &item) == 0)
            receive(&round, &item, i, NULL);
        conc_chan_destroy(round.chans[i]); /* aborts when a node was left in it */
    }
    for (int t = 0; t < TASKS; t++)
        for (int i = 0; i < PER_TASK; i++)
            if (round.sent[t][i] != round.received[t][i])
                ck_abort_msg("seed %" PRIu64 ": item %d of task %d was sent %d times and received "
                             "%d times",
                    seed, i, t, round.sent[t][i], round.received[t][i]);
    ck_assert_msg(round.wrong == 0, "seed %" PRIu64 ": %d results were wrong", seed, round.wrong);
    conc_wait_group_destroy(&group);
    conc_context_destroy(&round.root);
    return round.moved;
}

START_TEST(nothing_lost_nothing_doubled)
{
    long moved = 0;
    for (struct unit_stress s = unit_stress_begin(2.0); unit_stress_more(&s);)
        moved += play_round(s.seed);
    ck_assert_int_gt(moved, 0);
}
END_TEST

int main(void)
{
    return unit_main_timeout("stress select", 60, nothing_lost_nothing_doubled);
}
