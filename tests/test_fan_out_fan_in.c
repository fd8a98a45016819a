/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */
#include "tests/unit.h"

#include "fan_out_fan_in.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

enum { MAX_OUTS = 8 };

/* ------------------------------------------------------------------ helpers */

static struct conc_chan *chan(size_t capacity)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), capacity, NULL));
    return ch;
}

static void put(struct conc_chan *ch, int value)
{
    unit_ok(conc_chan_send(ch, &value, NULL));
}

static int get(struct conc_chan *ch)
{
    int value;
    unit_ok(conc_chan_recv(ch, &value, NULL));
    return value;
}

static void ended(struct conc_chan *ch)
{
    int value = 1;
    unit_rc(conc_chan_recv(ch, &value, NULL), EPIPE);
    ck_assert_int_eq(value, 0);
}

/* A channel with 0 … n - 1 in it, closed. */
static struct conc_chan *filled(int n)
{
    struct conc_chan *ch = chan((size_t)n);
    for (int i = 0; i < n; i++)
        put(ch, i);
    unit_ok(conc_chan_close(ch));
    return ch;
}

static int twice(void *in, void *out, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    *(int *)out = 2 * *(int *)in;
    return 0;
}

/* Yields a varying number of times, so that workers overtake each other. */
static int jumpy(void *in, void *out, void *arg, struct conc_context *ctx)
{
    for (uint64_t n = conc_random_below(6); n > 0; n--)
        conc_yield();
    return twice(in, out, arg, ctx);
}

static int only_even(void *in, void *out, void *arg, struct conc_context *ctx)
{
    if (*(int *)in % 2 != 0)
        return CONC_FAN_SKIP;
    return jumpy(in, out, arg, ctx);
}

struct sender {
    struct conc_chan *to;
    int sent;
    int rc;
};

/* Sends for ever, until it is told that nobody receives. */
static void send_on(void *arg)
{
    struct sender *sender = arg;
    while ((sender->rc = conc_chan_send(sender->to, &sender->sent, NULL)) == 0)
        sender->sent++;
}

/* ------------------------------------------------------------------ map */

/* Every item once, in order when asked. */
static void map_all(int items, size_t workers, size_t capacity, bool ordered)
{
    struct conc_chan *in = filled(items), *out = chan(capacity);
    struct conc_fan_work work = {
        .in = in, .out = out, .workers = workers, .ordered = ordered, .fn = jumpy};
    struct conc_fan *fan;
    unit_ok(conc_fan_map(&fan, &work, NULL));
    int count = 0, value;
    int64_t sum = 0;
    while (conc_chan_recv(out, &value, NULL) == 0) {
        if (ordered && value != 2 * count)
            ck_abort_msg("item %d came as number %d", value / 2, count);
        sum += value;
        count++;
    }
    ck_assert_int_eq(count, items);
    ck_assert_int_eq(sum, (int64_t)items * (items - 1));
    unit_ok(conc_fan_error(fan));
    unit_ok(conc_fan_wait(fan, NULL));
    unit_ok(conc_fan_try_wait(fan));
    conc_fan_destroy(fan);
    conc_chan_destroy(in);
    conc_chan_destroy(out);
}

START_TEST(map_sizes)
{
    static const int items[] = {0, 1, 2, 7, 200};
    static const size_t workers[] = {0, 1, 2, 3, 16};
    for (size_t i = 0; i < 5; i++)
        for (size_t w = 0; w < 5; w++)
            for (size_t capacity = 0; capacity < 3; capacity++) {
                map_all(items[i], workers[w], capacity, true);
                map_all(items[i], workers[w], capacity, false);
            }
}
END_TEST

START_TEST(map_skips_in_order)
{
    struct conc_chan *in = filled(101), *out = chan(0);
    struct conc_fan_work work = {
        .in = in, .out = out, .workers = 4, .ordered = true, .fn = only_even, .name = "even"};
    struct conc_fan *fan;
    unit_ok(conc_fan_map(&fan, &work, NULL));
    for (int i = 0; i <= 100; i += 2)
        ck_assert_int_eq(get(out), 2 * i);
    ended(out);
    unit_ok(conc_fan_error(fan));
    conc_fan_destroy(fan);
    conc_chan_destroy(in);
    conc_chan_destroy(out);
}
END_TEST

