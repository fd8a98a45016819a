/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/*
 * The checks of misuse: what each says, with which exit code, and that the same done right is let
 * alone. Each program runs in a child, with CONC_CHECK as the test wants it.
 */

#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/rw_mutex.h"
#include "sync/select.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { FOUND = 1, DEADLOCK = 3 };

static struct conc_mutex a = CONC_MUTEX_INIT;
static struct conc_mutex b = CONC_MUTEX_INIT;
static struct conc_mutex c = CONC_MUTEX_INIT;
static struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;

static void must(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "unexpected: %s\n", strerror(rc));
        _exit(99);
    }
}

static struct unit_child child;
static const char *check; /* CONC_CHECK in the child; NULL: unset */

static int with_check(void *program)
{
    int (*run)(void);
    memcpy(&run, program, sizeof run);
    if (check)
        setenv("CONC_CHECK", check, 1);
    else
        unsetenv("CONC_CHECK");
    return run();
}

/* The program ends with this code, under CONC_CHECK=value. */
static void run(int (*program)(void), const char *value, int exit_code)
{
    check = value;
    unit_child_run(&child, with_check, &program, NULL);
    /* A program that dies with tasks has not freed them: memcheck says so, with an exit code of its
     * own. */
    if (RUNNING_ON_VALGRIND && child.exit_code == 99)
        return;
    ck_assert_msg(child.exit_code == exit_code, "exit code %d, signal %d, not %d; stderr: %s",
        child.exit_code, child.signal, exit_code, child.err);
}

static void expect(const char *text)
{
    ck_assert_msg(strstr(child.err, text), "no '%s' in: %s", text, child.err);
}

static void expect_no(const char *text)
{
    ck_assert_msg(!strstr(child.err, text), "'%s' in: %s", text, child.err);
}

/* A program that is right: silent, and done. */
static void expect_silence(int (*program)(void))
{
    run(program, "1", 0);
    expect_no("conc: ");
}

/* In the child: says on which line the statement behind this one stands. */
#define NEXT_LINE_IS(name) printf(name "=%d\n", __LINE__ + 1)

/* The place of that line as reports have it, within `format`: one %s. */
static void expect_at(const char *format, const char *name)
{
    const char *at = strstr(child.out, name);
    ck_assert_msg(at && at[strlen(name)] == '=', "no line of %s in: %s", name, child.out);
    char place[300], text[400];
    snprintf(place, sizeof place, "%s:%d", __FILE__, atoi(at + strlen(name) + 1));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, place);
#pragma GCC diagnostic pop
    expect(text);
}

