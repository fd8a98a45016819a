/* SPDX-License-Identifier: MIT */

/* What the soak is made of. Each load is small, and there are many of them at once. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "batcher.h"
#include "bounded_queue.h"
#include "dynamic_pool.h"
#include "errgroup.h"
#include "pipeline.h"
#include "runtime/clock.h"
#include "runtime/task.h"
#include "safe_map.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/select.h"
#include "sync/semaphore.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/soak.h"
#include "worker_pool.h"

/* A task of a load: what it works on, and a sequence of its own. */
struct member {
    void *shared;
    uint64_t random;
};

enum { MEMBERS = 8 };

/* Starts n tasks of fn, whose members must live until the group has been waited for. */
static void start(struct conc_wait_group *group, struct member *members, size_t n,
    void (*fn)(void *), void *shared, uint64_t *random)
{
    for (size_t i = 0; i < n; i++) {
        members[i] = (struct member){.shared = shared, .random = conc_splitmix64(random)};
        soak_ok(conc_wait_group_go(group, fn, &members[i]));
    }
}

static void finish(struct conc_wait_group *group)
{
    soak_ok(conc_wait_group_wait(group, NULL));
    conc_wait_group_destroy(group);
}

/* Some microseconds, or none, now and then a few hundred. */
static int64_t moment(uint64_t *random)
{
    uint64_t way = soak_draw(random, 16);
    return way == 0 ? CONC_US(500) : way < 4 ? CONC_US(soak_draw(random, 100)) : 0;
}

static void pause_for(uint64_t *random, struct conc_context *ctx)
{
    int64_t ns = moment(random);
    if (ns > 0)
        conc_sleep(ns, ctx);
    else if (soak_draw(random, 4) == 0)
        conc_yield();
}

static bool gave_up(int rc)
{
    return rc == ETIMEDOUT || rc == ECANCELED || rc == EAGAIN;
}

/* ---------------------------------------------------------------- channels, selects, queues */

/* Producers, consumers, and one who may spoil it. What goes in and comes out is summed. */
struct line {
    struct conc_chan *chans[2];
    struct conc_bounded_queue *queue; /* instead of the channels */
    struct conc_context ctx;
    atomic_llong balance; /* sent minus received */
};

/* One message on its way in (value > 0) or out. */
static int move_one(struct line *line, uint64_t *random, int64_t *value)
{
    bool sends = *value > 0;
    struct conc_context limit;
    uint64_t way = soak_draw(random, 4);
    /* Who waits on one channel of the two gives up soon: the others may all be on the other. */
    bool patient = (line->queue || way == 1) && soak_draw(random, 4) > 0;
    conc_context_with_timeout(
        &limit, &line->ctx, patient ? CONC_S(1000) : moment(random) + CONC_US(1));
    struct conc_chan *chan = line->chans[soak_draw(random, 2)];
    int rc;
    if (line->queue) {
        rc = sends ? conc_bounded_queue_push(line->queue, value, &limit)
                   : conc_bounded_queue_pop(line->queue, value, &limit);
    } else if (way == 0) {
        rc = sends ? conc_chan_try_send(chan, value) : conc_chan_try_recv(chan, value);
    } else if (way == 1) {
        struct conc_select_case cases[2];
        size_t chosen;
        for (size_t i = 0; i < 2; i++) {
            cases[i] = (struct conc_select_case)CONC_RECV(line->chans[i], value);
            if (sends)
                cases[i] = (struct conc_select_case)CONC_SEND(line->chans[i], value);
        }
        rc = conc_select(cases, 2, &chosen, &limit);
        if (rc == 0)
            rc = cases[chosen].rc;
    } else {
        rc = sends ? conc_chan_send(chan, value, &limit) : conc_chan_recv(chan, value, &limit);
    }
    conc_context_destroy(&limit);
    return rc;
}

static void produce(void *arg)
{
    struct member *m = arg;
    struct line *line = m->shared;
    for (int i = 0; i < 40; i++) {
        int64_t value = 1 + (int64_t)soak_draw(&m->random, 1000);
        int rc = move_one(line, &m->random, &value);
        if (rc == 0)
            atomic_fetch_add(&line->balance, value);
        else if (rc == EPIPE || conc_context_error(&line->ctx) != 0)
            return;
        else
            soak_check(gave_up(rc));
        pause_for(&m->random, NULL);
    }
}

