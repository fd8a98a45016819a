/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 120 */

/*
 * Channels against the matrix of tests/wait_matrix.h: sends and receives, by the plain call and by
 * select, rendezvous and buffered, elements of odd sizes.
 */

#include "sync/chan.h"
#include "sync/select.h"
#include "tests/wait_matrix.h"

enum { MAX_SIZE = 4096 };

struct variant {
    size_t size;     /* of an element */
    size_t capacity; /* of the channel */
    bool select;     /* through conc_select with other, dead, cases around it */
};

struct chan_state {
    struct variant variant;
    struct conc_chan *chan;
    struct conc_chan *silent; /* nothing ever happens on it */
    struct conc_task *partner;
    int partner_rc;
    unsigned char ours[MAX_SIZE];   /* what the call under test sends or receives into */
    unsigned char theirs[MAX_SIZE]; /* what the other side does */
};

static void fill(unsigned char *bytes, size_t size, unsigned char start)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(start + i * 7);
}

static void expect(const unsigned char *bytes, size_t size, unsigned char start, const char *what)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(start + i * 7))
            ck_abort_msg("%s: byte %zu of %zu is wrong", what, i, size);
}

static void expect_all(
    const unsigned char *bytes, size_t size, unsigned char value, const char *what)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            ck_abort_msg("%s: byte %zu of %zu is not %d", what, i, size, value);
}

static void init(struct chan_state *s, const struct variant *variant)
{
    s->variant = *variant;
    s->partner_rc = -1;
    unit_ok(conc_chan_create(&s->chan, variant->size, variant->capacity, NULL));
    unit_ok(conc_chan_create(&s->silent, 8, 0, NULL));
}

static void fini(struct chan_state *s)
{
    conc_task_join(s->partner);
    conc_chan_destroy(s->chan);
    conc_chan_destroy(s->silent);
}

static int close_chan(void *state)
{
    struct chan_state *s = state;
    return conc_chan_close(s->chan);
}

/* The case under test stands between a NULL channel and a silent one. */
static int by_select(struct chan_state *s, struct conc_select_case one, struct conc_context *ctx)
{
    unsigned char nothing[8];
    struct conc_select_case cases[] = {
        CONC_RECV(NULL, NULL), one, CONC_RECV(s->silent, nothing), CONC_SEND(NULL, NULL)};
    size_t chosen = 77;
    int rc = conc_select(cases, 4, &chosen, ctx);
    if (chosen != (rc == 0 ? 1 : 77))
        ck_abort_msg("select: rc %d and case %zu", rc, chosen);
    return rc == 0 ? cases[1].rc : rc;
}

static int by_try_select(struct chan_state *s, struct conc_select_case one)
{
    unsigned char nothing[8];
    struct conc_select_case cases[] = {CONC_RECV(s->silent, nothing), one};
    size_t chosen = 77;
    int rc = conc_try_select(cases, 2, &chosen);
    if (chosen != (rc == 0 ? 1 : 77))
        ck_abort_msg("try_select: rc %d and case %zu", rc, chosen);
    return rc == 0 ? cases[1].rc : rc;
}

/* ---------------------------------------------------------------- receive */

static void recv_init(void *state, const void *param)
{
    struct chan_state *s = state;
    init(s, param);
    fill(s->theirs, s->variant.size, 3);
}

static void partner_sends(void *arg)
{
    struct chan_state *s = arg;
    s->partner_rc = conc_chan_send(s->chan, s->theirs, NULL);
}

static void recv_ready(void *state, bool waiting)
{
    struct chan_state *s = state;
    if (s->variant.capacity > 0 || waiting) {
        unit_ok(conc_chan_send(s->chan, s->theirs, NULL));
        s->partner_rc = 0;
        return;
    }
    /* A rendezvous is ready when the other side already waits. */
    unit_ok(conc_task_start(&s->partner, partner_sends, s));
    unit_wait_parked(1);
}

static int recv_result(struct chan_state *s, int rc)
{
    if (rc == 0)
        expect(s->ours, s->variant.size, 3, "received");
    else
        expect_all(s->ours, s->variant.size, rc == EPIPE ? 0 : 0xEE, "not received");
    expect_all(s->ours + s->variant.size, MAX_SIZE - s->variant.size, 0xEE, "behind the element");
    return rc;
}

static int recv_call(void *state, struct conc_context *ctx)
{
    struct chan_state *s = state;
    memset(s->ours, 0xEE, MAX_SIZE);
    struct conc_select_case one = CONC_RECV(s->chan, s->ours);
    return recv_result(
        s, s->variant.select ? by_select(s, one, ctx) : conc_chan_recv(s->chan, s->ours, ctx));
}

static int recv_try(void *state)
{
    struct chan_state *s = state;
    memset(s->ours, 0xEE, MAX_SIZE);
    struct conc_select_case one = CONC_RECV(s->chan, s->ours);
    return recv_result(
        s, s->variant.select ? by_try_select(s, one) : conc_chan_try_recv(s->chan, s->ours));
}

