/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/*
 * Channels: order, close, drop counts, arguments, lifetime. What each waiting call does on each
 * event is in test_chan_matrix.c.
 */

#include <pthread.h>
#include <stdint.h>

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

CONC_CHAN_DECLARE(int_chan, int)

struct triple {
    int64_t a;
    double b;
    const char *c;
};

CONC_CHAN_DECLARE(triple_chan, struct triple)

/* ---------------------------------------------------------------- arguments */

START_TEST(arguments)
{
    struct conc_chan *ch = (struct conc_chan *)&ch;
    struct conc_chan *untouched = ch;
    int value = 7;
    unit_rc(conc_chan_create(NULL, 4, 1, NULL), EINVAL);
    unit_rc(conc_chan_create(&ch, 8, SIZE_MAX / 4, NULL), ENOMEM);
    unit_rc(conc_chan_create(&ch, SIZE_MAX, 1, NULL), ENOMEM);
    unit_rc(conc_chan_create(&ch, SIZE_MAX / 2 + 1, 2, NULL), ENOMEM);
    ck_assert_ptr_eq(ch, untouched);

    unit_rc(conc_chan_send(NULL, &value, NULL), EINVAL);
    unit_rc(conc_chan_recv(NULL, &value, NULL), EINVAL);
    unit_rc(conc_chan_try_send(NULL, &value), EINVAL);
    unit_rc(conc_chan_try_recv(NULL, &value), EINVAL);
    unit_rc(conc_chan_close(NULL), EINVAL);
    ck_assert_int_eq(value, 7);
    ck_assert_uint_eq(conc_chan_len(NULL), 0);
    ck_assert_uint_eq(conc_chan_cap(NULL), 0);
    ck_assert_int_eq(conc_chan_closed(NULL), 0);
    conc_chan_destroy(NULL);

    unit_ok(conc_chan_create(&ch, sizeof(int), 3, NULL));
    unit_rc(conc_chan_send(ch, NULL, NULL), EINVAL);
    unit_rc(conc_chan_try_send(ch, NULL), EINVAL);
    ck_assert_uint_eq(conc_chan_cap(ch), 3);
    ck_assert_uint_eq(conc_chan_len(ch), 0);
    conc_chan_destroy(ch);
}
END_TEST

/* An element without content needs no address; only their number counts. */
START_TEST(empty_elements)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, 0, 1000000, NULL));
    for (int i = 0; i < 1000; i++)
        unit_ok(conc_chan_try_send(ch, NULL));
    ck_assert_uint_eq(conc_chan_len(ch), 1000);
    for (int i = 0; i < 1000; i++)
        unit_ok(conc_chan_recv(ch, NULL, NULL));
    unit_rc(conc_chan_try_recv(ch, NULL), EAGAIN);
    unit_ok(conc_chan_close(ch));
    unit_rc(conc_chan_recv(ch, NULL, NULL), EPIPE);
    conc_chan_destroy(ch);
}
END_TEST

/* ---------------------------------------------------------------- order and close */

START_TEST(first_in_first_out)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), 3, NULL));
    int in = 0;
    int out = 0;
    int value;
    /* The ring goes round several times with every fill level. */
    for (int round = 0; round < 20; round++) {
        int n = round % 4;
        for (int i = 0; i < n; i++)
            unit_ok(conc_chan_try_send(ch, &(int){in++}));
        ck_assert_uint_eq(conc_chan_len(ch), (size_t)n);
        if (n == 3)
            unit_rc(conc_chan_try_send(ch, &in), EAGAIN);
        for (int i = 0; i < n; i++) {
            unit_ok(conc_chan_try_recv(ch, &value));
            ck_assert_int_eq(value, out++);
        }
        value = -1;
        unit_rc(conc_chan_try_recv(ch, &value), EAGAIN);
        ck_assert_int_eq(value, -1);
    }
    conc_chan_destroy(ch);
}
END_TEST

START_TEST(close_drains)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), 3, NULL));
    unit_ok(conc_chan_send(ch, &(int){1}, NULL));
    unit_ok(conc_chan_send(ch, &(int){2}, NULL));
    ck_assert_int_eq(conc_chan_closed(ch), 0);
    unit_ok(conc_chan_close(ch));
    ck_assert_int_eq(conc_chan_closed(ch), 1);
    unit_rc(conc_chan_close(ch), EPIPE);
    unit_rc(conc_chan_send(ch, &(int){3}, NULL), EPIPE);
    unit_rc(conc_chan_try_send(ch, &(int){3}), EPIPE);
    ck_assert_uint_eq(conc_chan_len(ch), 2);
    int value = 0;
    unit_ok(conc_chan_recv(ch, &value, NULL));
    ck_assert_int_eq(value, 1);
    unit_ok(conc_chan_try_recv(ch, &value));
    ck_assert_int_eq(value, 2);
    unit_rc(conc_chan_recv(ch, &value, NULL), EPIPE);
    ck_assert_int_eq(value, 0);
    value = 5;
    unit_rc(conc_chan_try_recv(ch, &value), EPIPE);
    ck_assert_int_eq(value, 0);
    unit_rc(conc_chan_recv(ch, NULL, NULL), EPIPE);
    conc_chan_destroy(ch);
}
END_TEST