static void consume(void *arg)
{
    struct member *m = arg;
    struct line *line = m->shared;
    for (;;) {
        int64_t value = 0;
        int rc = move_one(line, &m->random, &value);
        if (rc == 0)
            atomic_fetch_sub(&line->balance, value);
        else if (rc == EPIPE || conc_context_error(&line->ctx) != 0)
            return;
        else
            soak_check(gave_up(rc));
        if (rc == EAGAIN)
            conc_yield();
    }
}

static void close_line(struct line *line)
{
    for (int i = 0; i < 2 && line->chans[i]; i++)
        conc_chan_close(line->chans[i]);
    if (line->queue)
        conc_bounded_queue_close(line->queue);
}

static void run_line(struct line *line, uint64_t *random)
{
    struct member producers[3], consumers[3];
    struct conc_wait_group sending = CONC_WAIT_GROUP_INIT;
    struct conc_wait_group receiving = CONC_WAIT_GROUP_INIT;
    conc_context_with_cancel(&line->ctx, NULL);
    start(&sending, producers, 1 + soak_draw(random, 3), produce, line, random);
    start(&receiving, consumers, 1 + soak_draw(random, 3), consume, line, random);
    uint64_t way = soak_draw(random, 4);
    if (way < 2)
        conc_sleep(moment(random), NULL);
    if (way == 0)
        conc_context_cancel(&line->ctx);
    if (way == 1)
        close_line(line);
    finish(&sending);
    close_line(line);
    finish(&receiving);
    int64_t value;
    for (int i = 0; i < 2 && line->chans[i]; i++) {
        while (conc_chan_try_recv(line->chans[i], &value) == 0)
            atomic_fetch_sub(&line->balance, value);
        conc_chan_destroy(line->chans[i]);
    }
    while (line->queue && conc_bounded_queue_try_pop(line->queue, &value) == 0)
        atomic_fetch_sub(&line->balance, value);
    conc_bounded_queue_destroy(line->queue);
    conc_context_destroy(&line->ctx);
    soak_check(atomic_load(&line->balance) == 0);
}

static void channels(uint64_t *random)
{
    struct line line = {.queue = NULL};
    for (int i = 0; i < 2; i++)
        soak_ok(
            conc_chan_create(&line.chans[i], sizeof(int64_t), (size_t)soak_draw(random, 5), NULL));
    run_line(&line, random);
}

static void queues(uint64_t *random)
{
    struct line line = {.chans = {NULL, NULL}};
    soak_ok(conc_bounded_queue_create(
        &line.queue, sizeof(int64_t), 1 + (size_t)soak_draw(random, 4), NULL));
    run_line(&line, random);
}

/* ---------------------------------------------------------------- pools */

struct pools {
    struct conc_worker_pool *fixed;
    struct conc_dynamic_pool *dynamic; /* one of the two */
    atomic_ullong accepted;
    atomic_ullong ran;
};

static int pool_task(void *arg, struct conc_context *ctx)
{
    struct pools *pools = arg;
    uint64_t random = atomic_fetch_add(&pools->ran, 1) + 1;
    if (soak_draw(&random, 3) == 0)
        pause_for(&random, ctx);
    if (soak_draw(&random, 50) == 0)
        conc_task_exit();
    return soak_draw(&random, 5) == 0 ? EIO : 0;
}

static void submit(void *arg)
{
    struct member *m = arg;
    struct pools *pools = m->shared;
    for (int i = 0; i < 30; i++) {
        struct conc_context limit;
        conc_context_with_timeout(&limit, NULL, CONC_US(1) + moment(&m->random));
        struct conc_context *ctx = soak_draw(&m->random, 4) == 0 ? &limit : NULL;
        int rc = pools->fixed ? conc_worker_pool_submit(pools->fixed, pool_task, pools, ctx)
                              : conc_dynamic_pool_submit(pools->dynamic, pool_task, pools, ctx);
        conc_context_destroy(&limit);
        soak_check(rc == 0 || rc == EPIPE || rc == ETIMEDOUT || rc == ECANCELED);
        atomic_fetch_add(&pools->accepted, rc == 0);
        if (rc == EPIPE)
            return;
    }
}

