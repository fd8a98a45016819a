/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

/*
 * A team: the frame of a benchmark whose subject is what its workers share (a counter, a limiter, a
 * map). `workers` workers divide the items of a run among them, begin together, and each does its
 * part in one call. Three ways to make the workers:
 *
 *   team_alone     none: the caller does it all
 *   team_pthread   threads; what the work uses is the baseline's
 *   team_conc      tasks of conc
 *
 * The run's state is handed to every worker, the run's result is the sum of theirs, and its time is
 * the time from the moment all have begun until the last has ended: the start of the workers is not
 * the subject. Where it is, set run->elapsed_ns to 0 afterwards.
 */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/baselines/place.h"
#include "bench/shim/bench.h"
#include "runtime/engine.h"
#include "runtime/task.h"
#include "sync/wait_group.h"

/* One worker's part. */
struct team_share {
    void *state;     /* the run's */
    int64_t worker;  /* 0 and up */
    int64_t first;   /* its items are first … first + count - 1 */
    int64_t count;   /* may be 0 */
    int64_t items;   /* of all workers together */
    uint64_t result; /* the worker's */

    struct team *team;
    int64_t began_ns;
    int64_t ended_ns;
};

struct team {
    void (*work)(struct team_share *share);
    void (*yield)(void);
    int64_t workers;
    atomic_int_fast64_t arrived;
    struct team_share *shares;
};

/* What a worker does. They begin together by looking, not by sleeping: woken sleepers would arrive
 * one by one. */
static inline void team_member(struct team_share *share)
{
    struct team *team = share->team;
    atomic_fetch_add(&team->arrived, 1);
    while (atomic_load(&team->arrived) < team->workers)
        team->yield();
    share->began_ns = bench_now_ns();
    team->work(share);
    share->ended_ns = bench_now_ns();
}

/* Divides the items of the run. False, and the run has failed, without memory. */
static inline bool team_init(struct team *team, struct bench_run *run, int64_t workers,
    void (*work)(struct team_share *share), void (*yield)(void))
{
    memset(team, 0, sizeof *team);
    team->work = work;
    team->yield = yield;
    team->workers = workers;
    team->shares = calloc((size_t)workers, sizeof *team->shares);
    if (!team->shares) {
        bench_fail(run, "no memory for %lld workers", (long long)workers);
        return false;
    }
    int64_t at = 0;
    for (int64_t i = 0; i < workers; i++) {
        int64_t end = run->items * (i + 1) / workers;
        team->shares[i] = (struct team_share){.state = run->state,
            .worker = i,
            .first = at,
            .count = end - at,
            .items = run->items,
            .team = team};
        at = end;
    }
    return true;
}

/* A worker could not be started: those that wait for it go on at once. */
static inline void team_give_up(struct team *team, struct bench_run *run, int rc)
{
    bench_fail(run, "a worker did not start: %s", strerror(rc));
    atomic_store(&team->arrived, team->workers);
}

static inline void team_finish(struct team *team, struct bench_run *run)
{
    int64_t began = team->shares[0].began_ns;
    int64_t ended = team->shares[0].ended_ns;
    for (int64_t i = 0; i < team->workers; i++) {
        const struct team_share *share = &team->shares[i];
        run->result += share->result;
        began = share->began_ns < began ? share->began_ns : began;
        ended = share->ended_ns > ended ? share->ended_ns : ended;
    }
    run->elapsed_ns = ended - began;
    free(team->shares);
}

static inline void team_no_yield(void)
{
}

static inline void team_alone(struct bench_run *run, void (*work)(struct team_share *share))
{
    struct team team;
    if (!team_init(&team, run, 1, work, team_no_yield))
        return;
    team_member(&team.shares[0]);
    team_finish(&team, run);
}

/* In bench/baselines/team_pthread.c. */
void team_pthread(struct bench_run *run, void (*work)(struct team_share *share));

static inline void team_task(void *arg)
{
    if (strcmp(conc_engine_name(), "threads") == 0) /* another engine spreads its tasks itself */
        team_place(((struct team_share *)arg)->worker);
    team_member((struct team_share *)arg);
}

static inline void team_conc(struct bench_run *run, void (*work)(struct team_share *share))
{
    struct team team;
    if (!team_init(&team, run, run->workers, work, conc_yield))
        return;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int64_t i = 0; i < team.workers; i++) {
        int rc = conc_wait_group_go(&group, team_task, &team.shares[i]);
        if (rc != 0) {
            team_give_up(&team, run, rc);
            break;
        }
    }
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    team_finish(&team, run);
}

#endif
