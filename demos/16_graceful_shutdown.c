/* SPDX-License-Identifier: MIT */
/*
 * 16 Graceful shutdown: what happens between SIGTERM and the end of a program that has work to do?
 *
 *   ./conc run 16                        sends itself the signal
 *   ./conc run 16 --signal-after -1      waits for your Ctrl-C; press it twice to end at once
 *
 * Look for: work is refused from the signal on, what was taken is finished or counted as cancelled,
 * and every task is in exactly one of the counts.
 * Try: --signal-after 0; --drain 0: no time to finish; during the drain of --signal-after -1
 *      --drain 60000 press Ctrl-C again and look at the exit code ($? is 130).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "graceful_shutdown.h"
#include "runtime/clock.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/timer.h"
#include "worker_pool.h"

/* What a task of each kind does. */
static int finish(void *arg, struct conc_context *ctx)
{
    (void)ctx; /* short: it is let to finish */
    *(uint64_t *)arg = demo_work(1, 1);
    return 0;
}

static int finish_slowly(void *arg, struct conc_context *ctx)
{
    (void)arg;
    return conc_sleep(CONC_MS(300), ctx);
}

static int hang(void *arg, struct conc_context *ctx)
{
    conc_chan_send(arg, NULL, NULL); /* "begun" */
    return conc_context_wait(ctx);   /* never ends by itself */
}

struct server {
    struct conc_shutdown *shutdown;
    struct conc_worker_pool *pool;
};

static struct server server_start(int64_t workers, size_t capacity)
{
    struct server server;
    const struct conc_worker_pool_options options = {
        .workers = (size_t)workers, .capacity = capacity};
    CHECK_OK(conc_shutdown_create(&server.shutdown, NULL, 0, NULL));
    CHECK_OK(conc_worker_pool_create(&server.pool, &options));
    return server;
}

/* snippet: shutdown */
static int server_stop(struct server *server, int64_t limit_ns, int64_t refused)
{
    struct conc_shutdown_report report;
    CHECK_OK(conc_shutdown_wait(server->shutdown, NULL));
    demo_say("signal %d: draining", conc_shutdown_signal(server->shutdown));
    int rc = conc_shutdown_pool(server->pool, limit_ns, &report);
    CHECK(rc == 0 || rc == ETIMEDOUT);
    demo_say("%" PRIu64 " had finished before, %" PRIu64 " since", report.finished, report.drained);
    demo_result("taken %" PRIu64 ": finished %" PRIu64 ", interrupted %" PRIu64
                ", never begun %" PRIu64 "; refused %" PRId64 "\n",
        report.submitted, report.finished + report.drained, report.interrupted, report.cancelled,
        refused);
    conc_worker_pool_destroy(server->pool);
    int code = conc_shutdown_exit_code(server->shutdown);
    conc_shutdown_destroy(server->shutdown);
    return code;
}
/* end snippet */

/* Takes on work until the signal, which comes after `after` tasks, and refuses the rest. */
static void drain_in_time(const struct demo *demo, int64_t after, int64_t limit_ns)
{
    struct server server = server_start(demo->workers, (size_t)demo->items);
    struct conc_context *taking = conc_shutdown_context(server.shutdown);
    uint64_t *results = calloc((size_t)demo->items + 1, sizeof(*results));
    int64_t refused = 0;
    CHECK(results != NULL);
    for (int64_t i = 0; i <= demo->items; i++) {
        if (i == after || i == demo->items) {
            CHECK(raise(SIGTERM) == 0);
            CHECK_OK(conc_shutdown_wait(server.shutdown, NULL));
            refused = demo->items - i;
            CHECK(conc_context_cause(taking) == ESHUTDOWN);
            break;
        }
        CHECK_OK(conc_worker_pool_submit(server.pool, finish, &results[i], taking));
    }
    int code = server_stop(&server, limit_ns, refused);
    demo_result("exit code for main: %d\n", code);
    free(results);
}

/* Tasks that do not end by themselves: those that run are interrupted, the others never begin. */
static void run_out_of_time(const struct demo *demo, int64_t limit_ns)
{
    struct server server = server_start(demo->workers, (size_t)demo->items);
    struct conc_chan *begun;
    CHECK_OK(conc_chan_create(&begun, 0, (size_t)demo->workers, NULL));
    for (int64_t i = 0; i < demo->workers + demo->items; i++)
        CHECK_OK(conc_worker_pool_submit(server.pool, hang, begun, NULL));
    for (int64_t w = 0; w < demo->workers; w++)
        CHECK_OK(conc_chan_recv(begun, NULL, NULL));
    CHECK(raise(SIGINT) == 0);
    int code = server_stop(&server, limit_ns, 0);
    conc_chan_destroy(begun);
    demo_result("exit code for main: %d\n", code);
}

static int wait_for_ctrl_c(const struct demo *demo, int64_t limit_ns)
{
    struct server server = server_start(demo->workers, 4);
    struct conc_context *taking = conc_shutdown_context(server.shutdown);
    int rc;
    demo_say("taking on work: press Ctrl-C");
    while ((rc = conc_context_error(taking)) == 0)
        rc = conc_worker_pool_submit(server.pool, finish_slowly, NULL, taking);
    CHECK(rc == ECANCELED);
    return server_stop(&server, limit_ns, 0);
}

int main(int argc, char **argv)
{
    int64_t after = 20, drain_ms = 60000;
    const struct demo_flag flags[] = {
        {"signal-after", &after, -1, 100000000, "tasks until the signal, -1: press Ctrl-C"},
        {"drain", &drain_ms, 0, 3600000, "milliseconds to finish what was taken"},
        {0},
    };
    struct demo demo = {
        .number = 16, .title = "Graceful shutdown", .workers = 2, .items = 50, .flags = flags};
    demo_begin(&demo, argc, argv);
    if (after < 0) {
        int code = wait_for_ctrl_c(&demo, CONC_MS(drain_ms));
        int rc = demo_end(&demo);
        return rc != 0 ? rc : code;
    }
    drain_in_time(&demo, after, CONC_MS(drain_ms));
    run_out_of_time(&demo, CONC_MS(20));
    return demo_end(&demo);
}