static void stop(struct pools *pools, bool cancel)
{
    if (pools->fixed)
        soak_ok(conc_worker_pool_stop(pools->fixed, cancel ? CONC_POOL_CANCEL : CONC_POOL_DRAIN));
    else
        soak_ok(conc_dynamic_pool_stop(
            pools->dynamic, cancel ? CONC_DYNAMIC_CANCEL : CONC_DYNAMIC_DRAIN));
}

static void run_pools(struct pools *pools, uint64_t *random)
{
    struct member members[3];
    struct conc_wait_group submitting = CONC_WAIT_GROUP_INIT;
    start(&submitting, members, 1 + soak_draw(random, 3), submit, pools, random);
    if (soak_draw(random, 2) == 0) {
        conc_sleep(moment(random), NULL);
        stop(pools, soak_draw(random, 2));
    }
    finish(&submitting);
    stop(pools, soak_draw(random, 4) == 0);
    unsigned long long completed, cancelled, waiting;
    if (pools->fixed) {
        struct conc_worker_pool_stats now = conc_worker_pool_stats(pools->fixed);
        completed = now.completed, cancelled = now.cancelled, waiting = now.waiting + now.running;
    } else {
        struct conc_dynamic_pool_stats now = conc_dynamic_pool_stats(pools->dynamic);
        completed = now.completed, cancelled = now.cancelled, waiting = now.waiting + now.running;
        soak_check(now.workers == 0);
    }
    soak_check(waiting == 0 && completed + cancelled == atomic_load(&pools->accepted));
    soak_check(completed == atomic_load(&pools->ran));
    conc_worker_pool_destroy(pools->fixed);
    conc_dynamic_pool_destroy(pools->dynamic);
}

static void worker_pools(uint64_t *random)
{
    struct pools pools = {.fixed = NULL};
    soak_ok(conc_worker_pool_create(
        &pools.fixed, &(struct conc_worker_pool_options){
                          .workers = 1 + soak_draw(random, 4), .capacity = soak_draw(random, 8)}));
    run_pools(&pools, random);
}

static void dynamic_pools(uint64_t *random)
{
    struct pools pools = {.fixed = NULL};
    soak_ok(conc_dynamic_pool_create(
        &pools.dynamic, &(struct conc_dynamic_pool_options){.min = 1 + soak_draw(random, 2),
                            .max = 2 + soak_draw(random, 6),
                            .growth = soak_draw(random, 2) ? CONC_GROW_ONE : CONC_GROW_MANY,
                            .capacity = soak_draw(random, 8),
                            .idle_ns = CONC_US(200)}));
    run_pools(&pools, random);
}

/* ---------------------------------------------------------------- contexts and timers */

enum { DEPTH = 5 };

struct tree {
    struct conc_context nodes[DEPTH]; /* each the child of the one before */
    struct conc_context_after afters[DEPTH];
    atomic_int calls[DEPTH];
};

