/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "producer_consumer.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "tests/unit.h"
#include "tests/wait_matrix.h"

enum { MAX_TASKS = 16 };

struct item {
    int producer;
    int sequence;
    int *ticket; /* so that a leaked item is seen */
};

struct works {
    int producers;
    int per_producer;
    int fail_at; /* the produce, consume or collect with this number fails; -1: none */
    int fail_in; /* 'p', 'c', 'r' */
    bool endless;
    bool exits;              /* the failing callback ends its thread instead */
    struct conc_chan *block; /* consumers wait here, with their context; NULL: they do not */
    int made[MAX_TASKS];     /* each producer's own */
    int newest[MAX_TASKS][MAX_TASKS];
    atomic_int calls;
    atomic_int tickets; /* items and results alive */
    atomic_int disorder;
    int collected[MAX_TASKS][500];
    int total;
    int *held; /* the ticket of the item a consumer had when it ended its thread */
};

static int maybe_fail(struct works *w, int in)
{
    if (w->fail_in != in || atomic_fetch_add(&w->calls, 1) != w->fail_at)
        return 0;
    if (w->exits)
        conc_task_exit();
    return EDOM;
}

static int produce(void *arg, size_t p, void *item, struct conc_context *ctx)
{
    struct works *w = arg;
    (void)ctx;
    if (!w->endless && w->made[p] == w->per_producer)
        return EPIPE;
    int rc = maybe_fail(w, 'p');
    if (rc != 0)
        return rc;
    atomic_fetch_add(&w->tickets, 1);
    *(struct item *)item = (struct item){(int)p, w->made[p]++, malloc(sizeof(int))};
    return 0;
}

static int consume(void *arg, size_t c, const void *item, void *result, struct conc_context *ctx)
{
    struct works *w = arg;
    const struct item *it = item;
    int rc = w->block ? conc_chan_recv(w->block, NULL, ctx) : 0;
    if (rc == 0 && it->sequence < w->newest[c][it->producer])
        atomic_fetch_add(&w->disorder, 1);
    w->newest[c][it->producer] = it->sequence;
    if (w->exits && w->fail_in == 'c')
        w->held = it->ticket;
    if (rc == 0)
        rc = maybe_fail(w, 'c');
    if (rc == 0 && result) {
        *(struct item *)result = *it;
        return 0;
    }
    free(it->ticket);
    atomic_fetch_sub(&w->tickets, 1);
    return rc;
}

static int collect(void *arg, const void *result)
{
    struct works *w = arg;
    const struct item *it = result;
    free(it->ticket);
    atomic_fetch_sub(&w->tickets, 1);
    if (!w->endless)
        w->collected[it->producer][it->sequence]++;
    w->total++;
    return maybe_fail(w, 'r');
}

static struct works *dropping; /* whose items drop_item drops */

static void drop_item(void *item)
{
    free(((struct item *)item)->ticket);
    atomic_fetch_sub(&dropping->tickets, 1);
}

static struct conc_producer_consumer_options options_of(
    struct works *w, int producers, int consumers, size_t capacity)
{
    dropping = w;
    w->producers = producers;
    return (struct conc_producer_consumer_options){.producers = (size_t)producers,
        .consumers = (size_t)consumers,
        .capacity = capacity,
        .results_capacity = capacity,
        .item_size = sizeof(struct item),
        .result_size = sizeof(struct item),
        .produce = produce,
        .consume = consume,
        .collect = collect,
        .arg = w,
        .drop_item = drop_item,
        .drop_result = drop_item};
}

static struct works *new_works(void)
{
    struct works *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->fail_at = -1;
    return w;
}

/* Nothing is left: no task, no item. */
static void check_clean(struct works *w)
{
    ck_assert_int_eq(w->tickets, 0);
    ck_assert_uint_le(conc_census_count(), 1);
    free(w);
}

/* ---------------------------------------------------------------- runs */

START_TEST(topologies)
{
    static const int sides[] = {1, 4, 9};
    static const size_t capacities[] = {0, 1, 10, 1000};
    const int counts[] = {0, 1, 3, (int)unit_scaled(200)};
    for (int i = 0; i < 3 * 3 * 4 * 4; i++) {
        struct works *w = new_works();
        int producers = sides[i % 3];
        w->per_producer = counts[i / 36];
        struct conc_producer_consumer_options options =
            options_of(w, producers, sides[i / 3 % 3], capacities[i / 9 % 4]);
        unit_ok(conc_producer_consumer_run(&options, NULL));
        ck_assert_int_eq(w->total, producers * w->per_producer);
        ck_assert_int_eq(w->disorder, 0);
        for (int p = 0; p < producers; p++)
            for (int s = 0; s < w->per_producer; s++)
                if (w->collected[p][s] != 1)
                    ck_abort_msg("item %d of %d: %d times", s, p, w->collected[p][s]);
        check_clean(w);
    }
}
END_TEST

START_TEST(without_results)
{
    struct works *w = new_works();
    w->per_producer = 100;
    struct conc_producer_consumer_options options = options_of(w, 3, 3, 2);
    options.collect = NULL;
    options.result_size = 0;
    unit_ok(conc_producer_consumer_run(&options, NULL));
    ck_assert_int_eq(w->made[0] + w->made[1] + w->made[2], 300);
    check_clean(w);
}
END_TEST

