/* SPDX-License-Identifier: MIT */

/*
 * Cancellation: how long it takes until every task has left, what it costs to ask whether one
 * should, and what a context costs as such.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/baselines/expected.h"
#include "bench/baselines/pthread_flag.h"
#include "bench/baselines/pthread_team.h"
#include "bench/shim/bench.h"
#include "cancellation.h"
#include "runtime/clock.h"
#include "sync/context.h"
#include "sync/wait_group.h"

/* ---- tasks that wait until they are cancelled ---- */

struct waiters {
    struct conc_wait_group ready; /* counts those that are about to wait */
    struct conc_wait_group left;
    struct textbook_flag flag;
    struct textbook_team team;
    size_t groups;
    struct conc_task_group group[]; /* "conc" has one, "serial" one for each task */
};

static void wait_for_cancel(void *arg, struct conc_context *ctx)
{
    struct waiters *w = arg;
    conc_wait_group_done(&w->ready);
    if (conc_context_wait(ctx) == ECANCELED)
        conc_wait_group_done(&w->left);
}

static void *wait_for_flag(void *arg)
{
    struct waiters *w = arg;
    conc_wait_group_done(&w->ready);
    textbook_flag_wait(&w->flag);
    conc_wait_group_done(&w->left);
    return NULL;
}

static struct waiters *waiters_create(struct bench_run *run)
{
    struct waiters *w = calloc(1, sizeof *w + (size_t)run->workers * sizeof w->group[0]);
    run->state = w;
    if (!w) {
        bench_fail(run, "no memory for %lld tasks", (long long)run->workers);
        return NULL;
    }
    conc_wait_group_init(&w->ready);
    conc_wait_group_init(&w->left);
    conc_wait_group_add(&w->left, run->workers);
    textbook_flag_init(&w->flag);
    return w;
}

/* Starts the tasks, shared out to `groups`, and waits until they wait. */
static void setup_groups(struct bench_run *run, size_t groups)
{
    struct waiters *w = waiters_create(run);
    if (!w)
        return;
    for (; w->groups < groups; w->groups++)
        conc_task_group_init(&w->group[w->groups], NULL);
    for (size_t i = 0; i < (size_t)run->workers; i++) {
        conc_wait_group_add(&w->ready, 1);
        int rc = conc_task_group_go(&w->group[i % groups], wait_for_cancel, w);
        if (rc != 0) {
            conc_wait_group_done(&w->ready);
            bench_fail(run, "conc_task_group_go: %s", strerror(rc));
        }
    }
    conc_wait_group_wait(&w->ready, NULL);
}

static void setup_serial(struct bench_run *run)
{
    setup_groups(run, (size_t)run->workers);
}

static void setup_conc(struct bench_run *run)
{
    setup_groups(run, 1);
}

static void setup_pthread(struct bench_run *run)
{
    struct waiters *w = waiters_create(run);
    if (!w)
        return;
    conc_wait_group_add(&w->ready, run->workers);
    int rc = textbook_team_start(&w->team, (size_t)run->workers, wait_for_flag, w);
    if (rc != 0) {
        bench_fail(run, "textbook_team_start: %s", strerror(rc));
        conc_wait_group_add(&w->ready, (int64_t)w->team.n - run->workers);
    }
    conc_wait_group_wait(&w->ready, NULL);
}

static void stop_groups(struct bench_run *run)
{
    struct waiters *w = run->state;
    for (size_t i = 0; i < w->groups; i++)
        conc_task_group_stop(&w->group[i], ECANCELED);
}

static void stop_pthread(struct bench_run *run)
{
    struct waiters *w = run->state;
    textbook_flag_raise(&w->flag);
    textbook_team_join(&w->team);
    w->team = (struct textbook_team){0};
}

static bool check_left(const struct bench_run *run)
{
    struct waiters *w = run->state;
    return conc_wait_group_count(&w->left) == 0;
}

static void teardown_waiters(struct bench_run *run)
{
    struct waiters *w = run->state;
    if (!w)
        return;
    for (size_t i = 0; i < w->groups; i++)
        conc_task_group_destroy(&w->group[i]);
    textbook_flag_raise(&w->flag);
    textbook_team_join(&w->team);
    textbook_flag_destroy(&w->flag);
    conc_wait_group_add(&w->left, -conc_wait_group_count(&w->left));
    conc_wait_group_destroy(&w->left);
    conc_wait_group_destroy(&w->ready);
    free(w);
}

/* ---- asking between two steps of work ---- */

static void steps_serial(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        run->result += bench_work_ns((uint64_t)i, run->parameter);
}

static void steps_pthread(struct bench_run *run)
{
    struct textbook_flag flag;
    textbook_flag_init(&flag);
    for (int64_t i = 0; i < run->items && !textbook_flag_raised(&flag); i++)
        run->result += bench_work_ns((uint64_t)i, run->parameter);
    textbook_flag_destroy(&flag);
}

static void steps_under(struct bench_run *run, struct conc_context *ctx)
{
    for (int64_t i = 0; i < run->items && conc_context_error(ctx) == 0; i++)
        run->result += bench_work_ns((uint64_t)i, run->parameter);
    conc_context_destroy(ctx);
}