static void called(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void in_tree(void *arg)
{
    struct member *m = arg;
    struct tree *tree = m->shared;
    struct conc_context *node = &tree->nodes[soak_draw(&m->random, DEPTH)];
    struct conc_context own;
    switch (soak_draw(&m->random, 4)) {
    case 0:
        conc_context_wait(node);
        break;
    case 1:
        conc_context_with_timeout(&own, node, moment(&m->random));
        conc_context_wait(&own);
        conc_context_destroy(&own);
        break;
    case 2:
        conc_sleep(CONC_S(100), node);
        break;
    default:
        pause_for(&m->random, NULL);
        conc_context_cancel_cause(node, EIO);
        soak_check(conc_context_error(node) != 0);
        soak_check(conc_context_error(&tree->nodes[DEPTH - 1]) != 0);
        break;
    }
}

static void contexts(uint64_t *random)
{
    struct tree tree;
    struct member members[MEMBERS];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    memset(&tree, 0, sizeof tree);
    int64_t limit_ns = soak_draw(random, 2) ? CONC_FOREVER : CONC_US(300);
    for (int i = 0; i < DEPTH; i++) {
        conc_context_with_timeout(&tree.nodes[i], i > 0 ? &tree.nodes[i - 1] : NULL, limit_ns);
        soak_ok(conc_context_after(&tree.afters[i], &tree.nodes[i], called, &tree.calls[i]));
    }
    start(&group, members, MEMBERS, in_tree, &tree, random);
    conc_sleep(moment(random), NULL);
    bool stopped = conc_context_after_stop(&tree.afters[1]);
    soak_check(atomic_load(&tree.calls[1]) == !stopped);
    conc_context_cancel(&tree.nodes[0]);
    finish(&group);
    for (int i = DEPTH; i-- > 0;) {
        bool taken_back = conc_context_after_stop(&tree.afters[i]);
        soak_check(atomic_load(&tree.calls[i]) == !taken_back);
        conc_context_destroy(&tree.nodes[i]);
    }
}

static void timers(uint64_t *random)
{
    struct conc_timer *timer, *ticker;
    int64_t at_ns, begin_ns = conc_now_ns();
    soak_ok(conc_timer_create(&timer, CONC_US(200)));
    soak_ok(conc_ticker_create(&ticker, CONC_US(300)));
    pause_for(random, NULL);
    if (soak_draw(random, 2))
        soak_ok(conc_timer_reset(timer, CONC_US(100)));
    soak_ok(conc_chan_recv(conc_timer_chan(timer), &at_ns, NULL));
    soak_check(at_ns >= begin_ns + CONC_US(100));
    soak_check(!conc_timer_stop(timer));
    for (int i = 0; i < 2; i++)
        soak_ok(conc_chan_recv(conc_timer_chan(ticker), &at_ns, NULL));
    soak_check(conc_timer_stop(ticker));
    soak_check(conc_chan_try_recv(conc_timer_chan(ticker), NULL) == EAGAIN);
    conc_timer_destroy(timer);
    conc_timer_destroy(ticker);
}

/* ---------------------------------------------------------------- permits */

struct permits {
    struct conc_semaphore semaphore;
    atomic_llong held;
    int64_t size;
};

static void take_permits(void *arg)
{
    struct member *m = arg;
    struct permits *permits = m->shared;
    for (int i = 0; i < 30; i++) {
        struct conc_context limit;
        int64_t n = 1 + (int64_t)soak_draw(&m->random, (uint64_t)permits->size);
        conc_context_with_timeout(&limit, NULL, CONC_US(1) + moment(&m->random));
        int rc = conc_semaphore_acquire(
            &permits->semaphore, n, soak_draw(&m->random, 2) ? &limit : NULL);
        conc_context_destroy(&limit);
        soak_check(rc == 0 || rc == ETIMEDOUT);
        if (rc != 0)
            continue;
        soak_check(atomic_fetch_add(&permits->held, n) + n <= permits->size);
        pause_for(&m->random, NULL);
        atomic_fetch_sub(&permits->held, n);
        conc_semaphore_release(&permits->semaphore, n);
    }
}

static void semaphores(uint64_t *random)
{
    struct member members[4];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct permits permits = {.size = 1 + (int64_t)soak_draw(random, 4)};
    soak_ok(conc_semaphore_init(&permits.semaphore, permits.size));
    start(&group, members, 4, take_permits, &permits, random);
    finish(&group);
    soak_check(conc_semaphore_available(&permits.semaphore) == permits.size);
    conc_semaphore_destroy(&permits.semaphore);
}

/* ---------------------------------------------------------------- the kernel */

struct wire {
    int ends[2];
    struct conc_context ctx; /* of the writer */
    atomic_ullong written;
    atomic_ullong read;
};

static void write_some(void *arg)
{
    struct member *m = arg;
    struct wire *wire = m->shared;
    char bytes[4096] = {0};
    for (int i = 0; i < 50; i++) {
        ssize_t n = write(wire->ends[0], bytes, 1 + soak_draw(&m->random, sizeof bytes));
        if (n > 0)
            atomic_fetch_add(&wire->written, (unsigned long long)n);
        else if (errno != EAGAIN || conc_fd_wait(wire->ends[0], POLLOUT, &wire->ctx) != 0)
            break;
        pause_for(&m->random, NULL);
    }
    shutdown(wire->ends[0], SHUT_WR);
}

static void read_all(void *arg)
{
    struct member *m = arg;
    struct wire *wire = m->shared;
    char bytes[4096];
    for (;;) {
        ssize_t n = read(wire->ends[1], bytes, sizeof bytes);
        if (n == 0)
            return;
        if (n > 0) {
            atomic_fetch_add(&wire->read, (unsigned long long)n);
            continue;
        }
        soak_check(errno == EAGAIN);
        struct conc_context limit;
        conc_context_with_timeout(&limit, NULL, CONC_US(1) + moment(&m->random));
        int rc = conc_fd_wait(wire->ends[1], POLLIN, soak_draw(&m->random, 2) ? &limit : NULL);
        soak_check(rc == 0 || rc == ETIMEDOUT);
        conc_context_destroy(&limit);
    }
}

static void descriptors(uint64_t *random)
{
    struct wire wire = {.written = 0};
    struct member writer, reader;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    soak_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wire.ends));
    conc_context_with_cancel(&wire.ctx, NULL);
    start(&group, &writer, 1, write_some, &wire, random);
    start(&group, &reader, 1, read_all, &wire, random);
    if (soak_draw(random, 2)) {
        conc_sleep(moment(random), NULL);
        conc_context_cancel(&wire.ctx);
    }
    finish(&group);
    soak_check(atomic_load(&wire.written) == atomic_load(&wire.read));
    conc_context_destroy(&wire.ctx);
    close(wire.ends[0]);
    close(wire.ends[1]);
}

