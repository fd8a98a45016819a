/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include "sync/rw_mutex.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

/* Who wants it, and who is in the way. */
struct variant {
    bool write;
    bool against_readers;
};

struct rw_state {
    struct variant variant;
    struct conc_rw_mutex rw;
};

static void matrix_init(void *state, const void *param)
{
    struct rw_state *s = state;
    s->variant = *(const struct variant *)param;
    conc_rw_mutex_init(&s->rw);
    unit_ok(s->variant.against_readers ? conc_rw_mutex_read_lock(&s->rw, NULL)
                                       : conc_rw_mutex_lock(&s->rw, NULL));
}

static void give_back(struct rw_state *s, bool write)
{
    if (write)
        conc_rw_mutex_unlock(&s->rw);
    else
        conc_rw_mutex_read_unlock(&s->rw);
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    struct rw_state *s = state;
    int rc =
        s->variant.write ? conc_rw_mutex_lock(&s->rw, ctx) : conc_rw_mutex_read_lock(&s->rw, ctx);
    if (rc == 0)
        give_back(s, s->variant.write);
    return rc;
}

static int matrix_try(void *state)
{
    struct rw_state *s = state;
    int rc =
        s->variant.write ? conc_rw_mutex_try_lock(&s->rw) : conc_rw_mutex_try_read_lock(&s->rw);
    if (rc == 0)
        give_back(s, s->variant.write);
    return rc;
}

static void matrix_ready(void *state, bool waiting)
{
    struct rw_state *s = state;
    (void)waiting;
    give_back(s, !s->variant.against_readers);
}

static void matrix_fini(void *state, int rc)
{
    struct rw_state *s = state;
    if (rc != 0)
        give_back(s, !s->variant.against_readers);
    unit_ok(conc_rw_mutex_try_lock(&s->rw));
    unit_rc(conc_rw_mutex_try_read_lock(&s->rw), EAGAIN);
    conc_rw_mutex_unlock(&s->rw);
    conc_rw_mutex_destroy(&s->rw);
}

static void check_matrix(const char *name, bool write, bool against_readers)
{
    const struct variant variant = {write, against_readers};
    const struct wait_call call = {.name = name,
        .size = sizeof(struct rw_state),
        .param = &variant,
        .init = matrix_init,
        .call = matrix_call,
        .try_call = matrix_try,
        .ready = matrix_ready,
        .ready_is_kept = true,
        .fini = matrix_fini};
    wait_matrix_check(&call);
}

START_TEST(matrix)
{
    check_matrix("read lock against a writer", false, false);
    check_matrix("lock against a writer", true, false);
    check_matrix("lock against readers", true, true);
}
END_TEST

/* ---------------------------------------------------------------- who is let in */

START_TEST(readers_share)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    unit_ok(conc_rw_mutex_read_lock(&rw, NULL));
    unit_ok(conc_rw_mutex_try_read_lock(&rw));
    unit_rc(conc_rw_mutex_try_lock(&rw), EAGAIN);
    conc_rw_mutex_read_unlock(&rw);
    unit_rc(conc_rw_mutex_try_lock(&rw), EAGAIN);
    conc_rw_mutex_read_unlock(&rw);
    unit_ok(conc_rw_mutex_try_lock(&rw));
    unit_rc(conc_rw_mutex_try_lock(&rw), EAGAIN);
    unit_rc(conc_rw_mutex_try_read_lock(&rw), EAGAIN);
    conc_rw_mutex_unlock(&rw);
    conc_rw_mutex_destroy(&rw);
}
END_TEST

struct visitor {
    struct conc_rw_mutex *rw;
    struct conc_context *ctx;
    atomic_bool *leave;
    atomic_int *inside;
    bool write;
    atomic_bool entered;
    int rc;
};

static void visit(void *arg)
{
    struct visitor *v = arg;
    v->rc = v->write ? conc_rw_mutex_lock(v->rw, v->ctx) : conc_rw_mutex_read_lock(v->rw, v->ctx);
    if (v->rc != 0)
        return;
    atomic_fetch_add(v->inside, 1);
    atomic_store(&v->entered, true);
    while (!atomic_load(v->leave))
        conc_sleep(CONC_US(100), NULL);
    atomic_fetch_sub(v->inside, 1);
    if (v->write)
        conc_rw_mutex_unlock(v->rw);
    else
        conc_rw_mutex_read_unlock(v->rw);
}

/*
 * Queue: a reader inside; then a writer, two readers, a writer, in this order. First come, first
 * served: the readers behind the writer wait, though a reader is inside; then both enter together.
 */
