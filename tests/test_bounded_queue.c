/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "bounded_queue.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrices */

struct matrix {
    struct conc_bounded_queue *queue;
    int pushed; /* 1, 2, 3 … */
    int popped;
};

static void push_next(struct matrix *m)
{
    int item = m->pushed + 1;
    unit_ok(conc_bounded_queue_push(m->queue, &item, NULL));
    m->pushed = item;
}

static void pop_next(struct matrix *m)
{
    int item;
    unit_ok(conc_bounded_queue_pop(m->queue, &item, NULL));
    ck_assert_int_eq(item, ++m->popped);
}

static int matrix_close(void *state)
{
    return conc_bounded_queue_close(((struct matrix *)state)->queue);
}

static void matrix_fini(void *state, int rc)
{
    struct matrix *m = state;
    int item;
    (void)rc;
    while (conc_bounded_queue_try_pop(m->queue, &item) == 0)
        ck_assert_int_eq(item, ++m->popped);
    ck_assert_int_eq(m->popped, m->pushed);
    conc_bounded_queue_destroy(m->queue);
}

static void push_init(void *state, const void *param)
{
    struct matrix *m = state;
    int capacity = *(const int *)param;
    unit_ok(conc_bounded_queue_create(&m->queue, sizeof(int), (size_t)capacity, NULL));
    while (capacity-- > 0)
        push_next(m);
}

static int push_call(void *state, struct conc_context *ctx)
{
    struct matrix *m = state;
    int item = m->pushed + 1;
    int rc = conc_bounded_queue_push(m->queue, &item, ctx);
    m->pushed += rc == 0;
    return rc;
}

static int push_try(void *state)
{
    struct matrix *m = state;
    int item = m->pushed + 1;
    int rc = conc_bounded_queue_try_push(m->queue, &item);
    m->pushed += rc == 0;
    return rc;
}

static void push_ready(void *state, bool waiting)
{
    (void)waiting;
    pop_next(state);
}

START_TEST(push_matrix)
{
    for (int capacity = 1; capacity <= 4; capacity += 3) {
        const struct wait_call call = {.name = "push",
            .size = sizeof(struct matrix),
            .param = &capacity,
            .init = push_init,
            .call = push_call,
            .try_call = push_try,
            .ready = push_ready,
            .ready_is_kept = true,
            .close = matrix_close,
            .closed_rc = EPIPE,
            .fini = matrix_fini};
        wait_matrix_check(&call);
    }
}
END_TEST

static void pop_init(void *state, const void *param)
{
    struct matrix *m = state;
    unit_ok(conc_bounded_queue_create(&m->queue, sizeof(int), *(const size_t *)param, NULL));
}

static int check_popped(struct matrix *m, int item, int rc)
{
    if (rc == 0)
        ck_assert_int_eq(item, ++m->popped);
    else
        ck_assert_int_eq(item, rc == EPIPE ? 0 : 77);
    return rc;
}

static int pop_call(void *state, struct conc_context *ctx)
{
    int item = 77;
    int rc = conc_bounded_queue_pop(((struct matrix *)state)->queue, &item, ctx);
    return check_popped(state, item, rc);
}

static int pop_try(void *state)
{
    int item = 77;
    int rc = conc_bounded_queue_try_pop(((struct matrix *)state)->queue, &item);
    return check_popped(state, item, rc);
}

static void pop_ready(void *state, bool waiting)
{
    (void)waiting;
    push_next(state);
}

START_TEST(pop_matrix)
{
    for (size_t capacity = 1; capacity <= 4; capacity += 3) {
        const struct wait_call call = {.name = "pop",
            .size = sizeof(struct matrix),
            .param = &capacity,
            .init = pop_init,
            .call = pop_call,
            .try_call = pop_try,
            .ready = pop_ready,
            .ready_is_kept = true,
            .close = matrix_close,
            .closed_rc = EPIPE,
            .fini = matrix_fini};
        wait_matrix_check(&call);
    }
}
END_TEST

