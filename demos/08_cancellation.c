/* SPDX-License-Identifier: MIT */
/*
 * 08 Cancellation: what does it take to make a whole tree of tasks leave, and nothing but that
 * tree?
 *
 *   ./conc run 08
 *
 *   service ─┬─ region east ── its workers
 *            └─ region west ── its workers ── one request with a deadline
 *
 * Look for: cancelling east leaves west at work; the deadline ends the request and not its region;
 * cancelling the service ends everything below, each level with the cause of the first cancel
 * above. Try: --workers 100; --items 0; give the request a later deadline (--deadline) and see who
 * is first.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "cancellation.h"
#include "demos/demo.h"
#include "runtime/clock.h"
#include "sync/chan.h"

struct region {
    const char *name;
    struct conc_task_group group; /* its workers; below the service's context */
    struct conc_chan *jobs;
    struct conc_chan *done; /* one signal for each job */
    atomic_llong handled;
    atomic_llong left_with_cause; /* workers that have seen why */
    int cause;                    /* expected */
};

static const char tenant_key; /* its address is the key of a context value */

/* snippet: worker */
static void work(void *arg, struct conc_context *ctx)
{
    struct region *region = arg;
    int64_t job;
    /* Nothing here asks whether to stop: the wait does. */
    while (conc_chan_recv(region->jobs, &job, ctx) == 0) {
        atomic_fetch_add(&region->handled, 1);
        CHECK(strcmp(conc_context_value(ctx, &tenant_key), "acme") == 0);
        CHECK_OK(conc_chan_send(region->done, NULL, NULL));
    }
    if (conc_context_cause(ctx) == region->cause)
        atomic_fetch_add(&region->left_with_cause, 1);
}
/* end snippet */

static void show(const char *name, struct conc_context *ctx)
{
    int rc = conc_context_error(ctx), cause = conc_context_cause(ctx);
    demo_result("  %-8s %s", name, rc == 0 ? "at work" : strerror(rc));
    demo_result(rc != 0 && cause != rc ? ", because: %s\n" : "\n", strerror(cause));
}

static void note(void *arg)
{
    *(bool *)arg = true;
}

int main(int argc, char **argv)
{
    int64_t deadline_us = 2000;
    const struct demo_flag flags[] = {
        {"deadline", &deadline_us, 1, 1000000, "microseconds until the request's deadline"}, {0}};
    struct demo demo = {
        .number = 8, .title = "Cancellation", .workers = 3, .items = 30, .flags = flags};
    demo_begin(&demo, argc, argv);

    struct conc_context tenant, service, request;
    conc_context_with_value(&tenant, NULL, &tenant_key, (void *)(uintptr_t) "acme");
    conc_context_with_cancel(&service, &tenant);
    struct region regions[2] = {
        {.name = "east", .cause = EHOSTDOWN}, {.name = "west", .cause = ESHUTDOWN}};
    for (int r = 0; r < 2; r++) {
        struct region *region = &regions[r];
        conc_task_group_init(&region->group, &service);
        CHECK_OK(conc_chan_create(&region->jobs, sizeof(int64_t), 0, NULL));
        CHECK_OK(conc_chan_create(&region->done, 0, 0, NULL));
        for (int64_t w = 0; w < demo.workers; w++)
            CHECK_OK(conc_task_group_go(&region->group, work, region));
    }
    struct region *east = &regions[0], *west = &regions[1];

    /* One branch: stop returns when its workers have left. */
    conc_task_group_stop(&east->group, EHOSTDOWN);
    CHECK(conc_task_group_running(&east->group) == 0);
    CHECK(atomic_load(&east->left_with_cause) == demo.workers);
    CHECK(conc_task_group_go(&east->group, work, east) == ECANCELED);
    demo_result("east cancelled, its %" PRId64 " workers have left:\n", demo.workers);
    show("service", &service);
    show("east", conc_task_group_context(&east->group));
    show("west", conc_task_group_context(&west->group));
    for (int64_t job = 0; job < demo.items; job++) {
        CHECK_OK(conc_chan_send(west->jobs, &job, NULL));
        CHECK_OK(conc_chan_recv(west->done, NULL, NULL));
    }
    demo_result("west has handled %lld jobs since\n", atomic_load(&west->handled));

    /* A deadline below: over for the request alone. */
    conc_context_with_timeout(
        &request, conc_task_group_context(&west->group), CONC_US(deadline_us));
    CHECK(conc_context_wait(&request) == ETIMEDOUT);
    demo_result("the request's deadline has passed:\n");
    show("west", conc_task_group_context(&west->group));
    show("request", &request);

    /* The root: everything below is done, and callbacks have run, when cancel returns. */
    bool called = false;
    struct conc_context_after after;
    CHECK_OK(conc_context_after(&after, conc_task_group_context(&west->group), note, &called));
    conc_context_cancel_cause(&service, ESHUTDOWN);
    CHECK(called && !conc_context_after_stop(&after));
    demo_result("service cancelled, level by level:\n");
    show("tenant", &tenant);
    show("service", &service);
    show("east", conc_task_group_context(&east->group));
    show("west", conc_task_group_context(&west->group));
    show("request", &request);

    /* Cancelled is not gone: wait, from the leaves up. */
    conc_context_destroy(&request);
    CHECK_OK(conc_task_group_wait(&west->group, NULL));
    CHECK(atomic_load(&west->left_with_cause) == demo.workers);
    demo_result("west's %" PRId64 " workers have left\n", demo.workers);
    for (int r = 0; r < 2; r++) {
        conc_task_group_destroy(&regions[r].group);
        conc_chan_destroy(regions[r].jobs);
        conc_chan_destroy(regions[r].done);
    }
    conc_context_destroy(&service);
    conc_context_destroy(&tenant);
    return demo_end(&demo);
}
