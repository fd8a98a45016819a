/* SPDX-License-Identifier: MIT */

/* Starting tasks: one by one, in groups, through a pool; and a hundred thousand that wait. */

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/baselines/pthread_group.h"
#include "bench/baselines/pthread_pool.h"
#include "bench/baselines/pthread_team.h"
#include "bench/targets/row.h"
#include "errgroup.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/wait_group.h"
#include "worker_pool.h"

/* Tasks of a batch: started, then waited for. */
enum { BATCH = 100 };

/* What a task does is to leave a trace, without which nobody could tell that it ran. Each has a
 * place of its own. */
static void mark(void *place)
{
    ++*(int64_t *)place;
}

static int64_t marks(int64_t *places)
{
    int64_t sum = 0;
    for (int i = 0; i < BATCH; i++)
        sum += places[i];
    return sum;
}

/* ---- a wait group; one task at a time ---- */

void spawn_group(struct trial *t)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    int64_t places[BATCH] = {0};
    trial_begin(t);
    for (int64_t left = t->n; left > 0; left -= BATCH) {
        for (int64_t i = 0; i < BATCH && i < left; i++)
            OK(conc_wait_group_go(&group, mark, &places[i]));
        OK(conc_wait_group_wait(&group, NULL));
    }
    trial_end(t);
    conc_wait_group_destroy(&group);
    MUST(marks(places) == t->n);
}

static void *mark_thread(void *arg)
{
    atomic_fetch_add_explicit((atomic_int_fast64_t *)arg, 1, memory_order_relaxed);
    return NULL;
}

void spawn_group_textbook(struct trial *t)
{
    atomic_int_fast64_t ran = 0;
    trial_begin(t);
    for (int64_t left = t->n; left > 0; left -= BATCH) {
        struct textbook_team team;
        OK(textbook_team_start(&team, (size_t)(left < BATCH ? left : BATCH), mark_thread, &ran));
        textbook_team_join(&team);
    }
    trial_end(t);
    MUST(ran == t->n);
}

void spawn_one(struct trial *t)
{
    int64_t ran = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        struct conc_task *task;
        OK(conc_task_start(&task, mark, &ran));
        conc_task_join(task);
    }
    trial_end(t);
    MUST(ran == t->n);
}

void spawn_one_textbook(struct trial *t)
{
    atomic_int_fast64_t ran = 0;
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++) {
        struct textbook_team team;
        OK(textbook_team_start(&team, 1, mark_thread, &ran));
        textbook_team_join(&team);
    }
    trial_end(t);
    MUST(ran == t->n);
}

/* ---- an error group; the parameter is its limit, 0 for none ---- */

static int mark_ok(void *place, struct conc_context *ctx)
{
    (void)ctx;
    mark(place);
    return 0;
}

void errgroup_go(struct trial *t)
{
    int64_t places[BATCH] = {0};
    trial_begin(t);
    for (int64_t left = t->n; left > 0; left -= BATCH) {
        struct conc_errgroup group;
        conc_errgroup_init(&group, NULL);
        if (t->row->parameter > 0)
            OK(conc_errgroup_set_limit(&group, t->row->parameter));
        for (int64_t i = 0; i < BATCH && i < left; i++)
            OK(conc_errgroup_go(&group, mark_ok, &places[i], NULL));
        OK(conc_errgroup_wait(&group, NULL));
        conc_errgroup_destroy(&group);
    }
    trial_end(t);
    MUST(marks(places) == t->n);
}

static int mark_i(void *places, size_t i)
{
    mark((int64_t *)places + i);
    return 0;
}

void errgroup_go_textbook(struct trial *t)
{
    int64_t places[BATCH] = {0};
    trial_begin(t);
    for (int64_t left = t->n; left > 0; left -= BATCH)
        OK(textbook_group(
            (size_t)(left < BATCH ? left : BATCH), (size_t)t->row->parameter, mark_i, places));
    trial_end(t);
    MUST(marks(places) == t->n);
}

/* ---- a pool of two workers, tasks that do nothing ---- */

enum { POOL_WORKERS = 2, POOL_CAPACITY = 1000 };

static int nothing(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    return 0;
}

void pool_empty(struct trial *t)
{
    struct conc_worker_pool *pool;
    OK(conc_worker_pool_create(&pool,
        &(struct conc_worker_pool_options){.workers = POOL_WORKERS, .capacity = POOL_CAPACITY}));
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++)
        OK(conc_worker_pool_submit(pool, nothing, NULL, NULL));
    OK(conc_worker_pool_wait(pool, NULL));
    trial_end(t);
    MUST(conc_worker_pool_stats(pool).completed == (uint64_t)t->n);
    OK(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    conc_worker_pool_destroy(pool);
}

static void count_one(void *count)
{
    atomic_fetch_add_explicit((atomic_int_fast64_t *)count, 1, memory_order_relaxed);
}

void pool_empty_textbook(struct trial *t)
{
    struct textbook_pool pool;
    atomic_int_fast64_t ran = 0;
    OK(textbook_pool_start(&pool, POOL_WORKERS, POOL_CAPACITY));
    trial_begin(t);
    for (int64_t i = 0; i < t->n; i++)
        OK(textbook_pool_submit(&pool, count_one, &ran));
    textbook_pool_stop(&pool); /* it has no other way to wait */
    trial_end(t);
    MUST(ran == t->n);
}

/* ---- many tasks that wait: for the close of a channel ---- */

enum { BLOCKED_START, BLOCKED_MEMORY, BLOCKED_WAKE };

struct many {
    struct conc_chan *closed;
    struct conc_wait_group blocked; /* counted down by each just before it waits */
};

static void wait_for_close(void *arg)
{
    struct many *many = arg;
    conc_wait_group_done(&many->blocked);
    MUST(conc_chan_recv(many->closed, NULL, NULL) == EPIPE);
}

/* What the system has given this process: its pages, and the tables that map them. */
static double memory_in_use(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    MUST(file != NULL);
    char line[256];
    int64_t kilobytes = 0;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "VmPTE:", 6) == 0)
            kilobytes += strtoll(line + 6, NULL, 10);
    fclose(file);
    MUST(kilobytes > 0);
    return (double)kilobytes * 1024;
}

void blocked(struct trial *t)
{
    int64_t tasks = t->row->parameter;
    struct many many = {.blocked = CONC_WAIT_GROUP_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    OK(conc_chan_create(&many.closed, 0, 0, NULL));
    conc_wait_group_add(&many.blocked, tasks);
    trial_begin(t);
    for (int64_t i = 0; i < tasks; i++)
        OK(conc_wait_group_go(&group, wait_for_close, &many));
    OK(conc_wait_group_wait(&many.blocked, NULL));
    trial_end(t);
    t->figures[BLOCKED_START] = (double)t->elapsed_ns;
    t->figures[BLOCKED_MEMORY] = memory_in_use();
    t->elapsed_ns = 0;
    trial_begin(t);
    OK(conc_chan_close(many.closed));
    OK(conc_wait_group_wait(&group, NULL));
    trial_end(t);
    t->figures[BLOCKED_WAKE] = (double)t->elapsed_ns;
    t->has_figures = true;
    conc_wait_group_destroy(&group);
    conc_wait_group_destroy(&many.blocked);
    conc_chan_destroy(many.closed);
}