static void sleep_in_kernel(void *arg)
{
    poll(NULL, 0, 1);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void block(void *arg)
{
    conc_blocking(sleep_in_kernel, ((struct member *)arg)->shared);
}

static void blocking(uint64_t *random)
{
    struct member members[4];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    atomic_int calls = 0;
    start(&group, members, 4, block, &calls, random);
    finish(&group);
    soak_check(atomic_load(&calls) == 4);
}

/* ---------------------------------------------------------------- groups, batches, pipelines */

static int group_task(void *arg, struct conc_context *ctx)
{
    uint64_t random = atomic_fetch_add((atomic_ullong *)arg, 1) + 1;
    pause_for(&random, ctx);
    return soak_draw(&random, 10) == 0 ? EIO : 0;
}

static void groups(uint64_t *random)
{
    struct conc_errgroup group;
    atomic_ullong ran = 0;
    unsigned long long started = 0;
    conc_errgroup_init(&group, NULL);
    if (soak_draw(random, 2))
        soak_ok(conc_errgroup_set_limit(&group, 1 + (int64_t)soak_draw(random, 4)));
    for (int i = 0; i < 30; i++) {
        int rc = conc_errgroup_go(
            &group, group_task, &ran, soak_draw(random, 2) ? conc_errgroup_context(&group) : NULL);
        soak_check(rc == 0 || rc == ECANCELED);
        started += rc == 0;
    }
    int rc = conc_errgroup_wait(&group, NULL);
    soak_check(rc == 0 || rc == EIO);
    soak_check(atomic_load(&ran) == started);
    conc_errgroup_destroy(&group);
}

/* Many at once, and all gone again. */
static void one_of_many(void *arg)
{
    conc_yield();
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void many_tasks(uint64_t *random)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    atomic_int ran = 0;
    int n = 100 + (int)soak_draw(random, 300);
    for (int i = 0; i < n; i++)
        soak_ok(conc_wait_group_go(&group, one_of_many, &ran));
    finish(&group);
    soak_check(atomic_load(&ran) == n);
}

struct batches {
    struct conc_batcher *batcher;
    atomic_llong balance;
};

static int flush(void *arg, const void *items, size_t n, struct conc_context *ctx)
{
    struct batches *batches = arg;
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        memcpy(&value, (const char *)items + i * sizeof value, sizeof value);
        atomic_fetch_sub(&batches->balance, value);
    }
    if (n % 4 == 0)
        conc_sleep(CONC_US(100), NULL);
    return 0;
}

static void add(void *arg)
{
    struct member *m = arg;
    struct batches *batches = m->shared;
    for (int i = 0; i < 30; i++) {
        int64_t value = 1 + (int64_t)soak_draw(&m->random, 1000);
        int rc = conc_batcher_add(batches->batcher, &value, NULL);
        soak_check(rc == 0 || rc == EPIPE);
        if (rc != 0)
            return;
        atomic_fetch_add(&batches->balance, value);
        pause_for(&m->random, NULL);
    }
}

