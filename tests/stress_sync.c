/* SPDX-License-Identifier: MIT */
/* ctest: labels stress; timeout 120 */

/*
 * Mutex, read-write mutex, condition and semaphore under many tasks that lock, try, time out and
 * are cancelled at random. Each has an invariant that any loss of exclusion or of a wake-up breaks;
 * a lost wake-up of all shows as a deadlock report.
 */

#include "sync/cond.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/rw_mutex.h"
#include "sync/semaphore.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { TASKS = 6, SIZE = 10 };

struct shared {
    struct conc_mutex mutex;
    struct conc_rw_mutex rw;
    struct conc_cond not_empty;
    struct conc_cond not_full;
    struct conc_semaphore semaphore;
    struct conc_context root;
    long counter; /* under mutex, or rw for writing */
    long mirror;  /* always equal to it */
    int queued;   /* under mutex: 0 … SIZE */
    atomic_int readers;
    atomic_int writers;
    atomic_llong held;
    atomic_long done; /* how often a call got what it wanted */
    atomic_long made;
    atomic_long used;
    atomic_int wrong;
    int steps;
};

struct member {
    struct shared *shared;
    int me;
    uint64_t random;
};

static uint64_t draw(struct member *m, uint64_t bound)
{
    return conc_splitmix64(&m->random) % bound;
}

/* A context for one call: none, one that is about to expire, one that has, one that lasts. */
static struct conc_context *make_context(struct member *m, struct conc_context *ctx)
{
    switch (draw(m, 4)) {
    case 0:
        return NULL;
    case 1:
        conc_context_with_timeout(ctx, &m->shared->root, CONC_S(1000));
        return ctx;
    default:
        conc_context_with_timeout(ctx, &m->shared->root, (int64_t)draw(m, 50) * 1000);
        return ctx;
    }
}

static void end_context(struct conc_context *ctx)
{
    if (ctx)
        conc_context_destroy(ctx);
}

static void linger(struct member *m)
{
    if (draw(m, 8) == 0)
        conc_yield();
    if (draw(m, 64) == 0)
        conc_sleep(CONC_US(30), NULL);
}

static void expect(struct shared *s, bool is_true)
{
    if (!is_true)
        atomic_fetch_add(&s->wrong, 1);
}

/* Runs a member a number of steps on every task, and once more with the root cancelled half-way. */
static void play(uint64_t seed, void (*member_main)(void *), struct shared *shared)
{
    uint64_t random = seed;
    struct member members[TASKS];
    *shared = (struct shared){.mutex = CONC_MUTEX_INIT,
        .rw = CONC_RW_MUTEX_INIT,
        .not_empty = CONC_COND_INIT,
        .not_full = CONC_COND_INIT,
        .steps = 2 * ((int)unit_scaled(800) / 2 + 1)};
    unit_ok(conc_semaphore_init(&shared->semaphore, SIZE));
    conc_context_with_cancel(&shared->root, NULL);
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < TASKS; i++) {
        members[i] = (struct member){shared, i, conc_splitmix64(&random)};
        unit_ok(conc_wait_group_go(&group, member_main, &members[i]));
    }
    if (conc_splitmix64(&random) % 4 == 0) {
        conc_sleep((int64_t)(conc_splitmix64(&random) % 1000) * 1000, NULL);
        conc_context_cancel(&shared->root);
    }
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_msg(shared->wrong == 0, "seed %" PRIu64 ": wrong %d times", seed, shared->wrong);
    ck_assert_int_gt(shared->done, 0);
    conc_wait_group_destroy(&group);
    /* Each of these aborts when it is still held or waited for. */
    conc_mutex_destroy(&shared->mutex);
    conc_rw_mutex_destroy(&shared->rw);
    conc_cond_destroy(&shared->not_empty);
    conc_cond_destroy(&shared->not_full);
    ck_assert_int_eq(conc_semaphore_available(&shared->semaphore), SIZE);
    conc_semaphore_destroy(&shared->semaphore);
    conc_context_destroy(&shared->root);
}

/* ---------------------------------------------------------------- mutex */

static void mutex_member(void *arg)
{
    struct member *m = arg;
    struct shared *s = m->shared;
    for (int i = 0; i < s->steps; i++) {
        struct conc_context space;
        struct conc_context *ctx = make_context(m, &space);
        int rc = draw(m, 4) == 0 ? conc_mutex_try_lock(&s->mutex) : conc_mutex_lock(&s->mutex, ctx);
        if (rc == 0) {
            s->counter++;
            linger(m);
            s->mirror++;
            expect(s, s->counter == s->mirror);
            conc_mutex_unlock(&s->mutex);
            atomic_fetch_add(&s->done, 1);
        } else {
            expect(s, rc == EAGAIN || (ctx && (rc == ETIMEDOUT || rc == ECANCELED)));
        }
        end_context(ctx);
    }
}

START_TEST(mutexes)
{
    static struct shared shared;
    for (struct unit_stress s = unit_stress_begin(1.0); unit_stress_more(&s);) {
        play(s.seed, mutex_member, &shared);
        ck_assert_int_eq(shared.counter, shared.done);
    }
}
END_TEST

/* ---------------------------------------------------------------- read-write mutex */