static void steps_conc(struct bench_run *run)
{
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    steps_under(run, &ctx);
}

static void steps_deadline(struct bench_run *run)
{
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, CONC_S(100));
    steps_under(run, &ctx);
}

static uint64_t all_steps(int64_t items, int64_t work_ns)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < items; i++)
        sum += bench_work_ns((uint64_t)i, work_ns);
    return sum;
}

static bool check_steps(const struct bench_run *run)
{
    return run->result == expected_result(all_steps, run->items, run->parameter);
}

static int64_t fewer_when_long(int64_t work_ns, int64_t items)
{
    return work_ns > 10 ? items * 10 / work_ns : items;
}

/* ---- a root and its children: made, cancelled at the root, asked, ended ---- */

static void setup_children(struct bench_run *run)
{
    size_t n = (size_t)run->items;
    size_t context = sizeof(struct conc_context);
    size_t flag = sizeof(struct textbook_flag);
    run->state = calloc(n, context > flag ? context : flag);
    if (!run->state)
        bench_fail(run, "no memory for %lld contexts", (long long)run->items);
}

static void teardown_children(struct bench_run *run)
{
    free(run->state);
}

static void children_serial(struct bench_run *run)
{
    volatile bool *flags = run->state;
    for (int64_t i = 0; i < run->items; i++)
        flags[i] = false;
    for (int64_t i = 0; i < run->items; i++)
        flags[i] = true;
    for (int64_t i = 0; i < run->items; i++)
        run->done += flags[i];
}

static void children_pthread(struct bench_run *run)
{
    struct textbook_flag *flags = run->state;
    for (int64_t i = 0; i < run->items; i++)
        textbook_flag_init(&flags[i]);
    for (int64_t i = 0; i < run->items; i++)
        textbook_flag_raise(&flags[i]);
    for (int64_t i = 0; i < run->items; i++) {
        run->done += textbook_flag_raised(&flags[i]);
        textbook_flag_destroy(&flags[i]);
    }
}

static void children_conc(struct bench_run *run)
{
    struct conc_context *children = run->state;
    struct conc_context root;
    conc_context_with_cancel(&root, NULL);
    for (int64_t i = 0; i < run->items; i++)
        conc_context_with_cancel(&children[i], &root);
    conc_context_cancel(&root);
    for (int64_t i = 0; i < run->items; i++) {
        run->done += conc_context_error(&children[i]) == ECANCELED;
        conc_context_destroy(&children[i]);
    }
    conc_context_destroy(&root);
}

static bool check_children(const struct bench_run *run)
{
    return run->done == run->items;
}

/* As many items as the point says: tasks, or contexts. */
static int64_t as_many_as_point(int64_t point, int64_t items)
{
    (void)items;
    return point;
}

/* ---- the table ---- */

static const struct bench_workload workloads[] = {
    {
        .name = "leave",
        .title = "Until every waiting task has been cancelled and has left",
        .note =
            "The tasks are started before, each waits for its context. One cancel for all wakes "
            "them together; the serial line cancels one task and joins it, then the next.",
        .kind = BENCH_MESSAGE,
        .unit = "task",
        .items = 1,
        .items_at = as_many_as_point,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 4, 16, 64),
        .variants = {{.name = "serial", .run = stop_groups, .setup = setup_serial},
            {.name = "pthread", .run = stop_pthread, .setup = setup_pthread},
            {.name = "conc", .run = stop_groups, .setup = setup_conc}},
        .teardown = teardown_waiters,
        .check = check_left,
    },
    {
        .name = "ask",
        .title = "A loop that asks before every step whether it should stop",
        .note = "Against the loop that never asks. A context with a deadline looks at the clock "
                "each time; the textbook's flag takes its mutex.",
        .kind = BENCH_MESSAGE,
        .unit = "step",
        .items = 100000,
        .quick_items = 50000,
        .items_at = fewer_when_long,
        .sweep = "work_ns",
        .points = BENCH_POINTS(0, 10, 100, 1000),
        .variants = {{.name = "serial", .run = steps_serial},
            {.name = "pthread", .run = steps_pthread}, {.name = "conc", .run = steps_conc},
            {.name = "conc_deadline", .run = steps_deadline}},
        .check = check_steps,
    },
    {
        .name = "contexts",
        .title = "Making, cancelling, asking and ending contexts",
        .note =
            "A root with more and more children, cancelled at the root. The textbook has a flag "
            "for each and raises them one by one; the serial line has plain flags.",
        .kind = BENCH_MESSAGE,
        .unit = "context",
        .items = 1,
        .items_at = as_many_as_point,
        .sweep = "contexts",
        .points = BENCH_POINTS(10, 100, 1000),
        .variants = {{.name = "serial", .run = children_serial},
            {.name = "pthread", .run = children_pthread}, {.name = "conc", .run = children_conc}},
        .setup = setup_children,
        .teardown = teardown_children,
        .check = check_children,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 8, .slug = "cancellation", .title = "Cancellation", .workloads = workloads});
}