static void batchers(uint64_t *random)
{
    struct member members[3];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct batches batches = {.balance = 0};
    soak_ok(conc_batcher_create(
        &batches.batcher, &(struct conc_batcher_options){.size = sizeof(int64_t),
                              .max_items = 1 + soak_draw(random, 8),
                              .max_age_ns = soak_draw(random, 2) ? CONC_US(200) : 0,
                              .flush = flush,
                              .arg = &batches}));
    start(&group, members, 3, add, &batches, random);
    if (soak_draw(random, 2)) {
        conc_sleep(moment(random), NULL);
        soak_ok(conc_batcher_close(batches.batcher, NULL));
    }
    finish(&group);
    conc_batcher_destroy(batches.batcher);
    soak_check(atomic_load(&batches.balance) == 0);
}

struct flow {
    int64_t made;
    uint64_t random;
    atomic_llong balance; /* made minus delivered minus dropped */
};

static int generate(void **value, void *arg, struct conc_context *ctx)
{
    struct flow *flow = arg;
    (void)ctx;
    if (flow->made == 40)
        return EPIPE;
    atomic_llong **made = malloc(sizeof *made);
    soak_check(made != NULL);
    *made = &flow->balance;
    flow->made++;
    atomic_fetch_add(&flow->balance, 1);
    *value = made;
    return 0;
}

static int pass(void **value, void *arg, struct conc_context *ctx)
{
    uint64_t random = (uint64_t)(uintptr_t)*value;
    (void)arg;
    pause_for(&random, ctx);
    return soak_draw(&random, 200) == 0 ? EIO : 0;
}

static void drop(void *value)
{
    atomic_llong **made = value;
    atomic_fetch_sub(*made, 1);
    free(made);
}

static void pipelines(uint64_t *random)
{
    struct flow flow = {.random = conc_splitmix64(random)};
    const struct conc_pipeline_stage stages[] = {
        {.generate = generate, .arg = &flow, .drop = drop},
        {.map = pass, .workers = 3, .unordered = soak_draw(random, 2), .drop = drop},
        {.map = pass, .capacity = soak_draw(random, 4), .drop = drop},
    };
    struct conc_pipeline *pipeline;
    struct conc_pipeline_item item;
    soak_ok(conc_pipeline_create(&pipeline, stages, 3,
        &(struct conc_pipeline_options){.batch = 1 + soak_draw(random, 4)}, NULL));
    uint64_t n = soak_draw(random, 80); /* the receiver may leave early */
    while (n-- > 0 && conc_pipeline_recv(pipeline, &item, NULL) == 0)
        drop(item.value);
    conc_pipeline_destroy(pipeline);
    soak_check(atomic_load(&flow.balance) == 0);
}

/* ---------------------------------------------------------------- a map */

static void use_map(void *arg)
{
    struct member *m = arg;
    for (int i = 0; i < 50; i++) {
        uint64_t key = soak_draw(&m->random, 16);
        void *value;
        int rc = 0;
        switch (soak_draw(&m->random, 3)) {
        case 0:
            rc = conc_safe_map_set(m->shared, &key, sizeof key, (void *)(uintptr_t)(key + 1));
            break;
        case 1:
            rc = conc_safe_map_get(m->shared, &key, sizeof key, &value);
            soak_check(rc != 0 || (uintptr_t)value == key + 1);
            break;
        default:
            rc = conc_safe_map_delete(m->shared, &key, sizeof key);
            break;
        }
        soak_check(rc == 0 || rc == ENOENT);
    }
}

static void maps(uint64_t *random)
{
    struct member members[3];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_safe_map *map;
    soak_ok(conc_safe_map_create(&map,
        &(struct conc_safe_map_options){.kind = (enum conc_safe_map_kind)soak_draw(random, 3)}));
    start(&group, members, 3, use_map, map, random);
    finish(&group);
    soak_check(conc_safe_map_len(map) <= 16);
    conc_safe_map_destroy(map);
}

const struct soak_load soak_loads[] = {
    {"channels", channels},
    {"queues", queues},
    {"worker pools", worker_pools},
    {"dynamic pools", dynamic_pools},
    {"contexts", contexts},
    {"timers", timers},
    {"semaphores", semaphores},
    {"descriptors", descriptors},
    {"blocking calls", blocking},
    {"groups", groups},
    {"many tasks", many_tasks},
    {"batchers", batchers},
    {"pipelines", pipelines},
    {"maps", maps},
};
const size_t soak_n_loads = sizeof soak_loads / sizeof soak_loads[0];
