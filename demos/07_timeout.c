/* SPDX-License-Identifier: MIT */
/*
 * 07 Timeout: who waits for a function that is late, and where does its result go?
 *
 *   ./conc run 07
 *
 * Look for: some calls time out although their function never looks at a clock; the late results
 * are dropped when they come, and no task is left behind.
 * Try: --limit 4: behind a service that hangs at most four functions pile up, further calls are
 *      refused; --timeout 100000: a tenth of a second is waited for each that is late;
 *      --trace t.json --gantt t.svg: see the late ones go on after their callers have left.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "runtime/clock.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "timeout.h"

/* A query; copied for each call, for a late function may look at it when the caller has left. */
struct query {
    int64_t number;
    struct conc_chan *gate; /* a function that ignores its context waits for this alone */
};

static atomic_llong dropped; /* late results that were ended */

static void drop(void *result)
{
    free(*(int64_t **)result);
    atomic_fetch_add(&dropped, 1);
}

/* snippet: functions */
/* Three kinds: prompt, one that waits and heeds its context, one that is deaf to it. */
static int look_up(void *arg, void *result, struct conc_context *ctx)
{
    const struct query *query = arg;
    if (query->number % 3 == 1)
        return conc_context_wait(ctx); /* "waits for a server": gives up when told to */
    if (query->number % 3 == 2)
        conc_chan_recv(query->gate, NULL, NULL);
    int64_t *answer = malloc(sizeof(*answer));
    if (!answer)
        return ENOMEM;
    *answer = query->number * query->number;
    *(int64_t **)result = answer;
    return 0;
}
/* end snippet */

struct caller {
    struct conc_timeout *runner;
    struct conc_chan *gate;
    int64_t first, step, items, timeout_ns;
    int64_t answered, timed_out, refused;
};

static void call(void *arg)
{
    struct caller *caller = arg;
    for (int64_t n = caller->first; n < caller->items; n += caller->step) {
        /* Of the deaf kind a few will do: each holds a thread until the gate opens. */
        struct query query = {n % 3 == 2 && n >= 30 ? n - 1 : n, caller->gate};
        const struct conc_timeout_call how = {.fn = look_up,
            .arg = &query,
            .arg_size = sizeof(query),
            .result_size = sizeof(int64_t *),
            .drop = drop};
        int64_t *answer;
        int64_t limit_ns = query.number % 3 == 0 ? CONC_S(60) : caller->timeout_ns;
        int rc = conc_timeout_run(caller->runner, &how, &answer, limit_ns, NULL);
        if (rc == 0) {
            CHECK(*answer == query.number * query.number);
            free(answer);
            caller->answered++;
        } else {
            CHECK(rc == ETIMEDOUT || rc == EBUSY);
            caller->timed_out += rc == ETIMEDOUT;
            caller->refused += rc == EBUSY;
            demo_say("call %" PRId64 ": %s", n, rc == EBUSY ? "refused" : "timed out");
        }
    }
}

int main(int argc, char **argv)
{
    int64_t timeout_us = 5000, limit = 0;
    const struct demo_flag flags[] = {
        {"timeout", &timeout_us, 1, 1000000, "microseconds a late function is waited for, at most"},
        {"limit", &limit, 0, 10000, "functions that may run at once, 0: any number"},
        {0},
    };
    struct demo demo = {.number = 7, .title = "Timeout", .workers = 2, .items = 15, .flags = flags};
    demo_begin(&demo, argc, argv);

    struct conc_timeout *runner;
    struct conc_chan *gate;
    struct conc_wait_group calling = CONC_WAIT_GROUP_INIT;
    struct caller *callers = calloc((size_t)demo.workers, sizeof(*callers));
    CHECK(callers != NULL);
    CHECK_OK(conc_timeout_create(&runner, (size_t)limit));
    CHECK_OK(conc_chan_create(&gate, 0, 0, NULL));
    /* With many items each waits less: the whole stays below half a second. */
    int64_t many = demo.items > 100 ? demo.items / 100 : 1;
    for (int64_t w = 0; w < demo.workers; w++) {
        callers[w] = (struct caller){.runner = runner,
            .gate = gate,
            .first = w,
            .step = demo.workers,
            .items = demo.items,
            .timeout_ns = CONC_US(timeout_us) / many};
        CHECK_OK(conc_wait_group_go(&calling, call, &callers[w]));
    }
    CHECK_OK(conc_wait_group_wait(&calling, NULL));
    demo_say("callers have left, %zu functions still run", conc_timeout_running(runner));

    /* Now the deaf ones answer, to nobody. */
    CHECK_OK(conc_chan_close(gate));
    CHECK_OK(conc_timeout_wait(runner, NULL));
    int64_t answered = 0, timed_out = 0, refused = 0;
    for (int64_t w = 0; w < demo.workers; w++) {
        answered += callers[w].answered;
        timed_out += callers[w].timed_out;
        refused += callers[w].refused;
    }
    CHECK(answered + timed_out + refused == demo.items);
    demo_result("calls %" PRId64 ": answered %" PRId64 ", timed out %" PRId64 "\n", demo.items,
        answered, timed_out);
    if (limit > 0)
        demo_say("refused by the limit: %" PRId64, refused);
    demo_result("late results dropped: %lld\n", atomic_load(&dropped));
    demo_result("functions still running: %zu\n", conc_timeout_running(runner));
    conc_timeout_destroy(runner);
    conc_wait_group_destroy(&calling);
    conc_chan_destroy(gate);
    free(callers);
    return demo_end(&demo);
}