static int fails_at_5(void *in, void *out, void *arg, struct conc_context *ctx)
{
    return *(int *)in == 5 ? ERANGE : twice(in, out, arg, ctx);
}

/* Regression: a stage that leaves without a word to those above it. The sender is freed by the
 * closed input, and the first error is kept. */
static void map_fails(bool ordered)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_chan *in = chan(0), *out = chan(100);
    struct conc_fan_work work = {
        .in = in, .out = out, .workers = 3, .ordered = ordered, .fn = fails_at_5};
    struct conc_fan *fan;
    struct sender sender = {.to = in};
    unit_ok(conc_fan_map(&fan, &work, NULL));
    unit_ok(conc_wait_group_go(&group, send_on, &sender));
    unit_ok(conc_fan_wait(fan, NULL));
    unit_rc(conc_fan_error(fan), ERANGE);
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_rc(sender.rc, EPIPE);
    ck_assert_int_ge(sender.sent, 6);
    int value, got = 0;
    while (conc_chan_recv(out, &value, NULL) == 0) {
        ck_assert_int_ne(value, 10);
        got++;
    }
    ck_assert_int_lt(got, sender.sent);
    conc_fan_destroy(fan);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(in);
    conc_chan_destroy(out);
}

START_TEST(map_error)
{
    map_fails(false);
    map_fails(true);
}
END_TEST

static int ends_task(void *in, void *out, void *arg, struct conc_context *ctx)
{
    if (*(int *)in == 3)
        conc_task_exit();
    return twice(in, out, arg, ctx);
}

START_TEST(map_fn_that_ends_its_task)
{
    for (int ordered = 0; ordered < 2; ordered++) {
        struct conc_chan *in = filled(10), *out = chan(10);
        struct conc_fan_work work = {
            .in = in, .out = out, .workers = 2, .ordered = ordered, .fn = ends_task};
        struct conc_fan *fan;
        unit_ok(conc_fan_map(&fan, &work, NULL));
        unit_ok(conc_fan_wait(fan, NULL));
        unit_rc(conc_fan_error(fan), EOWNERDEAD);
        ck_assert(conc_chan_closed(out));
        conc_fan_destroy(fan);
        conc_chan_destroy(in);
        conc_chan_destroy(out);
    }
}
END_TEST

static _Atomic int held_values; /* made and not yet ended */

static int make_value(void *in, void *out, void *arg, struct conc_context *ctx)
{
    held_values += 1;
    return twice(in, out, arg, ctx);
}

static void drop_value(void *element, void *arg)
{
    (void)element;
    (void)arg;
    held_values -= 1;
}

/* A reader who leaves closes the output: workers drop what they hold, the sender is freed. */
START_TEST(map_reader_leaves)
{
    for (int ordered = 0; ordered < 2; ordered++) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_chan *in = chan(0), *out = chan(0);
        struct conc_fan_work work = {.in = in,
            .out = out,
            .workers = 3,
            .ordered = ordered,
            .fn = make_value,
            .drop = drop_value};
        struct conc_fan *fan;
        struct sender sender = {.to = in};
        held_values = 0;
        unit_ok(conc_fan_map(&fan, &work, NULL));
        unit_ok(conc_wait_group_go(&group, send_on, &sender));
        for (int i = 0; i < 4; i++) {
            get(out);
            drop_value(NULL, NULL);
        }
        unit_ok(conc_chan_close(out));
        unit_ok(conc_fan_wait(fan, NULL));
        unit_rc(conc_fan_error(fan), EPIPE);
        unit_ok(conc_wait_group_wait(&group, NULL));
        unit_rc(sender.rc, EPIPE);
        ck_assert_int_eq(held_values, 0);
        conc_fan_destroy(fan);
        conc_wait_group_destroy(&group);
        conc_chan_destroy(in);
        conc_chan_destroy(out);
    }
}
END_TEST