static size_t times(const char *text)
{
    size_t n = 0;
    for (const char *at = child.err; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

/* Runs fn(arg) as a task, to its end. */
static void do_as_task(void (*fn)(void *), void *arg, const char *name)
{
    struct conc_task *task;
    must(conc_task_start_at(&task, fn, arg, name, CONC_HERE));
    conc_task_join(task);
}
#define as_task(fn) do_as_task((fn), NULL, #fn)

/* ---------------------------------------------------------------- the order of locks */

static void a_then_b(void *unused)
{
    (void)unused;
    NEXT_LINE_IS("first a");
    must(conc_mutex_lock(&a, NULL));
    NEXT_LINE_IS("then b");
    must(conc_mutex_lock(&b, NULL));
    conc_mutex_unlock(&b);
    conc_mutex_unlock(&a);
}

static void b_then_a(void *unused)
{
    (void)unused;
    NEXT_LINE_IS("first b");
    must(conc_mutex_lock(&b, NULL));
    NEXT_LINE_IS("then a");
    must(conc_mutex_lock(&a, NULL));
    conc_mutex_unlock(&a);
    conc_mutex_unlock(&b);
}

/* One after the other: nothing hangs. */
static int two_orders(void)
{
    for (int i = 0; i < 3; i++) {
        as_task(a_then_b);
        as_task(b_then_a);
    }
    return 0;
}

static int one_order(void)
{
    as_task(a_then_b);
    as_task(a_then_b);
    return 0;
}

START_TEST(lock_order)
{
    run(two_orders, "1", FOUND);
    ck_assert_uint_eq(times("conc: lock order: "), 1);
    expect("conc: lock order: mutex 0x");
    expect_at(", taken at %s in b_then_a, and asks for mutex 0x", "first b");
    expect_at(" at %s in b_then_a\n", "then a");
    expect("  earlier the other way round: task ");
    expect_at(", taken at %s in a_then_b, and asked for mutex 0x", "first a");
    expect_at(" at %s in a_then_b\n", "then b");
    expect_silence(one_order);
}
END_TEST

START_TEST(settings)
{
    run(two_orders, "errors", FOUND);
    run(two_orders, "warn", 0);
    expect("conc: lock order: ");
    run(two_orders, "0", 0);
    expect_no("conc: ");
    run(two_orders, NULL, CONC_CHECK_DEFAULT ? FOUND : 0);
    run(two_orders, "yes", 2);
    ck_assert_str_eq(child.err, "conc: CONC_CHECK: 'yes' is not one of 0, errors, 1, warn\n");
}
END_TEST

static void b_then_c(void *unused)
{
    (void)unused;
    must(conc_mutex_lock(&b, NULL));
    must(conc_mutex_lock(&c, NULL));
    conc_mutex_unlock(&c);
    conc_mutex_unlock(&b);
}

static void c_then_a(void *unused)
{
    (void)unused;
    must(conc_mutex_lock(&c, NULL));
    must(conc_mutex_lock(&a, NULL));
    conc_mutex_unlock(&a);
    conc_mutex_unlock(&c);
}

static int three_in_a_circle(void)
{
    as_task(a_then_b);
    as_task(b_then_c);
    as_task(c_then_a);
    return 0;
}

static void read_then_a(void *unused)
{
    (void)unused;
    must(conc_rw_mutex_read_lock(&rw, NULL));
    must(conc_mutex_lock(&a, NULL));
    conc_mutex_unlock(&a);
    conc_rw_mutex_read_unlock(&rw);
}

static void a_then_write(void *unused)
{
    (void)unused;
    must(conc_mutex_lock(&a, NULL));
    must(conc_rw_mutex_lock(&rw, NULL));
    conc_rw_mutex_unlock(&rw);
    conc_mutex_unlock(&a);
}

static int read_write_orders(void)
{
    as_task(read_then_a);
    as_task(a_then_write);
    return 0;
}

/* Held through a try, it counts; asked for by a try, it does not: a try does not wait. */
static void try_b_then_a(void *unused)
{
    (void)unused;
    must(conc_mutex_try_lock(&b));
    must(conc_mutex_lock(&a, NULL));
    conc_mutex_unlock(&a);
    conc_mutex_unlock(&b);
}

static void b_then_try_a(void *unused)
{
    (void)unused;
    must(conc_mutex_lock(&b, NULL));
    must(conc_mutex_try_lock(&a));
    conc_mutex_unlock(&a);
    conc_mutex_unlock(&b);
}

static int try_first(void)
{
    as_task(a_then_b);
    as_task(try_b_then_a);
    return 0;
}

static int try_second(void)
{
    as_task(a_then_b);
    as_task(b_then_try_a);
    return 0;
}

/* Of what a wait on a condition unlocks nothing is held. */
static void wait_on_condition(void *unused)
{
    static struct conc_cond cond = CONC_COND_INIT;
    struct conc_context soon;
    (void)unused;
    conc_context_with_timeout(&soon, NULL, CONC_MS(1));
    must(conc_mutex_lock(&a, NULL));
    if (conc_cond_wait(&cond, &a, &soon) != ETIMEDOUT)
        _exit(98);
    must(conc_mutex_lock(&b, NULL));
    conc_mutex_unlock(&b);
    conc_mutex_unlock(&a);
    conc_context_destroy(&soon);
}

/* Addresses come again: a lock that is destroyed, or begun anew, has no past. */
static int used_again(void)
{
    as_task(a_then_b);
    conc_mutex_destroy(&a);
    conc_mutex_init(&a);
    as_task(b_then_a);
    conc_mutex_init(&b);
    as_task(wait_on_condition);
    return 0;
}

static int not_nested(void)
{
    for (int i = 0; i < 2; i++) {
        must(conc_mutex_lock(i == 0 ? &a : &b, NULL));
        conc_mutex_unlock(i == 0 ? &a : &b);
        must(conc_mutex_lock(i == 0 ? &b : &a, NULL));
        conc_mutex_unlock(i == 0 ? &b : &a);
    }
    return 0;
}

START_TEST(lock_order_variants)
{
    run(three_in_a_circle, "1", FOUND);
    expect(" in c_then_a\n  earlier the other way round: task ");
    expect(" in a_then_b\n  and task ");
    expect(" in b_then_c\n");
    run(read_write_orders, "1", FOUND);
    expect(" a_then_write holds mutex 0x");
    expect(" and asks for read-write mutex 0x");
    run(try_first, "1", FOUND);
    expect(" in try_b_then_a, and asks for mutex 0x");
    expect_silence(try_second);
    expect_silence(used_again);
    expect_silence(not_nested);
}
END_TEST

/* ---------------------------------------------------------------- deadlocks */

static struct conc_chan *gates[2];

static void make_gates(void)
{
    for (int i = 0; i < 2; i++)
        must(conc_chan_create(&gates[i], 0, 1, NULL));
}

/* Each holds one before either asks for the other. */
static void meet(int me)
{
    must(conc_chan_send(gates[!me], NULL, NULL));
    must(conc_chan_recv(gates[me], NULL, NULL));
}

static void left(void *unused)
{
    (void)unused;
    NEXT_LINE_IS("left holds");
    must(conc_mutex_lock(&a, NULL));
    meet(0);
    NEXT_LINE_IS("left asks");
    must(conc_mutex_lock(&b, NULL));
}

static void right(void *unused)
{
    (void)unused;
    NEXT_LINE_IS("right holds");
    must(conc_mutex_lock(&b, NULL));
    meet(1);
    NEXT_LINE_IS("right asks");
    must(conc_mutex_lock(&a, NULL));
}

/* main sleeps, but not for ever: not all are asleep. */
static int hold_each_other_up(void)
{
    struct conc_task *tasks[2];
    make_gates();
    must(conc_task_start(&tasks[0], left, NULL));
    must(conc_task_start(&tasks[1], right, NULL));
    for (;;)
        must(conc_sleep(CONC_MS(10), NULL));
    return 0;
}

/* The same, but one of the two gives up: no deadlock, and reported as a wrong order at most. */
static void right_gives_up(void *unused)
{
    struct conc_context soon;
    (void)unused;
    conc_context_with_timeout(&soon, NULL, CONC_MS(20));
    must(conc_mutex_lock(&b, NULL));
    meet(1);
    if (conc_mutex_lock(&a, &soon) != ETIMEDOUT)
        _exit(98);
    conc_mutex_unlock(&b);
    conc_context_destroy(&soon);
}

static void left_and_unlock(void *unused)
{
    left(unused);
    conc_mutex_unlock(&b);
    conc_mutex_unlock(&a);
}

static int one_gives_up(void)
{
    struct conc_task *tasks[2];
    make_gates();
    must(conc_task_start(&tasks[0], left_and_unlock, NULL));
    must(conc_task_start(&tasks[1], right_gives_up, NULL));
    for (int i = 0; i < 2; i++)
        conc_task_join(tasks[i]);
    for (int i = 0; i < 2; i++)
        conc_chan_destroy(gates[i]);
    return 0;
}

START_TEST(deadlock)
{
    run(hold_each_other_up, "errors", DEADLOCK);
    expect("conc: deadlock: tasks wait for each other's locks\n");
    expect(" left holds mutex 0x");
    expect(" right holds mutex 0x");
    expect_at(", taken at %s in left, and waits for mutex 0x", "left holds");
    expect_at(" at %s in left\n", "left asks");
    expect_at(", taken at %s in right, and waits for mutex 0x", "right holds");
    expect_at(" at %s in right\n", "right asks");
    run(one_gives_up, "errors", FOUND);
    expect("conc: lock order: ");
    expect_no("deadlock");
}
END_TEST

static void write_lock(void *unused)
{
    (void)unused;
    must(conc_rw_mutex_lock(&rw, NULL));
    conc_rw_mutex_unlock(&rw);
}

/* Reads, and would now write. */
static int upgrade(void)
{
    NEXT_LINE_IS("reads");
    must(conc_rw_mutex_read_lock(&rw, NULL));
    NEXT_LINE_IS("writes");
    must(conc_rw_mutex_lock(&rw, NULL));
    return 0;
}

/* Reads twice, with a writer in between who waits for the first and has to come before the second.
 */
static int read_twice(void)
{
    struct conc_task *writer;
    must(conc_rw_mutex_read_lock(&rw, NULL));
    must(conc_task_start(&writer, write_lock, NULL));
    unit_wait_parked(1);
    must(conc_rw_mutex_read_lock(&rw, NULL));
    return 0;
}

/* A writer that gives up lets the second reader go ahead. */
static void try_to_write(void *unused)
{
    struct conc_context soon;
    (void)unused;
    conc_context_with_timeout(&soon, NULL, CONC_MS(20));
    if (conc_rw_mutex_lock(&rw, &soon) != ETIMEDOUT)
        _exit(98);
    conc_context_destroy(&soon);
}

static int read_twice_in_the_end(void)
{
    struct conc_task *writer;
    must(conc_rw_mutex_read_lock(&rw, NULL));
    must(conc_task_start(&writer, try_to_write, NULL));
    unit_wait_parked(1);
    must(conc_rw_mutex_read_lock(&rw, NULL));
    conc_rw_mutex_read_unlock(&rw);
    conc_rw_mutex_read_unlock(&rw);
    conc_task_join(writer);
    return 0;
}

START_TEST(deadlock_with_oneself)
{
    run(upgrade, "errors", DEADLOCK);
    expect(
        "conc: deadlock: a task waits for its own lock\n  task 1 main holds read-write mutex 0x");
    expect_at(", taken at %s in upgrade, and waits for read-write mutex 0x", "reads");
    expect_at(" at %s in upgrade\n", "writes");
    run(read_twice, "errors", DEADLOCK);
    expect("conc: deadlock: a task waits for its own lock\n");
    run(read_twice_in_the_end, "errors", 0);
    expect_no("conc: ");
}
END_TEST

/* ---------------------------------------------------------------- held long, and across a wait */

static int hold_for(int64_t ns)
{
    for (int i = 0; i < 2; i++) {
        NEXT_LINE_IS("taken");
        must(conc_mutex_lock(&a, NULL));
        must(conc_sleep(ns, NULL));
        conc_mutex_unlock(&a);
    }
    return 0;
}

static int hold_long(void)
{
    setenv("CONC_HELD_MS", "20", 1);
    return hold_for(CONC_MS(30));
}

static int hold_shortly(void)
{
    setenv("CONC_HELD_MS", "5000", 1);
    return hold_for(CONC_MS(1));
}

START_TEST(held_long)
{
    run(hold_long, "1", FOUND);
    ck_assert_uint_eq(times("conc: held long: task 1 main held mutex 0x"), 1);
    expect_at(", taken at %s in hold_for, for ", "taken");
    run(hold_long, "errors", 0);
    expect_no("conc: ");
    expect_silence(hold_shortly);
}
END_TEST

static void send_soon(void *unused)
{
    (void)unused;
    must(conc_sleep(CONC_MS(5), NULL));
    must(conc_chan_send(gates[0], NULL, NULL));
}

static int receive(bool held)
{
    struct conc_task *task;
    make_gates();
    must(conc_task_start(&task, send_soon, NULL));
    NEXT_LINE_IS("taken");
    must(conc_mutex_lock(&a, NULL));
    if (!held)
        conc_mutex_unlock(&a);
    NEXT_LINE_IS("received");
    must(conc_chan_recv(gates[0], NULL, NULL));
    if (held)
        conc_mutex_unlock(&a);
    conc_task_join(task);
    for (int i = 0; i < 2; i++)
        conc_chan_destroy(gates[i]);
    return 0;
}

static int receive_with_a_lock(void)
{
    return receive(true);
}

static int receive_without(void)
{
    return receive(false);
}

START_TEST(waits_with_a_lock_held)
{
    run(receive_with_a_lock, "1", FOUND);
    expect("conc: waits with a lock held: task 1 main waits to receive from channel 0x");
    expect_at(" at %s in receive, and holds mutex 0x", "received");
    expect_at(", taken at %s in receive\n", "taken");
    expect_silence(receive_without);
}
END_TEST

/* ---------------------------------------------------------------- channels */

static int close_twice(void)
{
    make_gates();
    NEXT_LINE_IS("first");
    must(conc_chan_close(gates[0]));
    NEXT_LINE_IS("second");
    if (conc_chan_close(gates[0]) != EPIPE)
        _exit(98);
    for (int i = 0; i < 2; i++)
        conc_chan_destroy(gates[i]);
    return 0;
}

static int send_late(void)
{
    make_gates();
    NEXT_LINE_IS("first");
    must(conc_chan_close(gates[0]));
    NEXT_LINE_IS("second");
    if (conc_chan_send(gates[0], NULL, NULL) != EPIPE)
        _exit(98);
    for (int i = 0; i < 2; i++)
        conc_chan_destroy(gates[i]);
    return 0;
}

static void send_one(void *unused)
{
    (void)unused;
    must(conc_chan_send(gates[0], NULL, NULL));
}

static void send_and_close(void *unused)
{
    send_one(unused);
    must(conc_chan_close(gates[0]));
}

static int receive_one(bool then_close)
{
    struct conc_task *task;
    make_gates();
    must(conc_task_start(&task, then_close ? send_one : send_and_close, NULL));
    struct conc_select_case cases[] = {CONC_RECV(gates[0], NULL), CONC_RECV(gates[1], NULL)};
    size_t chosen;
    must(conc_select(cases, 2, &chosen, NULL));
    NEXT_LINE_IS("first");
    if (then_close)
        must(conc_chan_close(gates[0]));
    conc_task_join(task);
    for (int i = 0; i < 2; i++)
        conc_chan_destroy(gates[i]);
    return 0;
}

static int closed_by_receiver(void)
{
    return receive_one(true);
}

static int closed_by_sender(void)
{
    return receive_one(false);
}

START_TEST(channels)
{
    run(close_twice, "1", FOUND);
    expect("conc: closed twice: channel 0x");
    expect_at(" by task 1 main at %s in close_twice, closed at ", "second");
    expect_at(", closed at %s in close_twice\n", "first");
    run(close_twice, "errors", 0);
    expect_no("conc: ");
    run(send_late, "1", FOUND);
    expect("conc: send after close: channel 0x");
    expect_at(" by task 1 main at %s in send_late, closed at ", "second");
    expect_at(", closed at %s in send_late\n", "first");
    run(closed_by_receiver, "1", FOUND);
    expect("conc: closed by its receiver: channel 0x");
    expect(" in receive_one; others have sent");
    expect_silence(closed_by_sender);
}
END_TEST

/* ---------------------------------------------------------------- wait groups */

static struct conc_wait_group group = CONC_WAIT_GROUP_INIT;

static void nothing(void *unused)
{
    (void)unused;
}

static void counts_itself(void *unused)
{
    (void)unused;
    NEXT_LINE_IS("counts");
    conc_wait_group_add(&group, 1);
    conc_wait_group_done(&group);
}

static int wait_then_count(void)
{
    as_task(nothing); /* from the first task on the checks are on */
    NEXT_LINE_IS("waits");
    must(conc_wait_group_wait(&group, NULL));
    as_task(counts_itself);
    as_task(counts_itself); /* said once */
    conc_wait_group_destroy(&group);
    return 0;
}

static void starts_one(void *unused)
{
    (void)unused;
    must(conc_wait_group_go(&group, nothing, NULL));
}

static int wait_then_go(void)
{
    as_task(nothing);
    must(conc_wait_group_wait(&group, NULL));
    as_task(starts_one);
    must(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
    return 0;
}

/* Right: rounds of one group, of which the first is empty; by another task, when something was
 * counted in a round before; after a wait that was given up; in memory that was another group's. */
static int rounds(void)
{
    struct conc_context soon;
    as_task(nothing);
    for (int n = 0; n < 3; n++) {
        for (int i = 0; i < n; i++)
            must(conc_wait_group_go(&group, nothing, NULL));
        must(conc_wait_group_wait(&group, NULL));
    }
    as_task(counts_itself);
    must(conc_wait_group_wait(&group, NULL));
    as_task(counts_itself);
    must(conc_wait_group_wait(&group, NULL));
    conc_wait_group_add(&group, 1);
    conc_context_with_timeout(&soon, NULL, CONC_MS(1));
    must(conc_wait_group_wait(&group, &soon) == ETIMEDOUT ? 0 : EINVAL);
    conc_context_destroy(&soon);
    conc_wait_group_done(&group);
    must(conc_wait_group_wait(&group, NULL));
    as_task(counts_itself);
    must(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
    conc_wait_group_init(&group);
    as_task(counts_itself);
    conc_wait_group_destroy(&group);
    return 0;
}

START_TEST(wait_groups)
{
    run(wait_then_count, "1", FOUND);
    expect("conc: counted after the wait: wait group 0x");
    expect_at(" counts_itself at %s in counts_itself; task 1 main had waited for it at ", "counts");
    expect_at(" had waited for it at %s in wait_then_count, and nothing was counted\n", "waits");
    ck_assert_uint_eq(times("conc: "), 1);
    run(wait_then_count, "errors", 0);
    expect_no("conc: ");
    run(wait_then_go, "1", FOUND);
    expect(" starts_one at ");
    expect_silence(rounds);
}
END_TEST

/* ---------------------------------------------------------------- what the other reports say more
 */

static int relock(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    NEXT_LINE_IS("taken");
    must(conc_mutex_lock(&a, NULL));
    must(conc_mutex_lock(&a, NULL));
    return 0;
}

static void unlock_a(void *unused)
{
    (void)unused;
    conc_mutex_unlock(&a);
}

static int foreign_unlock(void)
{
    NEXT_LINE_IS("taken");
    must(conc_mutex_lock(&a, NULL));
    as_task(unlock_a);
    return 0;
}

static void abort_with(int (*program)(void), const char *value)
{
    check = value;
    unit_child_run(&child, with_check, &program, NULL);
    ck_assert_msg(child.signal == SIGABRT, "exit code %d, signal %d, stderr: %s", child.exit_code,
        child.signal, child.err);
}

START_TEST(aborts_say_where)
{
    abort_with(relock, "errors");
    expect_at(": a task locks a mutex that it holds, taken at %s in relock, in relock\n", "taken");
    abort_with(relock, "0");
    expect(": a task locks a mutex that it holds, in relock\n");
    abort_with(foreign_unlock, "errors");
    expect_at(": a task unlocks a mutex that another task holds, taken at %s in foreign_unlock, in "
              "unlock_a\n",
        "taken");
}
END_TEST

static int sleeps_with_a_lock(void)
{
    make_gates();
    NEXT_LINE_IS("taken");
    must(conc_mutex_lock(&a, NULL));
    must(conc_chan_recv(gates[0], NULL, NULL));
    return 0;
}

START_TEST(the_list_says_what_is_held)
{
    if (UNIT_TSAN) /* which brings threads of its own into a forked child: test_census.c */
        return;
    run(sleeps_with_a_lock, "errors", DEADLOCK);
    expect("conc: all tasks are asleep");
    expect("; holds mutex 0x");
    expect_at(", taken at %s in sleeps_with_a_lock\n", "taken");
    run(sleeps_with_a_lock, "0", DEADLOCK);
    expect_no("holds");
}
END_TEST

int main(void)
{
    return unit_main("check", lock_order, settings, lock_order_variants, deadlock,
        deadlock_with_oneself, held_long, waits_with_a_lock_held, channels, wait_groups,
        aborts_say_where, the_list_says_what_is_held);
}