struct side {
    struct conc_chan *ch;
    int value;
    int rc;
};

static void send_one(void *arg)
{
    struct side *side = arg;
    side->rc = conc_chan_send(side->ch, &side->value, NULL);
}

static void recv_one(void *arg)
{
    struct side *side = arg;
    side->rc = conc_chan_recv(side->ch, &side->value, NULL);
}

enum { SIDES = 5 };

/* Waiting senders are served in the order in which they came, behind what is buffered. */
START_TEST(senders_wait_in_order)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct side sides[SIDES];
        struct conc_chan *ch;
        unit_ok(conc_chan_create(&ch, sizeof(int), capacity, NULL));
        for (int i = 0; i < (int)capacity; i++)
            unit_ok(conc_chan_try_send(ch, &i));
        for (int i = 0; i < SIDES; i++) {
            sides[i] = (struct side){.ch = ch, .value = (int)capacity + i, .rc = -1};
            unit_ok(conc_wait_group_go(&group, send_one, &sides[i]));
            unit_wait_parked(i + 1);
        }
        ck_assert_uint_eq(conc_chan_len(ch), capacity);
        for (int i = 0; i < (int)capacity + SIDES; i++) {
            int value = -1;
            unit_ok(conc_chan_try_recv(ch, &value));
            ck_assert_int_eq(value, i);
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        for (int i = 0; i < SIDES; i++)
            unit_ok(sides[i].rc);
        conc_wait_group_destroy(&group);
        conc_chan_destroy(ch);
    }
}
END_TEST

START_TEST(receivers_wait_in_order)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct side sides[SIDES];
        struct conc_chan *ch;
        unit_ok(conc_chan_create(&ch, sizeof(int), capacity, NULL));
        for (int i = 0; i < SIDES; i++) {
            sides[i] = (struct side){.ch = ch, .value = -1, .rc = -1};
            unit_ok(conc_wait_group_go(&group, recv_one, &sides[i]));
            unit_wait_parked(i + 1);
        }
        /* Each goes straight to the one that waits: never into the buffer. */
        for (int i = 0; i < SIDES; i++) {
            unit_ok(conc_chan_try_send(ch, &(int){100 + i}));
            ck_assert_uint_eq(conc_chan_len(ch), 0);
        }
        unit_rc(conc_chan_try_send(ch, &(int){9}), capacity ? 0 : EAGAIN);
        unit_ok(conc_wait_group_wait(&group, NULL));
        for (int i = 0; i < SIDES; i++) {
            unit_ok(sides[i].rc);
            ck_assert_int_eq(sides[i].value, 100 + i);
        }
        conc_wait_group_destroy(&group);
        conc_chan_destroy(ch);
    }
}
END_TEST

START_TEST(close_wakes_all)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct side senders[SIDES];
    struct side receivers[SIDES];
    struct conc_chan *full;
    struct conc_chan *empty;
    unit_ok(conc_chan_create(&full, sizeof(int), 1, NULL));
    unit_ok(conc_chan_create(&empty, sizeof(int), 1, NULL));
    unit_ok(conc_chan_send(full, &(int){42}, NULL));
    for (int i = 0; i < SIDES; i++) {
        senders[i] = (struct side){.ch = full, .value = i, .rc = -1};
        receivers[i] = (struct side){.ch = empty, .value = i, .rc = -1};
        unit_ok(conc_wait_group_go(&group, send_one, &senders[i]));
        unit_ok(conc_wait_group_go(&group, recv_one, &receivers[i]));
    }
    unit_wait_parked(2 * SIDES);
    unit_ok(conc_chan_close(full));
    unit_ok(conc_chan_close(empty));
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = 0; i < SIDES; i++) {
        unit_rc(senders[i].rc, EPIPE);
        unit_rc(receivers[i].rc, EPIPE);
        ck_assert_int_eq(senders[i].value, i); /* still the sender's */
        ck_assert_int_eq(receivers[i].value, 0);
    }
    int value;
    unit_ok(conc_chan_recv(full, &value, NULL));
    ck_assert_int_eq(value, 42);
    unit_rc(conc_chan_recv(full, &value, NULL), EPIPE);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(full);
    conc_chan_destroy(empty);
}
END_TEST

