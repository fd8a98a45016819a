/* SPDX-License-Identifier: MIT */
/*
 * 09 Error group: one of many tasks fails. Who tells the others, and which error comes out?
 *
 *   ./conc run 09
 *
 * Look for: page 3 fails, the tasks that are at work leave early, pages not yet begun are never
 * begun, and the error of the group is that of page 3, not the ECANCELED of those it stopped.
 * Try: --bad 0: nobody fails, every page is fetched;
 *      --workers 1: one at a time, so exactly the pages before the bad one are fetched;
 *      --items 1 --bad 1: the only one fails.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "errgroup.h"
#include "singleflight.h"
#include "sync/chan.h"
#include "sync/timer.h"

struct page {
    int64_t number;
    int64_t time_ns; /* a fetch takes that long, or ends with its context */
    bool bad;
    bool fetched; /* the task's; read when the group has been waited for */
};

/* snippet: fetch */
static int fetch(void *arg, struct conc_context *ctx)
{
    struct page *page = arg;
    int rc = conc_sleep(page->time_ns, ctx);
    if (rc != 0) {
        demo_say("page %" PRId64 ": left early", page->number);
        return rc;
    }
    if (page->bad) {
        demo_say("page %" PRId64 ": fails", page->number);
        return EIO;
    }
    page->fetched = true;
    return 0;
}
/* end snippet */

static void first_error(const struct demo *demo, struct page *pages)
{
    /* snippet: group */
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    CHECK_OK(conc_errgroup_set_limit(&group, demo->workers));
    struct conc_context *ctx = conc_errgroup_context(&group);
    int64_t begun = 0;
    /* The group's own context: once a page has failed no further one is begun. */
    while (begun < demo->items && conc_errgroup_go(&group, fetch, &pages[begun], ctx) == 0)
        begun++;
    int rc = conc_errgroup_wait(&group, NULL);
    /* end snippet */

    bool any_bad = false;
    int64_t fetched = 0;
    for (int64_t i = 0; i < demo->items; i++) {
        any_bad |= pages[i].bad;
        fetched += pages[i].fetched;
    }
    demo_say("%" PRId64 " of %" PRId64 " begun, %" PRId64 " fetched", begun, demo->items, fetched);
    CHECK(rc == (any_bad ? EIO : 0));
    CHECK(any_bad || fetched == demo->items);
    demo_result("first error: %s\n", rc == EIO ? "EIO" : "none");
    demo_result("cause of the cancel: %s\n",
        conc_context_cause(ctx) == EIO ? "EIO" : "none but the end of the group");
    demo_result("tasks still running: %" PRId64 "\n", conc_errgroup_running(&group));
    conc_errgroup_destroy(&group);
}

/* Every seventh is refused, and that stops nobody. */
static int square_root(const void *item, void *result, void *arg, struct conc_context *ctx)
{
    int64_t n = *(const int64_t *)item;
    (void)arg;
    (void)ctx;
    if (n % 7 == 0)
        return EDOM;
    for (int64_t *root = result; (*root + 1) * (*root + 1) <= n;)
        ++*root;
    return 0;
}

static void collect(const struct demo *demo)
{
    size_t n = (size_t)demo->items;
    int64_t *items = calloc(n + 1, sizeof(*items)), *roots = calloc(n + 1, sizeof(*roots));
    int *errors = calloc(n + 1, sizeof(*errors));
    CHECK(items && roots && errors);
    for (size_t i = 0; i < n; i++)
        items[i] = (int64_t)i + 1;
    struct conc_collect work = {.fn = square_root,
        .items = items,
        .item_size = sizeof(*items),
        .results = roots,
        .result_size = sizeof(*roots),
        .errors = errors,
        .n = n,
        .limit = demo->workers};
    int rc = conc_errgroup_collect(&work, NULL);
    CHECK(rc == (n >= 7 ? EDOM : 0));
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        failed += errors[i] == EDOM;
        CHECK(errors[i] == EDOM || roots[i] * roots[i] <= items[i]);
    }
    demo_result("collected: %zu results, %zu errors\n", n - failed, failed);
    free(items);
    free(roots);
    free(errors);
}

/* What is asked for by many and should be loaded once. */
struct flight {
    struct conc_singleflight flight;
    struct conc_chan *begun, *go_on;
    atomic_int loads;
};

static int load(void *arg, void *result)
{
    struct flight *f = arg;
    if (atomic_fetch_add(&f->loads, 1) == 0) {
        CHECK_OK(conc_chan_send(f->begun, NULL, NULL));
        CHECK_OK(conc_chan_recv(f->go_on, NULL, NULL));
    }
    *(int *)result = 42;
    return 0;
}

static int ask(void *arg, struct conc_context *ctx)
{
    struct flight *f = arg;
    int answer = 0;
    int rc = conc_singleflight_do(&f->flight, "answer", load, f, &answer, NULL, ctx);
    return rc != 0 || answer == 42 ? rc : ERANGE;
}

static void single_flight(const struct demo *demo)
{
    struct flight f = {.loads = 0};
    struct conc_errgroup group;
    int answer = 0;
    CHECK_OK(conc_singleflight_init(&f.flight, sizeof(answer), NULL));
    CHECK_OK(conc_chan_create(&f.begun, 0, 0, NULL));
    CHECK_OK(conc_chan_create(&f.go_on, 0, 0, NULL));
    conc_errgroup_init(&group, NULL);
    CHECK_OK(conc_errgroup_go(&group, ask, &f, NULL));
    CHECK_OK(conc_chan_recv(f.begun, NULL, NULL));
    /* One load is under way: who asks now waits for it; who may not wait is told so. */
    CHECK(conc_singleflight_try_do(&f.flight, "answer", load, &f, &answer, NULL) == EAGAIN);
    for (int64_t i = 0; i < demo->workers; i++)
        CHECK_OK(conc_errgroup_go(&group, ask, &f, NULL));
    CHECK_OK(conc_chan_send(f.go_on, NULL, NULL));
    CHECK_OK(conc_errgroup_wait(&group, NULL));
    demo_say("%" PRId64 " asked, %d loaded", demo->workers + 1, atomic_load(&f.loads));
    demo_result("single flight: %" PRId64 " asked, all have the answer\n", demo->workers + 1);
    conc_errgroup_destroy(&group);
    conc_chan_destroy(f.begun);
    conc_chan_destroy(f.go_on);
    conc_singleflight_destroy(&f.flight);
}

int main(int argc, char **argv)
{
    int64_t bad = 3;
    const struct demo_flag flags[] = {
        {"bad", &bad, 0, 100000000, "the page that fails; 0: none"},
        {0},
    };
    struct demo demo = {
        .number = 9, .title = "Error group", .workers = 4, .items = 12, .flags = flags};
    demo_begin(&demo, argc, argv);
    struct page *pages = calloc((size_t)demo.items + 1, sizeof(*pages));
    CHECK(pages);
    for (int64_t i = 0; i < demo.items; i++)
        pages[i] = (struct page){.number = i + 1,
            .bad = i + 1 == bad,
            .time_ns = CONC_US(demo.items > 100 ? 10 : 2000 + 500 * (i % 3))};
    first_error(&demo, pages);
    collect(&demo);
    single_flight(&demo);
    free(pages);
    return demo_end(&demo);
}