/* Cancelled from each side while its tasks wait: for input, for the reader, for their turn. */
START_TEST(map_cancel)
{
    for (int how = 0; how < 6; how++) {
        bool waits_for_input = how < 3, ordered = how % 3 == 2;
        struct conc_chan *in = waits_for_input ? chan(0) : filled(10), *out = chan(0);
        struct conc_fan_work work = {
            .in = in, .out = out, .workers = 3, .ordered = ordered, .fn = twice};
        struct conc_context parent;
        conc_context_with_cancel(&parent, NULL);
        struct conc_fan *fan;
        unit_ok(conc_fan_map(&fan, &work, &parent));
        unit_wait_parked(3);
        unit_rc(conc_fan_try_wait(fan), EAGAIN);
        if (how % 3 == 0)
            conc_fan_cancel(fan);
        else
            conc_context_cancel_cause(&parent, EOVERFLOW);
        unit_ok(conc_fan_wait(fan, NULL));
        unit_rc(conc_fan_error(fan), how % 3 == 0 ? ECANCELED : EOVERFLOW);
        ck_assert(conc_chan_closed(in) && conc_chan_closed(out));
        conc_fan_destroy(fan);
        conc_context_destroy(&parent);
        conc_chan_destroy(in);
        conc_chan_destroy(out);
    }
}
END_TEST

static int waits_for_context(void *in, void *out, void *arg, struct conc_context *ctx)
{
    (void)in;
    (void)out;
    (void)arg;
    return conc_context_wait(ctx);
}

START_TEST(deadline_and_wait)
{
    for (int deadline = 0; deadline < 2; deadline++) {
        struct conc_chan *in = filled(3), *out = chan(0);
        struct conc_fan_work work = {.in = in, .out = out, .workers = 2, .fn = waits_for_context};
        struct conc_context parent, mine;
        struct conc_fan *fan;
        conc_context_with_timeout(&parent, NULL, deadline ? CONC_MS(5) : CONC_FOREVER);
        unit_ok(conc_fan_map(&fan, &work, &parent));
        if (!deadline) {
            conc_context_with_timeout(&mine, NULL, CONC_MS(1));
            unit_rc(conc_fan_wait(fan, &mine), ETIMEDOUT);
            conc_context_destroy(&mine);
            conc_context_with_cancel(&mine, NULL);
            conc_context_cancel(&mine);
            unit_rc(conc_fan_wait(fan, &mine), ECANCELED);
            conc_context_destroy(&mine);
            conc_fan_cancel(fan);
        }
        ended(out);
        unit_rc(conc_fan_error(fan), deadline ? ETIMEDOUT : ECANCELED);
        conc_fan_destroy(fan);
        conc_context_destroy(&parent);
        conc_chan_destroy(in);
        conc_chan_destroy(out);
    }
}
END_TEST

