/* SPDX-License-Identifier: MIT */
/*
 * 17 Retry
 *
 * How to try again without making a bad moment worse?
 *
 *   ./conc run 17 --workers 4 --items 40
 *
 * A pool of workers calls a server that fails now and then. Look for, first act: every call gets
 * through in the end, after waits that double in bound and are drawn at random. Second act: the
 * server is down. Without a budget the calls multiply; with one there are a few retries and no
 * more. Try: --attempts 1 (no retry: the first act fails, too), --budget 0, --seed 2 (other waits).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "retry.h"
#include "runtime/clock.h"
#include "worker_pool.h"

struct server {
    bool down;
    atomic_llong calls;
};

struct request {
    struct server *server;
    struct conc_retry_policy policy;
    int64_t number;
    int failures_to_come;
};

/* One attempt. */
static int call(void *arg, struct conc_context *ctx)
{
    struct request *request = arg;
    (void)ctx;
    atomic_fetch_add(&request->server->calls, 1);
    demo_work((uint64_t)request->number, 1);
    if (request->server->down || request->failures_to_come-- > 0)
        return EAGAIN;
    return 0;
}

/* A task of the pool: the whole of one request. Its worker is busy while it waits; that bounds how
 * many requests are under way, retries included. */
/* snippet: task */
static int request_with_retry(void *arg, struct conc_context *ctx)
{
    struct request *request = arg;
    struct conc_retry_outcome outcome;
    int rc = conc_retry(&request->policy, call, request, &outcome, ctx);
    demo_say("request %" PRId64 ": %s after %d attempts and %.2f ms of waiting", request->number,
        rc == 0 ? "done" : "failed", outcome.attempts, (double)outcome.waited_ns / 1e6);
    return rc;
}
/* end snippet */

/* Sends all requests through a pool; returns how many failed. */
static uint64_t act(
    const struct demo *demo, struct server *server, const struct conc_retry_policy *policy)
{
    struct request *requests = calloc((size_t)demo->items + 1, sizeof *requests);
    struct conc_worker_pool *pool;
    CHECK(requests != NULL);
    CHECK_OK(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){
                   .workers = (size_t)demo->workers, .capacity = (size_t)demo->workers}));
    for (int64_t i = 0; i < demo->items; i++) {
        requests[i] = (struct request){server, *policy, i, (int)(i % 4)};
        requests[i].policy.seed = demo->seed * 1000003 + (uint64_t)i + 1; /* each its own draws */
        CHECK_OK(conc_worker_pool_submit(pool, request_with_retry, &requests[i], NULL));
    }
    CHECK_OK(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    uint64_t failed = conc_worker_pool_stats(pool).failed;
    conc_worker_pool_destroy(pool);
    free(requests);
    return failed;
}

int main(int argc, char **argv)
{
    int64_t attempts = 5, tokens = 10;
    const struct demo_flag flags[] = {
        {"attempts", &attempts, 1, 20, "calls for one request at most"},
        {"budget", &tokens, 0, 1000000, "retries allowed while the server is down"},
        {0},
    };
    struct demo demo = {
        .number = 17, .title = "Retry", .workers = 4, .items = 40, .seed = 1, .flags = flags};
    demo_begin(&demo, argc, argv);

    /* snippet: policy */
    struct conc_retry_policy policy = {
        .attempts = (int)attempts,
        .base_ns = demo.items > 1000 ? 0 : CONC_US(500), /* many requests: no time to wait */
        .max_ns = CONC_MS(4),
    };
    /* end snippet */
    struct server flaky = {.down = false};
    uint64_t failed = act(&demo, &flaky, &policy);
    demo_result("flaky server:         %3" PRId64 " requests, %4lld calls, %3" PRIu64 " failed\n",
        demo.items, (long long)flaky.calls, failed);

    struct server down = {.down = true};
    failed = act(&demo, &down, &policy);
    demo_result("down, no budget:      %3" PRId64 " requests, %4lld calls, %3" PRIu64 " failed\n",
        demo.items, (long long)down.calls, failed);

    /* A budget that calls do not fill up: what it holds is all there is. */
    struct server down_again = {.down = true};
    struct conc_retry_budget budget;
    CHECK_OK(conc_retry_budget_init(&budget, 0, tokens));
    policy.budget = &budget;
    failed = act(&demo, &down_again, &policy);
    int64_t most = demo.items * (attempts - 1);
    CHECK(down_again.calls == demo.items + (tokens < most ? tokens : most));
    demo_result("down, %3" PRId64 " in budget:  %3" PRId64 " requests, %4lld calls, %3" PRIu64
                " failed\n",
        tokens, demo.items, (long long)down_again.calls, failed);
    conc_retry_budget_destroy(&budget);
    return demo_end(&demo);
}
