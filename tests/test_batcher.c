/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "batcher.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"
#include "tests/wait_matrix.h"

enum { MANY = 8000 };

/* What flush has seen; its own, until the batcher is closed. */
struct sink {
    int items[MANY];
    size_t n;
    size_t sizes[MANY];
    size_t batches;
    size_t fail_from;          /* batches from this one to ... */
    size_t fail_to;            /* ... before this one fail */
    bool exits;                /* those that fail end the thread */
    atomic_bool *go;           /* flush spins until this; NULL: it does not */
    atomic_int inside;         /* how many flushes run */
    struct conc_chan *flushed; /* told the size of each batch; NULL: not */
};

static int flush(void *arg, const void *items, size_t n, struct conc_context *ctx)
{
    struct sink *sink = arg;
    if (atomic_fetch_add(&sink->inside, 1) != 0)
        abort(); /* two at a time */
    while (sink->go && !atomic_load(sink->go))
        conc_yield();
    if (sink->n + n <= MANY)
        memcpy(sink->items + sink->n, items, n * sizeof(int));
    sink->n += n;
    size_t batch = sink->batches++;
    sink->sizes[batch] = n;
    atomic_fetch_sub(&sink->inside, 1);
    if (sink->flushed && conc_chan_send(sink->flushed, &n, ctx) != 0)
        return ECANCELED;
    if (batch < sink->fail_from || batch >= sink->fail_to)
        return 0;
    if (sink->exits)
        conc_task_exit();
    return (int)(EDOM + (int)batch);
}

static struct conc_batcher *new_batcher(struct sink *sink, size_t max_items, int64_t max_age_ns)
{
    struct conc_batcher *batcher;
    unit_ok(conc_batcher_create(&batcher, &(struct conc_batcher_options){.size = sizeof(int),
                                              .max_items = max_items,
                                              .max_age_ns = max_age_ns,
                                              .flush = flush,
                                              .arg = sink}));
    return batcher;
}

/* ---------------------------------------------------------------- the matrices */

struct matrix {
    struct sink sink;
    struct conc_batcher *batcher;
    atomic_bool go;
    int added;
};

/* Both buffers are full: one with flush, which is busy and awake, one behind it. */
static void full_init(void *state, const void *param)
{
    struct matrix *m = state;
    (void)param;
    m->sink.go = &m->go;
    m->batcher = new_batcher(&m->sink, 2, 0);
    for (; m->added < 4; m->added++)
        unit_ok(conc_batcher_add(m->batcher, &m->added, NULL));
}

static int add_call(void *state, struct conc_context *ctx)
{
    struct matrix *m = state;
    int rc = conc_batcher_add(m->batcher, &m->added, ctx);
    m->added += rc == 0;
    return rc;
}

static int add_try(void *state)
{
    struct matrix *m = state;
    int rc = conc_batcher_try_add(m->batcher, &m->added);
    m->added += rc == 0;
    return rc;
}

static void full_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    (void)waiting;
    atomic_store(&m->go, true);
    unit_wait_until(conc_batcher_stats(m->batcher).flushed >= 4);
}

/* Closes without waiting for flush, which spins. */
static int full_close(void *state)
{
    return conc_batcher_try_close(((struct matrix *)state)->batcher) == EAGAIN ? 0 : EINVAL;
}

static void full_fini(void *state, int rc)
{
    struct matrix *m = state;
    (void)rc;
    atomic_store(&m->go, true);
    unit_ok(conc_batcher_close(m->batcher, NULL));
    ck_assert_uint_eq(m->sink.n, (size_t)m->added);
    for (int i = 0; i < m->added; i++)
        ck_assert_int_eq(m->sink.items[i], i);
    conc_batcher_destroy(m->batcher);
}

START_TEST(add_matrix)
{
    const struct wait_call call = {.name = "add",
        .size = sizeof(struct matrix),
        .init = full_init,
        .call = add_call,
        .try_call = add_try,
        .ready = full_ready,
        .ready_is_kept = true,
        .close = full_close,
        .closed_rc = EPIPE,
        .fini = full_fini};
    wait_matrix_check(&call);
}
END_TEST

static int close_call(void *state, struct conc_context *ctx)
{
    return conc_batcher_close(((struct matrix *)state)->batcher, ctx);
}

static int close_try(void *state)
{
    return conc_batcher_try_close(((struct matrix *)state)->batcher);
}

static void close_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    full_ready(state, waiting);
    unit_wait_until(conc_batcher_try_close(m->batcher) == 0);
}