/* ---------------------------------------------------------------- one task */

/* Items that are copied by words, or else, come out as they went in. */
START_TEST(sizes)
{
    static const size_t bytes[] = {1, 3, 4, 7, 8, 12, 16, 24, 64, 72, 100};
    for (size_t k = 0; k < sizeof bytes / sizeof *bytes; k++) {
        enum { CAPACITY = 3, ITEMS = 20 };
        struct conc_bounded_queue *queue;
        unsigned char in[100], out[101];
        unit_ok(conc_bounded_queue_create(&queue, bytes[k], CAPACITY, NULL));
        for (int i = 0; i < ITEMS + CAPACITY; i++) {
            for (size_t at = 0; at < bytes[k]; at++)
                in[at] = (unsigned char)(7 * i + 3 * (int)at);
            if (i >= CAPACITY) {
                out[bytes[k]] = 0xA5; /* behind the item */
                unit_ok(conc_bounded_queue_pop(queue, out, NULL));
                ck_assert_uint_eq(out[bytes[k]], 0xA5);
                for (size_t at = 0; at < bytes[k]; at++)
                    ck_assert_uint_eq(out[at], (unsigned char)(7 * (i - CAPACITY) + 3 * (int)at));
            }
            if (i < ITEMS)
                unit_ok(conc_bounded_queue_push(queue, in, NULL));
        }
        ck_assert_uint_eq(conc_bounded_queue_len(queue), 0);
        conc_bounded_queue_destroy(queue);
    }
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_bounded_queue *queue = NULL;
    int item = 5;
    unit_rc(conc_bounded_queue_create(NULL, 4, 4, NULL), EINVAL);
    unit_rc(conc_bounded_queue_create(&queue, 0, 4, NULL), EINVAL);
    unit_rc(conc_bounded_queue_create(&queue, 4, 0, NULL), EINVAL);
    unit_rc(conc_bounded_queue_create(&queue, SIZE_MAX / 2, 4, NULL), ENOMEM);
    unit_rc(conc_bounded_queue_create(&queue, SIZE_MAX, 1, NULL), ENOMEM);
    ck_assert_ptr_null(queue);
    unit_rc(conc_bounded_queue_push(NULL, &item, NULL), EINVAL);
    unit_rc(conc_bounded_queue_try_push(NULL, &item), EINVAL);
    unit_rc(conc_bounded_queue_pop(NULL, &item, NULL), EINVAL);
    unit_rc(conc_bounded_queue_try_pop(NULL, &item), EINVAL);
    unit_rc(conc_bounded_queue_close(NULL), EINVAL);
    ck_assert_uint_eq(conc_bounded_queue_len(NULL), 0);
    ck_assert_uint_eq(conc_bounded_queue_cap(NULL), 0);
    conc_bounded_queue_destroy(NULL);
    unit_ok(conc_bounded_queue_create(&queue, sizeof item, 4, NULL));
    unit_rc(conc_bounded_queue_push(queue, NULL, NULL), EINVAL);
    ck_assert_uint_eq(conc_bounded_queue_cap(queue), 4);
    ck_assert_int_eq(item, 5);
    conc_bounded_queue_destroy(queue);
}
END_TEST

/* The ring wraps round many times, at every length: first in, first out. The trap: a queue that
 * takes from the front of an array grows for ever; this one has its memory from the start. */
