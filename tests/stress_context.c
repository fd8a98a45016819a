/* SPDX-License-Identifier: MIT */
/* ctest: labels stress; timeout 120 */

/*
 * Trees of contexts: random ones against a model, then one that many tasks grow, wait in, cancel
 * and take down at once.
 */

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

/* ---------------------------------------------------------------- against a model */

enum { NODES = 60 };

struct model {
    bool alive;
    int parent; /* -1: a root */
    int children;
    int error;
    int cause;
    bool has_after;
    bool after_called;
    const void *key;
    int64_t deadline;
};

struct tree {
    struct conc_context ctx[NODES];
    struct conc_context_after after[NODES];
    int calls[NODES];
    struct model model[NODES];
};

static const char keys[3];

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void model_cancel(struct tree *t, int i, int error, int cause)
{
    if (t->model[i].error != 0)
        return;
    t->model[i].error = error;
    t->model[i].cause = cause;
    t->model[i].after_called = t->model[i].has_after;
    for (int k = 0; k < NODES; k++)
        if (t->model[k].alive && t->model[k].parent == i)
            model_cancel(t, k, error, cause);
}

static void check_tree(struct tree *t, uint64_t seed)
{
    for (int i = 0; i < NODES; i++) {
        struct model *m = &t->model[i];
        if (!m->alive)
            continue;
        int error = conc_context_error(&t->ctx[i]);
        int cause = conc_context_cause(&t->ctx[i]);
        if (error != m->error || cause != m->cause)
            ck_abort_msg("seed %" PRIu64 ": node %d has error %d and cause %d, not %d and %d", seed,
                i, error, cause, m->error, m->cause);
        if (m->has_after && t->calls[i] != m->after_called)
            ck_abort_msg(
                "seed %" PRIu64 ": node %d: callback called %d times", seed, i, t->calls[i]);
        if (conc_context_deadline(&t->ctx[i]) != m->deadline)
            ck_abort_msg("seed %" PRIu64 ": node %d: wrong deadline", seed, i);
        for (int k = 0; k < 3; k++) {
            int at = i;
            while (at >= 0 && t->model[at].key != &keys[k])
                at = t->model[at].parent;
            void *want = at >= 0 ? &t->calls[at] : NULL;
            if (conc_context_value(&t->ctx[i], &keys[k]) != want)
                ck_abort_msg("seed %" PRIu64 ": node %d: wrong value", seed, i);
        }
    }
}

static void make(struct tree *t, int i, uint64_t *random)
{
    struct model *m = &t->model[i];
    int parent = (int)(conc_splitmix64(random) % (NODES + 5));
    *m = (struct model){.alive = true, .parent = -1, .deadline = CONC_FOREVER};
    if (parent < NODES && t->model[parent].alive && parent != i) {
        m->parent = parent;
        t->model[parent].children++;
        m->error = t->model[parent].error;
        m->cause = t->model[parent].cause;
        m->deadline = t->model[parent].deadline;
    }
    struct conc_context *up = m->parent >= 0 ? &t->ctx[m->parent] : NULL;
    t->calls[i] = 0;
    switch (conc_splitmix64(random) % 4) {
    case 0: { /* far away, or passed long ago: time plays no part in the outcome */
        bool passed = conc_splitmix64(random) % 4 == 0;
        int64_t deadline =
            passed ? 1 : conc_now_ns() + CONC_S(1000 + (int64_t)(conc_splitmix64(random) % 1000));
        conc_context_with_deadline(&t->ctx[i], up, deadline);
        if (deadline < m->deadline)
            m->deadline = deadline;
        if (passed && m->error == 0)
            m->error = m->cause = ETIMEDOUT;
        break;
    }
    case 1:
        m->key = &keys[conc_splitmix64(random) % 3];
        conc_context_with_value(&t->ctx[i], up, m->key, &t->calls[i]);
        break;
    default:
        conc_context_with_cancel(&t->ctx[i], up);
    }
    if (conc_splitmix64(random) % 2) {
        m->has_after = true;
        m->after_called = m->error != 0;
        unit_ok(conc_context_after(&t->after[i], &t->ctx[i], count_call, &t->calls[i]));
    }
}

static void play_tree(uint64_t seed, struct tree *t)
{
    uint64_t random = seed;
    memset(t, 0, sizeof *t);
    int steps = (int)unit_scaled(600);
    for (int step = 0; step < steps; step++) {
        int i = (int)(conc_splitmix64(&random) % NODES);
        struct model *m = &t->model[i];
        if (!m->alive) {
            make(t, i, &random);
        } else if (conc_splitmix64(&random) % 4 == 0) {
            int cause = 100 + (int)(conc_splitmix64(&random) % 30);
            conc_context_cancel_cause(&t->ctx[i], cause);
            model_cancel(t, i, ECANCELED, cause);
        } else if (m->children == 0) {
            if (m->has_after &&
                conc_context_after_stop(&t->after[i]) != (m->error == 0 && !m->after_called))
                ck_abort_msg("seed %" PRIu64 ": node %d: wrong answer of stop", seed, i);
            conc_context_destroy(&t->ctx[i]);
            if (m->parent >= 0)
                t->model[m->parent].children--;
            m->alive = false;
        }
        if (step % 16 == 0)
            check_tree(t, seed);
    }
    check_tree(t, seed);
    for (bool any = true; any;) { /* leaves first */
        any = false;
        for (int i = 0; i < NODES; i++) {
            struct model *m = &t->model[i];
            if (!m->alive || m->children > 0)
                continue;
            if (m->has_after)
                conc_context_after_stop(&t->after[i]);
            conc_context_destroy(&t->ctx[i]);
            if (m->parent >= 0)
                t->model[m->parent].children--;
            m->alive = false;
            any = true;
        }
    }
}