/* ---------------------------------------------------------------- drop */

static int drops[16]; /* by element: how often it was dropped */

static void count_drop(void *element)
{
    drops[*(int *)element]++;
}

/* Every element ends in one place: received, dropped once, or still the sender's. */
START_TEST(drop_counts)
{
    struct conc_context done;
    conc_context_with_timeout(&done, NULL, 0);
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), 4, count_drop));
    for (int i = 0; i < 4; i++)
        unit_ok(conc_chan_send(ch, &i, NULL));
    unit_rc(conc_chan_try_send(ch, &(int){10}), EAGAIN);
    unit_rc(conc_chan_send(ch, &(int){11}, &done), ETIMEDOUT);
    int value;
    unit_ok(conc_chan_recv(ch, &value, NULL)); /* 0: received, ours */
    unit_ok(conc_chan_recv(ch, NULL, NULL));   /* 1: received and forgotten */
    unit_ok(conc_chan_send(ch, &(int){4}, NULL));
    unit_ok(conc_chan_close(ch));
    unit_rc(conc_chan_send(ch, &(int){12}, NULL), EPIPE);
    unit_ok(conc_chan_try_recv(ch, NULL)); /* 2: closed, not drained */
    conc_chan_destroy(ch);                 /* 3 and 4 are left */
    const int expected[16] = {[3] = 1, [4] = 1};
    for (int i = 0; i < 16; i++)
        ck_assert_msg(drops[i] == expected[i], "element %d was dropped %d times", i, drops[i]);
    conc_context_destroy(&done);
}
END_TEST

static void recv_into_null(void *arg)
{
    struct side *side = arg;
    side->rc = conc_chan_recv(side->ch, NULL, NULL);
}

/* Received into NULL is received: whoever waits for it, and whoever waits with it. */
START_TEST(received_into_null_is_not_dropped)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        memset(drops, 0, sizeof drops);
        struct conc_chan *ch;
        unit_ok(conc_chan_create(&ch, sizeof(int), capacity, count_drop));
        struct side receiver = {.ch = ch, .rc = -1};
        struct conc_task *task;
        unit_ok(conc_task_start(&task, recv_into_null, &receiver));
        unit_wait_parked(1);
        unit_ok(conc_chan_try_send(ch, &(int){6}));
        conc_task_join(task);
        unit_ok(receiver.rc);
        struct side sender = {.ch = ch, .value = 5, .rc = -1};
        unit_ok(conc_task_start(&task, send_one, &sender));
        if (capacity == 0)
            unit_wait_parked(1);
        unit_ok(conc_chan_recv(ch, NULL, NULL));
        conc_task_join(task);
        unit_ok(sender.rc);
        conc_chan_destroy(ch);
        ck_assert_int_eq(drops[5] + drops[6], 0);
    }
}
END_TEST

/* ---------------------------------------------------------------- typed */

START_TEST(typed)
{
    struct int_chan *ints;
    int value = 9;
    unit_rc(int_chan_create(NULL, 1), EINVAL);
    unit_ok(int_chan_create(&ints, 2));
    unit_ok(int_chan_send(ints, 1, NULL));
    unit_ok(int_chan_try_send(ints, 2));
    unit_rc(int_chan_try_send(ints, 3), EAGAIN);
    ck_assert_uint_eq(conc_chan_len(int_chan_raw(ints)), 2);
    unit_ok(int_chan_recv(ints, &value, NULL));
    ck_assert_int_eq(value, 1);
    unit_ok(int_chan_try_recv(ints, &value));
    ck_assert_int_eq(value, 2);
    unit_rc(int_chan_try_recv(ints, &value), EAGAIN);
    unit_ok(int_chan_close(ints));
    unit_rc(int_chan_send(ints, 4, NULL), EPIPE);
    unit_rc(int_chan_recv(ints, &value, NULL), EPIPE);
    ck_assert_int_eq(value, 0);
    int_chan_destroy(ints);
    int_chan_destroy(NULL);
    unit_rc(int_chan_recv(NULL, &value, NULL), EINVAL);

    struct triple_chan *triples;
    struct triple triple;
    unit_ok(triple_chan_create(&triples, 1));
    unit_ok(triple_chan_send(triples, (struct triple){1, 2.5, "three"}, NULL));
    unit_ok(triple_chan_recv(triples, &triple, NULL));
    ck_assert_int_eq(triple.a, 1);
    ck_assert_double_eq(triple.b, 2.5);
    ck_assert_str_eq(triple.c, "three");
    triple_chan_destroy(triples);
}
END_TEST

/* ---------------------------------------------------------------- lifetime */

static void answer(void *arg)
{
    conc_chan_send(arg, &(int){1}, NULL);
}

static void hang_up(void *arg)
{
    conc_chan_close(arg);
}