static void rw_member(void *arg)
{
    struct member *m = arg;
    struct shared *s = m->shared;
    for (int i = 0; i < s->steps; i++) {
        struct conc_context space;
        struct conc_context *ctx = make_context(m, &space);
        bool try = draw(m, 4) == 0;
        if (draw(m, 3) == 0) {
            int rc = try ? conc_rw_mutex_try_lock(&s->rw) : conc_rw_mutex_lock(&s->rw, ctx);
            if (rc == 0) {
                expect(s, atomic_fetch_add(&s->writers, 1) == 0 && atomic_load(&s->readers) == 0);
                s->counter++;
                linger(m);
                s->mirror++;
                atomic_fetch_sub(&s->writers, 1);
                conc_rw_mutex_unlock(&s->rw);
                atomic_fetch_add(&s->done, 1);
            }
        } else {
            int rc =
                try ? conc_rw_mutex_try_read_lock(&s->rw) : conc_rw_mutex_read_lock(&s->rw, ctx);
            if (rc == 0) {
                atomic_fetch_add(&s->readers, 1);
                expect(s, atomic_load(&s->writers) == 0 && s->counter == s->mirror);
                linger(m);
                expect(s, atomic_load(&s->writers) == 0);
                atomic_fetch_sub(&s->readers, 1);
                conc_rw_mutex_read_unlock(&s->rw);
            }
        }
        end_context(ctx);
    }
}

START_TEST(rw_mutexes)
{
    static struct shared shared;
    for (struct unit_stress s = unit_stress_begin(1.0); unit_stress_more(&s);) {
        play(s.seed, rw_member, &shared);
        ck_assert_int_eq(shared.counter, shared.done);
    }
}
END_TEST

/* ---------------------------------------------------------------- conditions: a bounded count */

/* Even members make, odd ones use, one for one; a wait that ends by its context is tried again
 * without one. A signal that is lost or swallowed leaves somebody asleep for ever. */
static void cond_member(void *arg)
{
    struct member *m = arg;
    struct shared *s = m->shared;
    bool maker = m->me % 2 == 0;
    for (int i = 0; i < s->steps; i++) {
        struct conc_context space;
        struct conc_context *ctx = make_context(m, &space);
        conc_mutex_lock(&s->mutex, NULL);
        while (maker ? s->queued == SIZE : s->queued == 0) {
            int rc = conc_cond_wait(maker ? &s->not_full : &s->not_empty, &s->mutex, ctx);
            expect(s, rc == 0 || (ctx && (rc == ETIMEDOUT || rc == ECANCELED)));
            if (rc != 0) {
                end_context(ctx);
                ctx = NULL;
            }
        }
        s->queued += maker ? 1 : -1;
        expect(s, s->queued >= 0 && s->queued <= SIZE);
        atomic_fetch_add(maker ? &s->made : &s->used, 1);
        if (draw(m, 32) == 0)
            conc_cond_broadcast(maker ? &s->not_empty : &s->not_full);
        else
            conc_cond_signal(maker ? &s->not_empty : &s->not_full);
        conc_mutex_unlock(&s->mutex);
        atomic_fetch_add(&s->done, 1);
        end_context(ctx);
        linger(m);
    }
}

START_TEST(conditions)
{
    static struct shared shared;
    for (struct unit_stress s = unit_stress_begin(1.0); unit_stress_more(&s);) {
        play(s.seed, cond_member, &shared);
        ck_assert_int_eq(shared.queued, 0);
        ck_assert_int_eq(shared.made, shared.used);
        ck_assert_int_eq(shared.done, (long)TASKS * shared.steps);
    }
}
END_TEST

/* ---------------------------------------------------------------- semaphore */

static void semaphore_member(void *arg)
{
    struct member *m = arg;
    struct shared *s = m->shared;
    for (int i = 0; i < s->steps; i++) {
        struct conc_context space;
        struct conc_context *ctx = make_context(m, &space);
        int64_t n = (int64_t)draw(m, SIZE + 1);
        int rc = draw(m, 4) == 0 ? conc_semaphore_try_acquire(&s->semaphore, n)
                                 : conc_semaphore_acquire(&s->semaphore, n, ctx);
        if (rc == 0) {
            expect(s, atomic_fetch_add(&s->held, n) + n <= SIZE);
            linger(m);
            atomic_fetch_sub(&s->held, n);
            conc_semaphore_release(&s->semaphore, n);
            atomic_fetch_add(&s->done, 1);
        } else {
            expect(s, rc == EAGAIN || (ctx && (rc == ETIMEDOUT || rc == ECANCELED)));
        }
        end_context(ctx);
    }
}

START_TEST(semaphores)
{
    static struct shared shared;
    for (struct unit_stress s = unit_stress_begin(1.0); unit_stress_more(&s);)
        play(s.seed, semaphore_member, &shared);
}
END_TEST

/* ---------------------------------------------------------------- wait groups that come and go */

static void count_down(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void nested(void *arg)
{
    struct member *m = arg;
    for (int i = 0; i < m->shared->steps / 40; i++) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        atomic_int ran = 0;
        int n = (int)draw(m, 5);
        for (int k = 0; k < n; k++)
            if (conc_wait_group_go(&group, count_down, &ran) != 0)
                abort();
        struct conc_context space;
        struct conc_context *ctx = make_context(m, &space);
        if (conc_wait_group_wait(&group, ctx) != 0)
            conc_wait_group_wait(&group, NULL);
        expect(m->shared, ran == n);
        conc_wait_group_destroy(&group);
        end_context(ctx);
        atomic_fetch_add(&m->shared->done, 1);
    }
}

START_TEST(wait_groups)
{
    static struct shared shared;
    for (struct unit_stress s = unit_stress_begin(0.5); unit_stress_more(&s);)
        play(s.seed, nested, &shared);
}
END_TEST

int main(void)
{
    return unit_main_timeout(
        "stress sync", 60, mutexes, rw_mutexes, conditions, semaphores, wait_groups);
}