static void recv_fini(void *state, int rc)
{
    struct chan_state *s = state;
    ck_assert_uint_eq(conc_chan_len(s->chan), 0);
    if (rc != 0 && rc != EPIPE && s->variant.capacity > 0) {
        /* A receive that was given up never consumes. */
        unit_ok(conc_chan_try_send(s->chan, s->theirs));
        ck_assert_uint_eq(conc_chan_len(s->chan), 1);
        unit_ok(conc_chan_try_recv(s->chan, NULL));
    } else if (rc != 0 && rc != EPIPE) {
        unit_rc(conc_chan_try_send(s->chan, s->theirs), EAGAIN);
    }
    fini(s);
    if (rc == 0)
        unit_ok(s->partner_rc);
}

/* ---------------------------------------------------------------- send */

static void send_init(void *state, const void *param)
{
    struct chan_state *s = state;
    init(s, param);
    for (size_t i = 0; i < s->variant.capacity; i++) {
        fill(s->theirs, s->variant.size, (unsigned char)(100 + i));
        unit_ok(conc_chan_try_send(s->chan, s->theirs));
    }
}

static void partner_receives(void *arg)
{
    struct chan_state *s = arg;
    s->partner_rc = conc_chan_recv(s->chan, s->theirs, NULL);
}

static void send_ready(void *state, bool waiting)
{
    struct chan_state *s = state;
    if (s->variant.capacity > 0 || waiting) {
        partner_receives(s);
        unit_ok(s->partner_rc);
        return;
    }
    unit_ok(conc_task_start(&s->partner, partner_receives, s));
    unit_wait_parked(1);
}

static int send_call(void *state, struct conc_context *ctx)
{
    struct chan_state *s = state;
    fill(s->ours, s->variant.size, 3);
    struct conc_select_case one = CONC_SEND(s->chan, s->ours);
    return s->variant.select ? by_select(s, one, ctx) : conc_chan_send(s->chan, s->ours, ctx);
}

static int send_try(void *state)
{
    struct chan_state *s = state;
    fill(s->ours, s->variant.size, 3);
    struct conc_select_case one = CONC_SEND(s->chan, s->ours);
    return s->variant.select ? by_try_select(s, one) : conc_chan_try_send(s->chan, s->ours);
}

static void send_fini(void *state, int rc)
{
    struct chan_state *s = state;
    size_t capacity = s->variant.capacity;
    conc_task_join(s->partner);
    s->partner = NULL;
    if (rc == 0 && capacity == 0) {
        unit_ok(s->partner_rc);
        expect(s->theirs, s->variant.size, 3, "delivered");
    }
    /* What was in the channel before is still there, in order; a send that failed added nothing. */
    size_t left = rc == 0 && capacity > 0 ? 1 : 0;
    for (size_t i = left; i < capacity; i++) {
        unit_ok(conc_chan_try_recv(s->chan, s->theirs));
        expect(s->theirs, s->variant.size, (unsigned char)(100 + i), "older element");
    }
    if (left) {
        unit_ok(conc_chan_try_recv(s->chan, s->theirs));
        expect(s->theirs, s->variant.size, 3, "delivered");
    }
    unit_rc(conc_chan_try_recv(s->chan, s->theirs), conc_chan_closed(s->chan) ? EPIPE : EAGAIN);
    fini(s);
}

/* ---------------------------------------------------------------- all of them */

static const struct variant variants[] = {
    {0, 0, false},
    {0, 1, false},
    {1, 0, false},
    {1, 3, false},
    {8, 0, false},
    {8, 1, false},
    {24, 0, false},
    {24, 2, false},
    {4096, 0, false},
    {4096, 2, false},
    {0, 0, true},
    {8, 0, true},
    {8, 1, true},
    {24, 3, true},
    {4096, 0, true},
    {4096, 1, true},
};

static void check_variants(struct wait_call call, bool select)
{
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        char name[80];
        if (variants[i].select != select)
            continue;
        snprintf(name, sizeof name, "%s of %zu bytes, capacity %zu%s", call.name, variants[i].size,
            variants[i].capacity, variants[i].select ? ", by select" : "");
        struct wait_call one = call;
        one.name = name;
        one.param = &variants[i];
        wait_matrix_check(&one);
    }
}

static const struct wait_call receive = {.name = "receive",
    .size = sizeof(struct chan_state),
    .init = recv_init,
    .call = recv_call,
    .try_call = recv_try,
    .ready = recv_ready,
    .ready_is_kept = true,
    .close = close_chan,
    .closed_rc = EPIPE,
    .fini = recv_fini};

static const struct wait_call send = {.name = "send",
    .size = sizeof(struct chan_state),
    .init = send_init,
    .call = send_call,
    .try_call = send_try,
    .ready = send_ready,
    .ready_is_kept = true,
    .close = close_chan,
    .closed_rc = EPIPE,
    .fini = send_fini};

START_TEST(receives)
{
    check_variants(receive, false);
}
END_TEST

START_TEST(sends)
{
    check_variants(send, false);
}
END_TEST

START_TEST(selects_receive)
{
    check_variants(receive, true);
}
END_TEST

START_TEST(selects_send)
{
    check_variants(send, true);
}
END_TEST

int main(void)
{
    return unit_main_timeout("chan_matrix", 60, receives, sends, selects_receive, selects_send);
}