START_TEST(first_come_first_served)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    atomic_int inside = 0;
    atomic_bool leave[4] = {false};
    struct visitor v[4];
    unit_ok(conc_rw_mutex_read_lock(&rw, NULL));
    for (int i = 0; i < 4; i++) {
        v[i] = (struct visitor){
            .rw = &rw, .leave = &leave[i], .inside = &inside, .write = i == 0 || i == 3, .rc = -1};
        unit_ok(conc_wait_group_go(&group, visit, &v[i]));
        unit_wait_parked(i + 1);
    }
    unit_rc(conc_rw_mutex_try_read_lock(&rw), EAGAIN); /* somebody is in front */
    conc_rw_mutex_read_unlock(&rw);
    unit_wait_until(atomic_load(&v[0].entered));
    ck_assert_int_eq(atomic_load(&inside), 1);
    atomic_store(&leave[0], true);
    unit_wait_until(atomic_load(&v[1].entered) && atomic_load(&v[2].entered));
    ck_assert_int_eq(atomic_load(&inside), 2);
    ck_assert(!atomic_load(&v[3].entered));
    atomic_store(&leave[1], true);
    unit_wait_until(atomic_load(&inside) == 1);
    ck_assert(!atomic_load(&v[3].entered));
    atomic_store(&leave[2], true);
    unit_wait_until(atomic_load(&v[3].entered));
    atomic_store(&leave[3], true);
    unit_ok(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
    conc_rw_mutex_destroy(&rw);
}
END_TEST

/* A writer that gives up lets the readers behind it in, while the reader before it is still inside.
 */
START_TEST(writer_that_gives_up)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    atomic_int inside = 0;
    atomic_bool leave = false;
    struct visitor v[3];
    unit_ok(conc_rw_mutex_read_lock(&rw, NULL));
    for (int i = 0; i < 3; i++) {
        v[i] = (struct visitor){.rw = &rw,
            .ctx = i == 0 ? &ctx : NULL,
            .leave = &leave,
            .inside = &inside,
            .write = i == 0,
            .rc = -1};
        unit_ok(conc_wait_group_go(&group, visit, &v[i]));
        unit_wait_parked(i + 1);
    }
    conc_context_cancel(&ctx);
    unit_wait_until(atomic_load(&inside) == 2);
    atomic_store(&leave, true);
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_rc(v[0].rc, ECANCELED);
    unit_ok(v[1].rc);
    unit_ok(v[2].rc);
    conc_rw_mutex_read_unlock(&rw);
    conc_wait_group_destroy(&group);
    conc_rw_mutex_destroy(&rw);
    conc_context_destroy(&ctx);
}
END_TEST

struct table {
    struct conc_rw_mutex rw;
    long a; /* under rw: always equal */
    long b;
    long rounds;
    atomic_long wrong;
};

static void use_table(void *arg)
{
    struct table *t = arg;
    for (long i = 0; i < t->rounds; i++) {
        if (i % 4 == 0) {
            conc_rw_mutex_lock(&t->rw, NULL);
            t->a++;
            t->b++;
            conc_rw_mutex_unlock(&t->rw);
        } else {
            conc_rw_mutex_read_lock(&t->rw, NULL);
            if (t->a != t->b)
                atomic_fetch_add(&t->wrong, 1);
            conc_rw_mutex_read_unlock(&t->rw);
        }
    }
}

START_TEST(excludes)
{
    static struct table t = {.rw = CONC_RW_MUTEX_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    t.rounds = (long)unit_scaled(2000) / 4 * 4;
    for (int i = 0; i < 6; i++)
        unit_ok(conc_wait_group_go(&group, use_table, &t));
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(t.wrong, 0);
    ck_assert_int_eq(t.a, 6 * t.rounds / 4);
    conc_wait_group_destroy(&group);
    conc_rw_mutex_destroy(&t.rw);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void unlock_of_a_free_one(void)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    conc_rw_mutex_unlock(&rw);
}

static void read_unlock_of_a_free_one(void)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    conc_rw_mutex_read_unlock(&rw);
}

static void unlock_of_a_read_lock(void)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    conc_rw_mutex_read_lock(&rw, NULL);
    conc_rw_mutex_unlock(&rw);
}

static void read_unlock_of_a_write_lock(void)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    conc_rw_mutex_lock(&rw, NULL);
    conc_rw_mutex_read_unlock(&rw);
}

static void destroy_of_one_held_for_reading(void)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    conc_rw_mutex_read_lock(&rw, NULL);
    conc_rw_mutex_destroy(&rw);
}

static void destroy_of_one_held_for_writing(void)
{
    struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
    conc_rw_mutex_lock(&rw, NULL);
    conc_rw_mutex_destroy(&rw);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(unlock_of_a_free_one, "mutex");
    unit_aborts(read_unlock_of_a_free_one, "mutex");
    unit_aborts(unlock_of_a_read_lock, "mutex");
    unit_aborts(read_unlock_of_a_write_lock, "mutex");
    unit_aborts_in(destroy_of_one_held_for_reading, "mutex", "conc: ");
    unit_aborts_in(destroy_of_one_held_for_writing, "mutex", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("rw_mutex", matrix, readers_share, first_come_first_served,
        writer_that_gives_up, excludes, programming_errors_abort);
}