START_TEST(bad_arguments)
{
    struct works *w = new_works();
    const struct conc_producer_consumer_options good = options_of(w, 1, 1, 1);
    struct conc_producer_consumer_options bad = good;
    unit_rc(conc_producer_consumer_run(NULL, NULL), EINVAL);
    bad.producers = 0;
    unit_rc(conc_producer_consumer_run(&bad, NULL), EINVAL);
    bad = good;
    bad.consumers = 0;
    unit_rc(conc_producer_consumer_run(&bad, NULL), EINVAL);
    bad = good;
    bad.produce = NULL;
    unit_rc(conc_producer_consumer_run(&bad, NULL), EINVAL);
    bad = good;
    bad.consume = NULL;
    unit_rc(conc_producer_consumer_run(&bad, NULL), EINVAL);
    bad = good;
    bad.producers = SIZE_MAX;
    unit_rc(conc_producer_consumer_run(&bad, NULL), ENOMEM);
    bad = good;
    bad.item_size = SIZE_MAX - 3;
    unit_rc(conc_producer_consumer_run(&bad, NULL), ENOMEM);
    bad = good;
    bad.capacity = SIZE_MAX / 2;
    unit_rc(conc_producer_consumer_run(&bad, NULL), ENOMEM);
    check_clean(w);
}
END_TEST

/* ---------------------------------------------------------------- early ends */

/* An error anywhere ends everybody: endless producers whose consumers are gone, consumers whose
 * reader is gone (the traps of the published versions), with items on their way everywhere. */
START_TEST(an_error_stops_everybody)
{
    static const int places[] = {'p', 'c', 'r'};
    for (int i = 0; i < 3 * 3 * 2; i++) {
        struct works *w = new_works();
        w->endless = true;
        w->fail_in = places[i % 3];
        w->fail_at = i / 3 % 3 * 20;
        struct conc_producer_consumer_options options = options_of(w, 3, 2, i / 9 ? 50 : 0);
        unit_rc(conc_producer_consumer_run(&options, NULL), EDOM);
        check_clean(w);
    }
}
END_TEST

/* A callback that ends its thread is an error, too, and nobody waits for what it would have done.
 * (What it held in its own frame is its own to clean up: here nothing.) */
START_TEST(a_callback_that_exits)
{
    struct works *w = new_works();
    w->endless = true;
    w->exits = true;
    w->fail_in = 'p';
    w->fail_at = 10;
    struct conc_producer_consumer_options options = options_of(w, 2, 2, 5);
    unit_rc(conc_producer_consumer_run(&options, NULL), EOWNERDEAD);
    check_clean(w);

    w = new_works();
    w->per_producer = 20;
    w->exits = true;
    w->fail_in = 'c';
    w->fail_at = 3;
    options = options_of(w, 2, 1, 0);
    unit_rc(conc_producer_consumer_run(&options, NULL), EOWNERDEAD);
    ck_assert_int_eq(w->tickets, 1); /* the item that the consumer held */
    free(w->held);
    free(w);
}
END_TEST

struct matrix {
    struct works *w;
    struct conc_chan *block;
};

static void run_init(void *state, const void *param)
{
    struct matrix *m = state;
    (void)param;
    unit_ok(conc_chan_create(&m->block, 0, 0, NULL));
    m->w = new_works();
    m->w->block = m->block;
    m->w->per_producer = 10;
}

static int run_call(void *state, struct conc_context *ctx)
{
    struct matrix *m = state;
    struct conc_producer_consumer_options options = options_of(m->w, 2, 2, 1);
    return conc_producer_consumer_run(&options, ctx);
}

static void run_fini(void *state, int rc)
{
    struct matrix *m = state;
    ck_assert_int_ne(rc, 0);
    ck_assert_int_eq(m->w->total, 0);
    check_clean(m->w);
    conc_chan_destroy(m->block);
}

/* Cancels and deadlines while producers, consumers and the collector all wait. */
START_TEST(context_matrix)
{
    const struct wait_call call = {.name = "run",
        .size = sizeof(struct matrix),
        .init = run_init,
        .call = run_call,
        .fini = run_fini};
    wait_matrix_check(&call);
}
END_TEST

/* Room and items are always there, so no wait ever notices the cancel: the tasks have to look. */
START_TEST(cancel_of_an_endless_run)
{
    struct works *w = new_works();
    struct conc_context ctx;
    w->endless = true;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(10));
    struct conc_producer_consumer_options options = options_of(w, 1, 4, 1000);
    options.collect = NULL;
    unit_rc(conc_producer_consumer_run(&options, &ctx), ETIMEDOUT);
    check_clean(w);
    conc_context_destroy(&ctx);
}
END_TEST

START_TEST(faults)
{
    for (int what = 0; what < 2; what++) {
        long (*fault)(long) = what ? conc_fault_start_at : conc_fault_alloc_at;
        long k = 1;
        for (;; k++) {
            struct works *w = new_works();
            w->per_producer = 5;
            struct conc_producer_consumer_options options = options_of(w, 2, 2, 1);
            if (fault(k) < 0)
                exit(77);
            int rc = conc_producer_consumer_run(&options, NULL);
            bool reached = fault(0) == 0;
            if (reached)
                unit_rc(rc, what ? EAGAIN : ENOMEM);
            else
                unit_ok(rc);
            ck_assert_int_eq(w->tickets, 0);
            ck_assert_uint_le(conc_census_count(), 1);
            free(w);
            if (!reached)
                break;
        }
        ck_assert_int_ge(k, 5);
    }
}
END_TEST

int main(void)
{
    return unit_main("producer_consumer", topologies, without_results, bad_arguments,
        an_error_stops_everybody, a_callback_that_exits, context_matrix, cancel_of_an_endless_run,
        faults);
}
