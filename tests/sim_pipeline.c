/* SPDX-License-Identifier: MIT */

/*
 * Pipelines and fans under many schedules: every value comes out once, in its order where order was
 * asked for, or is dropped once where the end came early; and all tasks have left afterwards.
 */

#include "fan_out_fan_in.h"
#include "pipeline.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "tests/sim.h"

enum { ITEMS = 4, FAILS = 2 };

static int values[ITEMS];
static int state[ITEMS]; /* 0 not made, 1 on its way, 2 delivered, 3 dropped */
static int made;
static bool fails;

static void end_as(int *value, int how)
{
    size_t i = (size_t)(value - values);
    sim_check(i < ITEMS && state[i] == 1);
    state[i] = how;
}

static void drop(void *value)
{
    end_as(value, 3);
}

static void settle(void)
{
    for (int i = 0; i < ITEMS; i++)
        sim_check(state[i] == (i < made ? 2 : 0) || state[i] == 3);
    sim_check(conc_census_count() == 1);
}

/* ---------------------------------------------------------------- pipelines */

static int generate(void **value, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    if (made == ITEMS)
        return EPIPE;
    state[made] = 1;
    *value = &values[made++];
    return 0;
}

static int pass(void **value, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_sim_point();
    int *number = *value;
    ++*number;
    return fails && number == &values[FAILS] ? EIO : 0;
}

static struct conc_pipeline *start(bool unordered, const struct conc_pipeline_options *options)
{
    const struct conc_pipeline_stage stages[] = {
        {.generate = generate, .capacity = (size_t)sim_draw(2), .drop = drop},
        {.map = pass, .workers = 2, .unordered = unordered, .drop = drop},
        {.map = pass, .capacity = (size_t)sim_draw(2), .drop = drop},
    };
    struct conc_pipeline *pipeline;
    sim_ok(conc_pipeline_create(&pipeline, stages, 3, options, NULL));
    return pipeline;
}

static void complete(bool unordered)
{
    struct conc_pipeline *pipeline =
        start(unordered, &(struct conc_pipeline_options){.batch = 1 + (size_t)sim_draw(2)});
    struct conc_pipeline_item item;
    for (int i = 0; i < ITEMS; i++) {
        sim_ok(conc_pipeline_recv(pipeline, &item, NULL));
        sim_check(item.value == &values[item.index] && *(int *)item.value == 2);
        sim_check(unordered || item.index == (uint64_t)i);
        end_as(item.value, 2);
    }
    sim_rc(conc_pipeline_recv(pipeline, &item, NULL), EPIPE);
    sim_ok(conc_pipeline_error(pipeline, NULL));
    conc_pipeline_destroy(pipeline);
    settle();
}

static void in_order(void)
{
    complete(false);
}

static void out_of_order(void)
{
    complete(true);
}

/* The first error stops it: what is under way is dropped, once. */
static void stops_at_error(void)
{
    fails = true;
    struct conc_pipeline *pipeline = start(sim_draw(2), NULL);
    struct conc_pipeline_item item;
    int rc;
    while ((rc = conc_pipeline_recv(pipeline, &item, NULL)) == 0) {
        sim_check(item.index != FAILS);
        end_as(item.value, 2);
    }
    sim_rc(rc, ECANCELED);
    sim_rc(conc_pipeline_error(pipeline, &item), EIO);
    sim_check(item.index == FAILS);
    conc_pipeline_destroy(pipeline);
    for (int i = 0; i < ITEMS; i++)
        sim_check(state[i] != 1);
    sim_check(conc_census_count() == 1);
}

/* The receiver leaves in the middle. */
static void destroyed_early(void)
{
    struct conc_pipeline *pipeline = start(sim_draw(2), NULL);
    struct conc_pipeline_item item;
    for (int n = sim_draw(3); n > 0; n--) {
        sim_ok(conc_pipeline_recv(pipeline, &item, NULL));
        end_as(item.value, 2);
    }
    if (sim_draw(2))
        conc_pipeline_cancel(pipeline);
    conc_pipeline_destroy(pipeline);
    for (int i = 0; i < ITEMS; i++)
        sim_check(state[i] != 1);
    sim_check(conc_census_count() == 1);
}

/* ---------------------------------------------------------------- fans */

static struct conc_chan *in, *out, *outs[2];

static void create(void)
{
    sim_ok(conc_chan_create(&in, sizeof(int), (size_t)sim_draw(2), NULL));
    sim_ok(conc_chan_create(&out, sizeof(int), (size_t)sim_draw(2), NULL));
    for (int i = 0; i < 2; i++)
        sim_ok(conc_chan_create(&outs[i], sizeof(int), (size_t)sim_draw(2), NULL));
}

static void destroy(void)
{
    conc_chan_destroy(in);
    conc_chan_destroy(out);
    for (int i = 0; i < 2; i++)
        conc_chan_destroy(outs[i]);
}

static void feed(void *arg)
{
    for (int i = 0; i < ITEMS; i++)
        sim_ok(conc_chan_send(arg, &i, NULL));
    sim_ok(conc_chan_close(arg));
}

static int square(void *from, void *to, void *arg, struct conc_context *ctx)
{
    int number = *(int *)from;
    (void)arg;
    (void)ctx;
    conc_sim_point();
    *(int *)to = number * number;
    return number == FAILS ? CONC_FAN_SKIP : 0;
}

static void map(bool ordered)
{
    struct conc_fan *fan;
    int number, n = 0, last = -1, sum = 0;
    create();
    struct conc_fan_work work = {
        .in = in, .out = out, .workers = 2, .ordered = ordered, .fn = square};
    sim_ok(conc_fan_map(&fan, &work, NULL));
    sim_go(feed, in);
    while (conc_chan_recv(out, &number, NULL) == 0) {
        sim_check(!ordered || number > last);
        last = number;
        sum += number;
        n++;
    }
    sim_check(n == ITEMS - 1 && sum == 0 + 1 + 9);
    sim_ok(conc_fan_wait(fan, NULL));
    sim_ok(conc_fan_error(fan));
    conc_fan_destroy(fan);
    sim_join();
    destroy();
}

static void map_in_order(void)
{
    map(true);
}

static void map_as_they_come(void)
{
    map(false);
}

static void receive_all(void *arg)
{
    int number;
    for (int i = 0; i < ITEMS; i++) {
        sim_ok(conc_chan_recv(arg, &number, NULL));
        sim_check(number == i);
    }
    sim_rc(conc_chan_recv(arg, &number, NULL), EPIPE);
}

/* Every reader of a tee gets everything. */
static void tee(void)
{
    struct conc_fan *fan;
    create();
    sim_ok(conc_fan_tee(&fan, in, outs, 2, NULL, NULL));
    sim_go(feed, in);
    for (int i = 0; i < 2; i++)
        sim_go(receive_all, outs[i]);
    sim_join();
    conc_fan_destroy(fan);
    destroy();
}

/* What was dealt to two comes together in its order. */
static void deal_and_merge(void)
{
    struct conc_fan *dealer, *merger;
    create();
    sim_ok(conc_fan_deal(&dealer, in, outs, 2, NULL, NULL));
    sim_ok(conc_fan_merge(&merger, outs, 2, out, true, NULL, NULL));
    sim_go(feed, in);
    sim_go(receive_all, out);
    sim_join();
    conc_fan_destroy(dealer);
    conc_fan_destroy(merger);
    destroy();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(in_order), SIM(out_of_order), SIM(stops_at_error),
        SIM(destroyed_early), SIM(map_in_order), SIM(map_as_they_come), SIM(tee),
        SIM(deal_and_merge));
}