START_TEST(random_trees)
{
    static struct tree tree;
    for (struct unit_stress s = unit_stress_begin(1.0); unit_stress_more(&s);)
        play_tree(s.seed, &tree);
}
END_TEST

/* ---------------------------------------------------------------- many tasks in one tree */

struct forest {
    struct conc_context root;
    struct conc_context branches[3];
    struct conc_chan *never;
    atomic_bool cancelled[3]; /* the cancel of that branch, or of the root, has returned */
    atomic_int wrong;
    atomic_long waits;
    int steps;
};

struct climber {
    struct forest *forest;
    uint64_t random;
    struct conc_context *up;
    int branch;
    int depth;
};

struct call {
    atomic_int count;
};

static void count_atomic(void *arg)
{
    atomic_fetch_add(&((struct call *)arg)->count, 1);
}

/* Makes a child, perhaps with a callback; waits in it, cancels it, goes deeper, or lets it be;
 * takes it down again. */
static void climb(struct climber *c)
{
    struct conc_context ctx;
    struct conc_context_after after;
    struct call call = {0};
    struct forest *f = c->forest;
    uint64_t way = conc_splitmix64(&c->random);
    conc_context_with_timeout(&ctx, c->up, way % 3 == 0 ? CONC_S(100) : (int64_t)(way % 97) * 1000);
    bool has_after = way / 100 % 2;
    if (has_after && conc_context_after(&after, &ctx, count_atomic, &call) != 0)
        abort();
    int rc = 0;
    switch (way / 1000 % 5) {
    case 0:
        if (way % 3 != 0 || conc_context_deadline(&ctx) < conc_now_ns() + CONC_S(1))
            rc = conc_context_wait(&ctx);
        break;
    case 1:
        if (way % 3 != 0 || conc_context_deadline(&ctx) < conc_now_ns() + CONC_S(1))
            rc = conc_chan_recv(f->never, NULL, &ctx);
        break;
    case 2:
        conc_context_cancel_cause(&ctx, EIO);
        if (conc_context_error(&ctx) == 0)
            atomic_fetch_add(&f->wrong, 1);
        break;
    case 3:
        if (c->depth < 20) {
            struct climber deeper = *c;
            deeper.up = &ctx;
            deeper.depth++;
            climb(&deeper);
            c->random = deeper.random;
        }
        break;
    default:
        conc_yield();
    }
    int error = conc_context_error(&ctx);
    if (rc != 0) {
        atomic_fetch_add(&f->waits, 1);
        if (rc != error || (rc != ETIMEDOUT && rc != ECANCELED))
            atomic_fetch_add(&f->wrong, 1);
    }
    if (atomic_load(&f->cancelled[c->branch]) && conc_context_error(&ctx) == 0)
        atomic_fetch_add(&f->wrong, 1); /* a cancel that returned and did not reach down */
    if (has_after) {
        bool stopped = conc_context_after_stop(&after);
        if (atomic_load(&call.count) != !stopped)
            atomic_fetch_add(&f->wrong, 1);
    }
    conc_context_destroy(&ctx);
    if (has_after && atomic_load(&call.count) > 1)
        atomic_fetch_add(&f->wrong, 1);
}

static void climber_main(void *arg)
{
    struct climber *c = arg;
    for (int i = 0; i < c->forest->steps; i++)
        climb(c);
}

static void play_forest(uint64_t seed)
{
    enum { CLIMBERS = 6 };
    static struct forest forest;
    uint64_t random = seed;
    struct climber climbers[CLIMBERS];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    memset(&forest, 0, sizeof forest);
    forest.steps = (int)unit_scaled(120);
    unit_ok(conc_chan_create(&forest.never, 0, 0, NULL));
    conc_context_with_timeout(&forest.root, NULL, CONC_S(1000));
    for (int i = 0; i < 3; i++)
        conc_context_with_cancel(&forest.branches[i], &forest.root);
    for (int i = 0; i < CLIMBERS; i++) {
        climbers[i] =
            (struct climber){&forest, conc_splitmix64(&random), &forest.branches[i % 3], i % 3, 0};
        unit_ok(conc_wait_group_go(&group, climber_main, &climbers[i]));
    }
    for (int i = 0; i < 3; i++) {
        conc_sleep((int64_t)(conc_splitmix64(&random) % 2000) * 1000, NULL);
        conc_context_cancel_cause(i < 2 ? &forest.branches[i] : &forest.root, ENOSPC);
        atomic_store(&forest.cancelled[i], true);
    }
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_msg(forest.wrong == 0, "seed %" PRIu64 ": wrong %d times", seed, forest.wrong);
    unit_rc(conc_context_cause(&forest.branches[2]), ENOSPC);
    conc_wait_group_destroy(&group);
    for (int i = 0; i < 3; i++)
        conc_context_destroy(&forest.branches[i]);
    conc_context_destroy(&forest.root);
    conc_chan_destroy(forest.never);
}

START_TEST(many_tasks_in_one_tree)
{
    for (struct unit_stress s = unit_stress_begin(1.5); unit_stress_more(&s);)
        play_forest(s.seed);
}
END_TEST

int main(void)
{
    return unit_main_timeout("stress context", 60, random_trees, many_tasks_in_one_tree);
}