START_TEST(parent_already_done)
{
    struct conc_chan *in = filled(3), *out = chan(3);
    struct conc_fan_work work = {.in = in, .out = out, .workers = 2, .fn = twice};
    struct conc_context parent;
    struct conc_fan *fan;
    conc_context_with_cancel(&parent, NULL);
    conc_context_cancel(&parent);
    unit_ok(conc_fan_map(&fan, &work, &parent));
    ended(out);
    unit_rc(conc_fan_error(fan), ECANCELED);
    ck_assert_uint_eq(conc_chan_len(in), 3);
    conc_fan_destroy(fan);
    conc_context_destroy(&parent);
    conc_chan_destroy(in);
    conc_chan_destroy(out);
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_chan *a = chan(1), *b = chan(1), *wide;
    unit_ok(conc_chan_create(&wide, 8, 1, NULL));
    struct conc_fan *fan = NULL;
    struct conc_fan_work work = {.in = a, .out = b, .fn = twice};
    unit_rc(conc_fan_map(NULL, &work, NULL), EINVAL);
    unit_rc(conc_fan_map(&fan, NULL, NULL), EINVAL);
    unit_rc(conc_fan_map(&fan, &(struct conc_fan_work){.in = a, .out = b}, NULL), EINVAL);
    unit_rc(conc_fan_map(&fan, &(struct conc_fan_work){.out = b, .fn = twice}, NULL), EINVAL);
    unit_rc(conc_fan_map(&fan, &(struct conc_fan_work){.in = a, .fn = twice}, NULL), EINVAL);
    unit_rc(
        conc_fan_map(&fan, &(struct conc_fan_work){.in = a, .out = a, .fn = twice}, NULL), EINVAL);
    struct conc_chan *const good[] = {a}, *const bad[] = {a, NULL}, *const wides[] = {wide};
    for (int turn = 0; turn < 2; turn++) {
        unit_rc(conc_fan_merge(NULL, good, 1, b, turn, NULL, NULL), EINVAL);
        unit_rc(conc_fan_merge(&fan, NULL, 1, b, turn, NULL, NULL), EINVAL);
        unit_rc(conc_fan_merge(&fan, good, 1, NULL, turn, NULL, NULL), EINVAL);
        unit_rc(conc_fan_merge(&fan, good, 1, a, turn, NULL, NULL), EINVAL);
        unit_rc(conc_fan_merge(&fan, good, 1, wide, turn, NULL, NULL), EINVAL);
        unit_rc(conc_fan_merge(&fan, bad, 2, b, turn, NULL, NULL), EINVAL);
    }
    unit_rc(conc_fan_deal(NULL, b, good, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_deal(&fan, NULL, good, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_deal(&fan, b, NULL, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_deal(&fan, b, good, 0, NULL, NULL), EINVAL);
    unit_rc(conc_fan_deal(&fan, a, good, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_deal(&fan, b, wides, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_tee(NULL, b, good, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_tee(&fan, NULL, good, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_tee(&fan, b, NULL, 1, NULL, NULL), EINVAL);
    unit_rc(conc_fan_tee(&fan, b, bad, 2, NULL, NULL), EINVAL);
    struct conc_fan_tee_options shared = {.drop = free};
    unit_rc(conc_fan_tee(&fan, b, good, 1, &shared, NULL), EINVAL);
    ck_assert_ptr_null(fan);
    unit_rc(conc_fan_wait(NULL, NULL), EINVAL);
    unit_rc(conc_fan_try_wait(NULL), EINVAL);
    unit_rc(conc_fan_error(NULL), 0);
    ck_assert_uint_eq(conc_fan_missed(NULL, 0), 0);
    conc_fan_cancel(NULL);
    conc_fan_destroy(NULL);
    ck_assert_uint_eq(conc_chan_size(wide), 8);
    ck_assert_uint_eq(conc_chan_size(NULL), 0);
    ck_assert(!conc_chan_closed(a) && !conc_chan_closed(b));
    conc_chan_destroy(a);
    conc_chan_destroy(b);
    conc_chan_destroy(wide);
}
END_TEST

/* ------------------------------------------------------------------ merge and deal */

START_TEST(merge_as_they_come)
{
    for (size_t n = 0; n <= MAX_OUTS; n++) {
        struct conc_chan *ins[MAX_OUTS], *out = chan(0);
        int next[MAX_OUTS] = {0}, value, count = 0;
        for (size_t i = 0; i < n; i++) {
            ins[i] = chan(20);
            for (int k = 0; k < 20; k++)
                put(ins[i], (int)i * 1000 + k);
            unit_ok(conc_chan_close(ins[i]));
        }
        struct conc_fan *fan;
        unit_ok(conc_fan_merge(&fan, ins, n, out, false, NULL, NULL));
        for (; conc_chan_recv(out, &value, NULL) == 0; count++)
            ck_assert_int_eq(value % 1000, next[value / 1000]++); /* each in its order */
        ck_assert_int_eq(count, (int)n * 20);
        unit_ok(conc_fan_error(fan));
        conc_fan_destroy(fan);
        for (size_t i = 0; i < n; i++)
            conc_chan_destroy(ins[i]);
        conc_chan_destroy(out);
    }
}
END_TEST

/* The output stays open while one input is: one close, after all. */
START_TEST(merge_closes_after_all)
{
    struct conc_chan *ins[] = {chan(0), chan(0), chan(0)}, *out = chan(0);
    struct conc_fan *fan;
    unit_ok(conc_fan_merge(&fan, ins, 3, out, false, NULL, NULL));
    unit_ok(conc_chan_close(ins[0]));
    unit_ok(conc_chan_close(ins[2]));
    put(ins[1], 7);
    ck_assert_int_eq(get(out), 7);
    ck_assert(!conc_chan_closed(out));
    unit_ok(conc_chan_close(ins[1]));
    ended(out);
    unit_rc(conc_chan_close(out), EPIPE);
    conc_fan_destroy(fan);
    for (int i = 0; i < 3; i++)
        conc_chan_destroy(ins[i]);
    conc_chan_destroy(out);
}
END_TEST

START_TEST(deal_and_merge_in_turn)
{
    static const int items[] = {0, 1, 3, 10, 100};
    for (size_t n = 1; n <= MAX_OUTS; n++)
        for (size_t k = 0; k < 5; k++) {
            struct conc_chan *in = filled(items[k]), *between[MAX_OUTS], *out = chan(0);
            for (size_t i = 0; i < n; i++)
                between[i] = chan(i % 3);
            struct conc_fan *deal, *merge;
            unit_ok(conc_fan_deal(&deal, in, between, n, NULL, NULL));
            unit_ok(conc_fan_merge(&merge, between, n, out, true, NULL, NULL));
            for (int i = 0; i < items[k]; i++)
                ck_assert_int_eq(get(out), i);
            ended(out);
            unit_ok(conc_fan_error(deal));
            unit_ok(conc_fan_error(merge));
            conc_fan_destroy(merge);
            conc_fan_destroy(deal);
            for (size_t i = 0; i < n; i++)
                conc_chan_destroy(between[i]);
            conc_chan_destroy(in);
            conc_chan_destroy(out);
        }
}
END_TEST

START_TEST(merge_in_turn_uneven)
{
    struct conc_chan *ins[] = {filled(1), filled(4), filled(0), filled(2)}, *out = chan(7);
    struct conc_fan *fan;
    unit_ok(conc_fan_merge(&fan, ins, 4, out, true, NULL, NULL));
    static const int expected[] = {0, 0, 0, 1, 1, 2, 3};
    for (size_t i = 0; i < 7; i++)
        ck_assert_int_eq(get(out), expected[i]);
    ended(out);
    conc_fan_destroy(fan);
    for (int i = 0; i < 4; i++)
        conc_chan_destroy(ins[i]);
    conc_chan_destroy(out);
}
END_TEST

static void drop_int(void *element)
{
    held_values -= *(int *)element;
}

/* The element in hand is dropped when the reader has gone; the other inputs are closed too. */
START_TEST(merge_reader_leaves)
{
    for (int turn = 0; turn < 2; turn++) {
        struct conc_chan *ins[] = {chan(1), chan(0)}, *out = chan(0);
        struct conc_fan *fan;
        held_values = 5;
        put(ins[0], 5);
        unit_ok(conc_fan_merge(&fan, ins, 2, out, turn, drop_int, NULL));
        unit_wait_until(conc_chan_len(ins[0]) == 0);
        unit_wait_parked(turn ? 1 : 2);
        unit_ok(conc_chan_close(out));
        unit_ok(conc_fan_wait(fan, NULL));
        unit_rc(conc_fan_error(fan), EPIPE);
        ck_assert_int_eq(held_values, 0);
        ck_assert(conc_chan_closed(ins[0]) && conc_chan_closed(ins[1]));
        conc_fan_destroy(fan);
        conc_chan_destroy(ins[0]);
        conc_chan_destroy(ins[1]);
        conc_chan_destroy(out);
    }
}
END_TEST

START_TEST(deal_cancel_drops)
{
    struct conc_chan *in = chan(1), *out = chan(0);
    struct conc_fan *fan;
    held_values = 9;
    put(in, 9);
    unit_ok(conc_fan_deal(&fan, in, &out, 1, drop_int, NULL));
    unit_wait_until(conc_chan_len(in) == 0);
    unit_wait_parked(1);
    conc_fan_destroy(fan); /* cancels and joins */
    ck_assert_int_eq(held_values, 0);
    ck_assert(conc_chan_closed(in) && conc_chan_closed(out));
    conc_chan_destroy(in);
    conc_chan_destroy(out);
}
END_TEST

/* ------------------------------------------------------------------ tee */

START_TEST(tee_gives_all_to_all)
{
    struct conc_chan *in = filled(50), *outs[3] = {chan(0), chan(1), chan(60)};
    struct conc_fan *fan;
    unit_ok(conc_fan_tee(&fan, in, outs, 3, NULL, NULL));
    /* A reader that is slow holds up the next element, not the others' copy of this one. */
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(get(outs[i % 2]), i);
        ck_assert_int_eq(get(outs[1 - i % 2]), i);
        ck_assert_int_eq(get(outs[2]), i);
    }
    for (int i = 0; i < 3; i++) {
        ended(outs[i]);
        ck_assert_uint_eq(conc_fan_missed(fan, (size_t)i), 0);
    }
    unit_ok(conc_fan_error(fan));
    conc_fan_destroy(fan);
    conc_chan_destroy(in);
    for (int i = 0; i < 3; i++)
        conc_chan_destroy(outs[i]);
}
END_TEST

static void copy_int(void *to, const void *from)
{
    held_values += *(const int *)from;
    *(int *)to = *(const int *)from;
}

/* Element by element, so that it is known who was ready. held_values counts copies by value. */
static void tee_slow(enum conc_fan_slow slow)
{
    struct conc_chan *in = chan(0), *outs[2] = {chan(10), chan(2)};
    struct conc_fan_tee_options options = {.slow = slow, .copy = copy_int, .drop = drop_int};
    struct conc_fan *fan;
    held_values = 0;
    unit_ok(conc_fan_tee(&fan, in, outs, 2, &options, NULL));
    for (int i = 1; i <= 5; i++) {
        held_values += i; /* the original */
        put(in, i);
        unit_wait_until(conc_chan_len(outs[0]) == (size_t)i);
    }
    unit_ok(conc_chan_close(in));
    unit_ok(conc_fan_wait(fan, NULL));
    for (int i = 1; i <= 5; i++)
        ck_assert_int_eq(get(outs[0]), i);
    ended(outs[0]);
    ck_assert_int_eq(get(outs[1]), 1);
    ck_assert_int_eq(get(outs[1]), 2);
    ended(outs[1]);
    ck_assert_uint_eq(conc_fan_missed(fan, 0), 0);
    ck_assert_uint_eq(conc_fan_missed(fan, 1), 3);
    ck_assert_uint_eq(conc_fan_missed(fan, 2), 0);
    unit_ok(conc_fan_error(fan));
    ck_assert_int_eq(held_values, 15 + 3); /* what was received */
    conc_fan_destroy(fan);
    conc_chan_destroy(in);
    conc_chan_destroy(outs[0]);
    conc_chan_destroy(outs[1]);
}

START_TEST(tee_miss)
{
    tee_slow(CONC_FAN_MISS);
}
END_TEST

START_TEST(tee_cut)
{
    tee_slow(CONC_FAN_CUT);
}
END_TEST

/* Under MISS a reader that catches up gets the later elements; under CUT it has been closed. */
START_TEST(tee_miss_goes_on_and_cut_does_not)
{
    for (int cut = 0; cut < 2; cut++) {
        struct conc_chan *in = chan(0), *outs[2] = {chan(10), chan(1)};
        struct conc_fan_tee_options options = {.slow = cut ? CONC_FAN_CUT : CONC_FAN_MISS};
        struct conc_fan *fan;
        unit_ok(conc_fan_tee(&fan, in, outs, 2, &options, NULL));
        put(in, 1);
        put(in, 2);
        unit_wait_until(conc_fan_missed(fan, 1) == 1);
        ck_assert_int_eq(get(outs[1]), 1);
        put(in, 3);
        unit_ok(conc_chan_close(in));
        if (!cut)
            ck_assert_int_eq(get(outs[1]), 3);
        ended(outs[1]);
        unit_ok(conc_fan_wait(fan, NULL));
        ck_assert_uint_eq(conc_fan_missed(fan, 1), cut ? 2 : 1);
        ck_assert_uint_eq(conc_chan_len(outs[0]), 3);
        conc_fan_destroy(fan);
        conc_chan_destroy(in);
        conc_chan_destroy(outs[0]);
        conc_chan_destroy(outs[1]);
    }
}
END_TEST

START_TEST(tee_readers_leave)
{
    for (int slow = CONC_FAN_WAIT; slow <= CONC_FAN_CUT; slow++) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_chan *in = chan(0), *outs[2] = {chan(20000), chan(0)};
        struct conc_fan_tee_options options = {.slow = (enum conc_fan_slow)slow};
        struct sender sender = {.to = in};
        struct conc_fan *fan;
        unit_ok(conc_chan_close(outs[1]));
        unit_ok(conc_fan_tee(&fan, in, outs, 2, &options, NULL));
        put(in, 1);
        ck_assert_int_eq(get(outs[0]), 1); /* goes on without the other */
        unit_wait_until(conc_fan_missed(fan, 1) == 1);
        unit_ok(conc_chan_close(outs[0]));
        unit_ok(conc_wait_group_go(&group, send_on, &sender));
        unit_ok(conc_fan_wait(fan, NULL));
        unit_rc(conc_fan_error(fan), EPIPE);
        unit_ok(conc_wait_group_wait(&group, NULL));
        unit_rc(sender.rc, EPIPE);
        conc_fan_destroy(fan);
        conc_wait_group_destroy(&group);
        conc_chan_destroy(in);
        conc_chan_destroy(outs[0]);
        conc_chan_destroy(outs[1]);
    }
}
END_TEST

START_TEST(tee_cancel_and_none)
{
    struct conc_chan *in = chan(1), *outs[2] = {chan(1), chan(0)};
    struct conc_fan_tee_options options = {.copy = copy_int, .drop = drop_int};
    struct conc_fan *fan;
    held_values = 4;
    put(in, 4);
    unit_ok(conc_fan_tee(&fan, in, outs, 2, &options, NULL));
    unit_wait_until(conc_chan_len(outs[0]) == 1);
    unit_wait_parked(1); /* for the second reader */
    conc_fan_cancel(fan);
    unit_ok(conc_fan_wait(fan, NULL));
    unit_rc(conc_fan_error(fan), ECANCELED);
    ck_assert_int_eq(held_values, 4); /* the copy in outs[0] */
    conc_fan_destroy(fan);
    conc_chan_destroy(in);
    conc_chan_destroy(outs[0]);
    conc_chan_destroy(outs[1]);

    in = filled(5);
    unit_ok(conc_fan_tee(&fan, in, NULL, 0, NULL, NULL));
    unit_ok(conc_fan_wait(fan, NULL));
    unit_ok(conc_fan_error(fan));
    ck_assert_uint_eq(conc_chan_len(in), 0);
    conc_fan_destroy(fan);
    conc_chan_destroy(in);
}
END_TEST

/* ------------------------------------------------------------------ faults */

static int make(int kind, struct conc_fan **fan, struct conc_chan *in, struct conc_chan **outs)
{
    struct conc_fan_work work = {
        .in = in, .out = outs[0], .workers = 3, .ordered = kind == 1, .fn = twice};
    switch (kind) {
    case 0:
    case 1:
        return conc_fan_map(fan, &work, NULL);
    case 2:
        return conc_fan_merge(fan, outs, 2, in, false, NULL, NULL);
    case 3:
        return conc_fan_merge(fan, outs, 2, in, true, NULL, NULL);
    case 4:
        return conc_fan_deal(fan, in, outs, 2, NULL, NULL);
    default:
        return conc_fan_tee(fan, in, outs, 2, NULL, NULL);
    }
}

/* The k-th allocation, or the k-th start, fails: nothing is taken, closed or left behind. */
static void fail_each(int kind, long (*fail_at)(long), int first_code)
{
    for (long k = 1;; k++) {
        struct conc_chan *in = chan(4), *outs[2] = {chan(4), chan(4)};
        struct conc_fan *fan = NULL;
        for (int i = 0; i < 3; i++)
            put(kind == 2 || kind == 3 ? outs[0] : in, i);
        fail_at(k);
        int rc = make(kind, &fan, in, outs);
        bool all_tried = fail_at(0) > 0;
        if (all_tried) {
            unit_ok(rc);
            conc_fan_destroy(fan);
        } else {
            ck_assert(rc == first_code || rc == EAGAIN);
            ck_assert_ptr_null(fan);
            ck_assert_uint_eq(conc_chan_len(in) + conc_chan_len(outs[0]), 3);
            ck_assert(!conc_chan_closed(in) && !conc_chan_closed(outs[0]));
            ck_assert_uint_eq(conc_census_count(), 1);
        }
        conc_chan_destroy(in);
        conc_chan_destroy(outs[0]);
        conc_chan_destroy(outs[1]);
        if (all_tried)
            return;
    }
}

START_TEST(faults)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    conc_task_self(); /* this thread is a task from now on */
    for (int kind = 0; kind < 6; kind++) {
        fail_each(kind, conc_fault_alloc_at, ENOMEM);
        fail_each(kind, conc_fault_start_at, EAGAIN);
    }
}
END_TEST

/* Cancelled at any moment: no element is lost or doubled, nobody hangs. */
START_TEST(cancel_at_any_moment)
{
    for (struct unit_stress s = unit_stress_begin(0.5); unit_stress_more(&s);) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_chan *in = chan(s.seed % 3), *out = chan(s.seed / 3 % 3);
        struct conc_fan_work work = {.in = in,
            .out = out,
            .workers = 1 + s.seed / 9 % 4,
            .ordered = s.seed / 36 % 2,
            .fn = make_value,
            .drop = drop_value};
        struct sender sender = {.to = in};
        struct conc_fan *fan;
        held_values = 0;
        unit_ok(conc_fan_map(&fan, &work, NULL));
        unit_ok(conc_wait_group_go(&group, send_on, &sender));
        int received = 0, value;
        for (uint64_t n = s.seed / 72 % 20; n > 0; n--)
            received += conc_chan_recv(out, &value, NULL) == 0;
        conc_fan_cancel(fan);
        while (conc_chan_recv(out, &value, NULL) == 0) {
            if (work.ordered && value != 2 * received)
                ck_abort_msg("%d came as number %d", value, received);
            received++;
        }
        unit_ok(conc_fan_wait(fan, NULL));
        unit_ok(conc_wait_group_wait(&group, NULL));
        if (received != held_values)
            ck_abort_msg("%d received of %d", received, held_values);
        conc_fan_destroy(fan);
        conc_wait_group_destroy(&group);
        conc_chan_destroy(in);
        conc_chan_destroy(out);
    }
}
END_TEST

int main(void)
{
    return unit_main("fan_out_fan_in", map_sizes, map_skips_in_order, map_error,
        map_fn_that_ends_its_task, map_reader_leaves, map_cancel, deadline_and_wait,
        parent_already_done, bad_arguments, merge_as_they_come, merge_closes_after_all,
        deal_and_merge_in_turn, merge_in_turn_uneven, merge_reader_leaves, deal_cancel_drops,
        tee_gives_all_to_all, tee_miss, tee_cut, tee_miss_goes_on_and_cut_does_not,
        tee_readers_leave, tee_cancel_and_none, faults, cancel_at_any_moment);
}