/* The receiver may destroy the channel at once, while the other call is still on its way out. */
START_TEST(destroy_right_after_the_last_call)
{
    void (*const last[])(void *) = {answer, hang_up};
    size_t rounds = unit_scaled(2000);
    for (size_t i = 0; i < rounds; i++) {
        struct conc_chan *ch;
        struct conc_task *task;
        if (conc_chan_create(&ch, sizeof(int), i % 3, NULL) != 0 ||
            conc_task_start(&task, last[i % 2], ch) != 0)
            ck_abort_msg("round %zu", i);
        int value = -1;
        int rc = conc_chan_recv(ch, &value, NULL);
        conc_chan_destroy(ch);
        if (i % 2 == 0 ? rc != 0 || value != 1 : rc != EPIPE || value != 0)
            ck_abort_msg("round %zu: rc %d, value %d", i, rc, value);
        conc_task_join(task);
    }
}
END_TEST

/* ---------------------------------------------------------------- memory order */

struct letter {
    struct conc_chan *there;
    struct conc_chan *back;
    int text; /* plain: the channels alone order it */
};

static void postman(void *arg)
{
    struct letter *letter = arg;
    while (conc_chan_recv(letter->there, NULL, NULL) == 0) {
        letter->text++;
        conc_chan_send(letter->back, NULL, NULL);
    }
    letter->text = -letter->text;
}

/* TSan's part: what was written before a send, and before a close, is seen after the receive. */
START_TEST(orders_what_was_written)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct letter letter = {.text = 0};
        struct conc_task *task;
        unit_ok(conc_chan_create(&letter.there, 0, capacity, NULL));
        unit_ok(conc_chan_create(&letter.back, 0, capacity, NULL));
        unit_ok(conc_task_start(&task, postman, &letter));
        int rounds = (int)unit_scaled(2000);
        for (int i = 0; i < rounds; i++) {
            letter.text++;
            if (conc_chan_send(letter.there, NULL, NULL) != 0 ||
                conc_chan_recv(letter.back, NULL, NULL) != 0)
                ck_abort_msg("round %d", i);
        }
        letter.text++;
        unit_ok(conc_chan_close(letter.there));
        conc_task_join(task);
        ck_assert_int_eq(letter.text, -(2 * rounds + 1));
        conc_chan_destroy(letter.there);
        conc_chan_destroy(letter.back);
    }
}
END_TEST

/* ---------------------------------------------------------------- foreign threads */

static void *foreign_sender(void *arg)
{
    struct conc_chan *ch = arg;
    for (int i = 0; i < 100; i++)
        if (conc_chan_send(ch, &i, NULL) != 0)
            return (void *)1;
    return NULL;
}

/* Threads that conc did not start may call it, several at once, and end without a word. */
START_TEST(foreign_threads)
{
    struct conc_chan *ch;
    pthread_t threads[4];
    int next[2] = {0};
    conc_task_self(); /* main is one, too: the first */
    unit_ok(conc_chan_create(&ch, sizeof(int), 1, NULL));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, foreign_sender, ch), 0);
    for (int i = 0; i < 400; i++) {
        int value;
        unit_ok(conc_chan_recv(ch, &value, NULL));
        next[value % 2]++;
    }
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_int_eq(next[0], 200);
    ck_assert_int_eq(next[1], 200);
    ck_assert_uint_eq(conc_census_count(), 1);
    conc_chan_destroy(ch);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void wait_here(void *arg)
{
    conc_chan_recv(arg, NULL, NULL);
}

static void destroy_while_waited_for(void)
{
    struct conc_chan *ch;
    struct conc_task *task;
    if (conc_chan_create(&ch, 4, 0, NULL) != 0 || conc_task_start(&task, wait_here, ch) != 0)
        _exit(9);
    while (unit_parked() < 1)
        conc_yield();
    conc_chan_destroy(ch);
}

START_TEST(destroy_of_a_channel_in_use_aborts)
{
    struct unit_child child;
    void (*fn)(void) = destroy_while_waited_for;
    unit_child_run(&child, unit_call_void, &fn, NULL);
    ck_assert_msg(child.signal == SIGABRT, "exit code %d, %s", child.exit_code, child.err);
    ck_assert_msg(strstr(child.err, "conc: ") && strstr(child.err, "chan"), "%s", child.err);
}
END_TEST

int main(void)
{
    return unit_main("chan", arguments, empty_elements, first_in_first_out, close_drains,
        senders_wait_in_order, receivers_wait_in_order, close_wakes_all, drop_counts,
        received_into_null_is_not_dropped, typed, destroy_right_after_the_last_call,
        orders_what_was_written, foreign_threads, destroy_of_a_channel_in_use_aborts);
}