START_TEST(close_matrix)
{
    const struct wait_call call = {.name = "close",
        .size = sizeof(struct matrix),
        .init = full_init,
        .call = close_call,
        .try_call = close_try,
        .ready = close_ready,
        .ready_is_kept = true,
        .fini = full_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- size, age, close */

START_TEST(bad_arguments)
{
    struct conc_batcher *batcher = NULL;
    const struct conc_batcher_options good = {.size = 4, .max_items = 4, .flush = flush};
    struct conc_batcher_options bad = good;
    int item = 0;
    unit_rc(conc_batcher_create(NULL, &good), EINVAL);
    unit_rc(conc_batcher_create(&batcher, NULL), EINVAL);
    bad.size = 0;
    unit_rc(conc_batcher_create(&batcher, &bad), EINVAL);
    bad = good;
    bad.max_items = 0;
    unit_rc(conc_batcher_create(&batcher, &bad), EINVAL);
    bad = good;
    bad.max_age_ns = -1;
    unit_rc(conc_batcher_create(&batcher, &bad), EINVAL);
    bad = good;
    bad.flush = NULL;
    unit_rc(conc_batcher_create(&batcher, &bad), EINVAL);
    ck_assert_ptr_null(batcher);
    unit_rc(conc_batcher_add(NULL, &item, NULL), EINVAL);
    unit_rc(conc_batcher_try_add(NULL, &item), EINVAL);
    unit_rc(conc_batcher_close(NULL, NULL), EINVAL);
    unit_rc(conc_batcher_try_close(NULL), EINVAL);
    ck_assert_uint_eq(conc_batcher_stats(NULL).added, 0);
    conc_batcher_destroy(NULL);
    unit_ok(conc_batcher_create(&batcher, &good));
    unit_rc(conc_batcher_add(batcher, NULL, NULL), EINVAL);
    conc_batcher_destroy(batcher);
}
END_TEST

/* Without an age the batches are known beforehand: all full, but the last. */
START_TEST(by_size_and_close)
{
    static const size_t counts[] = {0, 1, 9, 10, 11, 1000, 1003};
    static const size_t sizes[] = {1, 2, 10, 5000};
    for (size_t i = 0; i < 7 * 4; i++) {
        size_t n = counts[i % 7];
        size_t max = sizes[i / 7];
        struct sink *sink = calloc(1, sizeof *sink);
        struct conc_batcher *batcher = new_batcher(sink, max, 0);
        for (int item = 0; item < (int)n; item++)
            unit_ok(conc_batcher_add(batcher, &item, NULL));
        unit_ok(conc_batcher_close(batcher, NULL));
        struct conc_batcher_stats s = conc_batcher_stats(batcher);
        ck_assert_uint_eq(s.added, n);
        ck_assert_uint_eq(s.flushed, n);
        ck_assert_uint_eq(s.pending, 0);
        ck_assert_uint_eq(s.by_size, n / max);
        ck_assert_uint_eq(s.by_close, n % max != 0);
        ck_assert_uint_eq(s.by_age, 0);
        ck_assert_uint_eq(s.batches, s.by_size + s.by_close);
        ck_assert_uint_eq(sink->batches, s.batches);
        ck_assert_uint_eq(sink->n, n); /* the trap: no close, and the tail is lost */
        for (size_t t = 0; t < n; t++)
            if (sink->items[t] != (int)t)
                ck_abort_msg("item %zu is %d", t, sink->items[t]);
        conc_batcher_destroy(batcher);
        free(sink);
    }
}
END_TEST

START_TEST(by_age)
{
    struct sink sink = {.n = 0};
    unit_ok(conc_chan_create(&sink.flushed, sizeof(size_t), 10, NULL));
    struct conc_batcher *batcher = new_batcher(&sink, 100, CONC_MS(10));
    size_t n;
    for (int i = 0; i < 3; i++) {
        int64_t added = conc_now_ns();
        unit_ok(conc_batcher_add(batcher, &i, NULL));
        unit_ok(conc_chan_recv(sink.flushed, &n, NULL));
        ck_assert_uint_eq(n, 1);
        ck_assert_int_ge(conc_now_ns() - added, CONC_MS(10)); /* not before its age */
    }
    unit_ok(conc_batcher_close(batcher, NULL));
    struct conc_batcher_stats s = conc_batcher_stats(batcher);
    ck_assert(s.batches == 3 && s.by_age == 3 && s.by_close == 0);
    conc_batcher_destroy(batcher);
    conc_chan_destroy(sink.flushed);
}
END_TEST

/* The trap: a timer that restarts at every add. Items keep coming, each well before the age of the
 * one before, until a batch has been flushed: with a restarting timer that would be never. */
START_TEST(a_trickle_is_flushed)
{
    struct sink *sink = calloc(1, sizeof *sink);
    struct conc_batcher *batcher = new_batcher(sink, 1000000, CONC_MS(20));
    int added = 0;
    unit_wait_until((conc_batcher_add(batcher, &added, NULL) == 0 && ++added < MANY &&
                        conc_batcher_stats(batcher).batches > 0) ||
                    added == MANY);
    ck_assert_uint_gt(conc_batcher_stats(batcher).by_age, 0);
    unit_ok(conc_batcher_close(batcher, NULL));
    ck_assert_uint_eq(sink->n, (size_t)added);
    conc_batcher_destroy(batcher);
    free(sink);
}
END_TEST

/* A batch that has grown old while the one before was being flushed goes at once, in one piece. */
START_TEST(age_counts_from_the_add)
{
    struct sink sink = {.n = 0};
    atomic_bool go = false;
    sink.go = &go;
    struct conc_batcher *batcher = new_batcher(&sink, 100, CONC_MS(5));
    int item = 0;
    unit_ok(conc_batcher_add(batcher, &item, NULL));
    unit_wait_until(atomic_load(&sink.inside) == 1);
    for (item = 1; item <= 3; item++)
        unit_ok(conc_batcher_add(batcher, &item, NULL)); /* flush runs, and holds no lock */
    conc_sleep(CONC_MS(6), NULL);
    atomic_store(&go, true);
    unit_wait_until(conc_batcher_stats(batcher).batches == 2);
    ck_assert_uint_eq(sink.sizes[1], 3);
    ck_assert_uint_eq(conc_batcher_stats(batcher).by_age, 2);
    unit_ok(conc_batcher_close(batcher, NULL));
    conc_batcher_destroy(batcher);
}
END_TEST

START_TEST(closed)
{
    struct sink sink = {.n = 0};
    struct conc_batcher *batcher = new_batcher(&sink, 10, CONC_S(1000));
    int item = 0;
    unit_ok(conc_batcher_add(batcher, &item, NULL));
    unit_ok(conc_batcher_close(batcher, NULL)); /* and does not wait for the age */
    ck_assert_uint_eq(sink.n, 1);
    unit_rc(conc_batcher_add(batcher, &item, NULL), EPIPE);
    unit_rc(conc_batcher_try_add(batcher, &item), EPIPE);
    unit_ok(conc_batcher_close(batcher, NULL)); /* again */
    unit_ok(conc_batcher_try_close(batcher));
    conc_batcher_destroy(batcher);

    /* Destroy alone flushes as well. */
    batcher = new_batcher(&sink, 10, CONC_S(1000));
    unit_ok(conc_batcher_add(batcher, &item, NULL));
    conc_batcher_destroy(batcher);
    ck_assert_uint_eq(sink.n, 2);
}
END_TEST

/* ---------------------------------------------------------------- errors */

START_TEST(errors_are_seen)
{
    struct sink sink = {.fail_from = 1, .fail_to = 3};
    struct conc_batcher *batcher = new_batcher(&sink, 3, 0);
    for (int item = 0; item < 14; item++)
        unit_ok(conc_batcher_add(batcher, &item, NULL));
    unit_rc(conc_batcher_close(batcher, NULL), EDOM + 1);
    unit_rc(conc_batcher_close(batcher, NULL), EDOM + 1); /* for whoever asks */
    struct conc_batcher_stats s = conc_batcher_stats(batcher);
    ck_assert(s.batches == 5 && s.failed_batches == 2 && s.failed_items == 6);
    ck_assert(s.first_error == EDOM + 1 && s.added == 14 && s.flushed == 14 && s.pending == 0);
    ck_assert_uint_eq(sink.n, 14);
    conc_batcher_destroy(batcher);
}
END_TEST

START_TEST(flush_that_exits)
{
    struct sink sink = {.fail_from = 1, .fail_to = 4, .exits = true};
    struct conc_batcher *batcher = new_batcher(&sink, 2, 0);
    for (int item = 0; item < 11; item++) {
        if (item == 6)
            conc_fault_start_at(1); /* one of the exits finds no new thread */
        unit_ok(conc_batcher_add(batcher, &item, NULL));
    }
    unit_rc(conc_batcher_close(batcher, NULL), EOWNERDEAD);
    ck_assert_int_le(conc_fault_start_at(0), 0); /* it has been tried; -1: there are no hooks */
    struct conc_batcher_stats s = conc_batcher_stats(batcher);
    ck_assert(s.batches == 6 && s.failed_batches == 3 && s.flushed == 11);
    for (int i = 0; i < 11; i++)
        ck_assert_int_eq(sink.items[i], i);
    conc_batcher_destroy(batcher);
}
END_TEST

static int fails_with_context(void *arg, const void *items, size_t n, struct conc_context *ctx)
{
    (void)arg;
    (void)items;
    (void)n;
    return conc_context_error(ctx);
}

START_TEST(context_reaches_flush)
{
    struct conc_context ctx;
    struct conc_batcher *batcher;
    int item = 0;
    conc_context_with_cancel(&ctx, NULL);
    unit_ok(conc_batcher_create(&batcher,
        &(struct conc_batcher_options){
            .size = sizeof(int), .max_items = 9, .flush = fails_with_context, .ctx = &ctx}));
    unit_ok(conc_batcher_add(batcher, &item, NULL));
    conc_context_cancel(&ctx);
    unit_rc(conc_batcher_close(batcher, NULL), ECANCELED);
    ck_assert_uint_eq(conc_batcher_stats(batcher).pending, 0);
    conc_batcher_destroy(batcher);
    conc_context_destroy(&ctx);
}
END_TEST

/* ---------------------------------------------------------------- many tasks */

struct crowd {
    struct conc_batcher *batcher;
    atomic_int number;
    int adders;
    int items;
};

static void add_many(void *arg)
{
    struct crowd *c = arg;
    int number = atomic_fetch_add(&c->number, 1);
    for (int i = number; i < c->items; i += c->adders)
        if (conc_batcher_add(c->batcher, &i, NULL) != 0)
            abort();
}

/* Size and age race with each other all the time: every item goes once, in its adder's order. */
START_TEST(many_adders)
{
    static const int64_t ages[] = {0, 1, CONC_US(50)};
    for (int i = 0; i < 3 * 3; i++) {
        struct sink *sink = calloc(1, sizeof *sink);
        struct crowd c = {.adders = 4, .items = (int)unit_scaled(MANY)};
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        size_t max = i / 3 == 0 ? 1 : i / 3 == 1 ? 7 : 1000;
        c.batcher = new_batcher(sink, max, ages[i % 3]);
        for (int t = 0; t < c.adders; t++)
            unit_ok(conc_wait_group_go(&group, add_many, &c));
        unit_ok(conc_wait_group_wait(&group, NULL));
        unit_ok(conc_batcher_close(c.batcher, NULL));
        ck_assert_uint_eq(sink->n, (size_t)c.items);
        int newest[4] = {-4, -3, -2, -1};
        for (size_t t = 0; t < sink->n; t++) {
            int item = sink->items[t];
            if (item != newest[item % 4] + 4)
                ck_abort_msg("item %d after %d", item, newest[item % 4]);
            newest[item % 4] = item;
        }
        for (size_t b = 0; b < sink->batches; b++)
            if (sink->sizes[b] < 1 || sink->sizes[b] > max)
                ck_abort_msg("a batch of %zu", sink->sizes[b]);
        conc_batcher_destroy(c.batcher);
        conc_wait_group_destroy(&group);
        free(sink);
    }
}
END_TEST

START_TEST(create_faults)
{
    struct sink sink = {.n = 0};
    const struct conc_batcher_options options = {
        .size = sizeof(int), .max_items = 4, .flush = flush, .arg = &sink};
    struct conc_batcher *batcher = NULL;
    for (int what = 0; what < 2; what++) {
        long (*fault)(long) = what ? conc_fault_start_at : conc_fault_alloc_at;
        for (long k = 1;; k++) {
            if (fault(k) < 0)
                exit(77);
            int rc = conc_batcher_create(&batcher, &options);
            if (fault(0) > 0) {
                ck_assert_int_ge(k, what ? 2 : 4);
                break;
            }
            unit_rc(rc, what ? EAGAIN : ENOMEM);
            ck_assert_ptr_null(batcher);
        }
        conc_batcher_destroy(batcher);
        batcher = NULL;
    }
}
END_TEST

int main(void)
{
    return unit_main("batcher", add_matrix, close_matrix, bad_arguments, by_size_and_close, by_age,
        a_trickle_is_flushed, age_counts_from_the_add, closed, errors_are_seen, flush_that_exits,
        context_reaches_flush, many_adders, create_faults);
}