START_TEST(ring)
{
    enum { CAPACITY = 5 };
    struct conc_bounded_queue *queue;
    int pushed = 0, popped = 0, item;
    unit_ok(conc_bounded_queue_create(&queue, sizeof(int), CAPACITY, NULL));
    if (conc_fault_alloc_at(1) < 0)
        fprintf(stderr, "no fault hooks: that nothing is allocated is not checked\n");
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i <= round % CAPACITY; i++, pushed++)
            unit_ok(conc_bounded_queue_try_push(queue, &pushed));
        ck_assert_uint_eq(conc_bounded_queue_len(queue), (size_t)(round % CAPACITY) + 1);
        if (round % CAPACITY == CAPACITY - 1)
            unit_rc(conc_bounded_queue_try_push(queue, &pushed), EAGAIN);
        for (int i = 0; i <= round % CAPACITY; i++) {
            unit_ok(conc_bounded_queue_try_pop(queue, &item));
            ck_assert_int_eq(item, popped++);
        }
        unit_rc(conc_bounded_queue_try_pop(queue, &item), EAGAIN);
    }
    ck_assert_int_ne(conc_fault_alloc_at(0), 0); /* the first allocation is still to come */
    conc_bounded_queue_destroy(queue);
}
END_TEST

static int dropped;

static void drop(void *item)
{
    dropped += *(int *)item;
}

START_TEST(close_and_drop)
{
    struct conc_bounded_queue *queue;
    int item = 77;
    unit_ok(conc_bounded_queue_create(&queue, sizeof(int), 8, drop));
    for (int i = 1; i <= 6; i++)
        unit_ok(conc_bounded_queue_push(queue, &i, NULL));
    unit_ok(conc_bounded_queue_close(queue));
    unit_rc(conc_bounded_queue_close(queue), EPIPE);
    unit_rc(conc_bounded_queue_push(queue, &item, NULL), EPIPE);
    unit_ok(conc_bounded_queue_pop(queue, &item, NULL));
    ck_assert_int_eq(item, 1);
    unit_ok(conc_bounded_queue_pop(queue, NULL, NULL)); /* takes 2 and forgets it */
    ck_assert_int_eq(dropped, 0);
    conc_bounded_queue_destroy(queue);
    ck_assert_int_eq(dropped, 3 + 4 + 5 + 6);
}
END_TEST

START_TEST(create_faults)
{
    struct conc_bounded_queue *queue = NULL;
    if (conc_fault_alloc_at(1) < 0)
        exit(77);
    unit_rc(conc_bounded_queue_create(&queue, sizeof(int), 8, NULL), ENOMEM);
    ck_assert_ptr_null(queue);
    unit_ok(conc_bounded_queue_create(&queue, sizeof(int), 8, NULL));
    conc_bounded_queue_destroy(queue);
}
END_TEST

/* ---------------------------------------------------------------- many tasks */

struct crowd {
    struct conc_bounded_queue *queue;
    struct conc_context *ctx;
    int pushers;
    int items;
    atomic_int number; /* of the next task to start */
    atomic_uchar *seen;
};

static void crowd_push(void *arg)
{
    struct crowd *c = arg;
    for (int item = atomic_fetch_add(&c->number, 1); item < c->items; item += c->pushers)
        if (conc_bounded_queue_push(c->queue, &item, NULL) != 0)
            abort();
}

static void crowd_pop(void *arg)
{
    struct crowd *c = arg;
    int item;
    while (conc_bounded_queue_pop(c->queue, &item, NULL) == 0)
        atomic_fetch_add(&c->seen[item], 1);
}

/* The trap: with a single condition signalled for both sides everybody falls asleep, most easily
 * with one place and many on both sides. */
START_TEST(both_sides_wait)
{
    const struct {
        int pushers, poppers;
        size_t capacity;
    } shapes[] = {{1, 1, 1}, {4, 4, 1}, {8, 1, 2}, {1, 8, 2}, {3, 3, 100}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct crowd c = {.pushers = shapes[s].pushers, .items = (int)unit_scaled(4000)};
        struct conc_wait_group pushing = CONC_WAIT_GROUP_INIT, popping = CONC_WAIT_GROUP_INIT;
        c.seen = calloc((size_t)c.items, sizeof *c.seen);
        unit_ok(conc_bounded_queue_create(&c.queue, sizeof(int), shapes[s].capacity, NULL));
        for (int i = 0; i < shapes[s].poppers; i++)
            unit_ok(conc_wait_group_go(&popping, crowd_pop, &c));
        for (int i = 0; i < shapes[s].pushers; i++)
            unit_ok(conc_wait_group_go(&pushing, crowd_push, &c));
        unit_ok(conc_wait_group_wait(&pushing, NULL));
        unit_ok(conc_bounded_queue_close(c.queue));
        unit_ok(conc_wait_group_wait(&popping, NULL));
        for (int i = 0; i < c.items; i++)
            if (c.seen[i] != 1)
                ck_abort_msg("shape %zu: item %d popped %d times", s, i, c.seen[i]);
        conc_bounded_queue_destroy(c.queue);
        conc_wait_group_destroy(&pushing);
        conc_wait_group_destroy(&popping);
        free(c.seen);
    }
}
END_TEST

static void pop_until_done(void *arg)
{
    struct crowd *c = arg;
    int item;
    int rc;
    while ((rc = conc_bounded_queue_pop(c->queue, &item, c->ctx)) == 0)
        atomic_fetch_add(&c->seen[item], 1);
    atomic_fetch_add(&c->number, rc == ECANCELED);
}

/* The trap: a cancelled context that wakes nobody. Eight wait, one cancel ends them all, and an
 * item pushed afterwards is still there. */
START_TEST(cancel_wakes_all)
{
    struct crowd c = {.items = 1};
    struct conc_context ctx;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    int item = 0;
    conc_context_with_cancel(&ctx, NULL);
    c.ctx = &ctx;
    c.seen = calloc(1, sizeof *c.seen);
    unit_ok(conc_bounded_queue_create(&c.queue, sizeof(int), 1, NULL));
    for (int i = 0; i < 8; i++)
        unit_ok(conc_wait_group_go(&group, pop_until_done, &c));
    unit_wait_parked(8);
    conc_context_cancel(&ctx);
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(c.number, 8);
    unit_ok(conc_bounded_queue_push(c.queue, &item, NULL));
    ck_assert_uint_eq(conc_bounded_queue_len(c.queue), 1);
    conc_bounded_queue_destroy(c.queue);
    conc_context_destroy(&ctx);
    conc_wait_group_destroy(&group);
    free(c.seen);
}
END_TEST

/* Cancels race with items: each item is popped once or still there. */
START_TEST(cancel_loses_nothing)
{
    for (struct unit_stress s = unit_stress_begin(0.5); unit_stress_more(&s);) {
        enum { N = 20 };
        struct crowd c = {.items = N};
        struct conc_context ctx;
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        conc_context_with_cancel(&ctx, NULL);
        c.ctx = &ctx;
        c.seen = calloc(N, sizeof *c.seen);
        unit_ok(conc_bounded_queue_create(&c.queue, sizeof(int), N, NULL));
        for (int i = 0; i < 3; i++)
            unit_ok(conc_wait_group_go(&group, pop_until_done, &c));
        int cancel_at = (int)(s.seed % N);
        for (int i = 0; i < N; i++) {
            unit_ok(conc_bounded_queue_push(c.queue, &i, NULL));
            if (i == cancel_at)
                conc_context_cancel(&ctx);
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        int item;
        while (conc_bounded_queue_try_pop(c.queue, &item) == 0)
            atomic_fetch_add(&c.seen[item], 1);
        for (int i = 0; i < N; i++)
            if (c.seen[i] != 1)
                ck_abort_msg("item %d: %d times", i, c.seen[i]);
        conc_bounded_queue_destroy(c.queue);
        conc_context_destroy(&ctx);
        conc_wait_group_destroy(&group);
        free(c.seen);
    }
}
END_TEST

int main(void)
{
    return unit_main("bounded_queue", push_matrix, pop_matrix, sizes, bad_arguments, ring,
        close_and_drop, create_faults, both_sides_wait, cancel_wakes_all, cancel_loses_nothing);
}
