/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/*
 * The hang watchdog: whom it names, once, and whom it lets alone. Each program runs in a child,
 * with CONC_HANG_MS as the test wants it.
 */

#include <poll.h>

#include "runtime/engine.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/mutex.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

static struct unit_child child;

static int call(void *program)
{
    int (*run)(void);
    memcpy(&run, program, sizeof run);
    return run();
}

static void run(int (*program)(void), const char *hang_ms, int exit_code)
{
    setenv("CONC_HANG_MS", hang_ms, 1);
    setenv("CONC_CHECK", "errors", 1);
    unit_child_run(&child, call, &program, NULL);
    ck_assert_msg(child.exit_code == exit_code, "exit code %d, signal %d, not %d; stderr: %s",
        child.exit_code, child.signal, exit_code, child.err);
}

static void must(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "unexpected: %s\n", strerror(rc));
        _exit(99);
    }
}

static size_t times(const char *text)
{
    size_t n = 0;
    for (const char *at = child.err; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

/* Said so many times, but on sim never. */
static void expect_times(const char *text, size_t n)
{
    n = unit_on_sim() ? 0 : n;
    ck_assert_msg(times(text) == n, "not %zu times '%s' in: %s", n, text, child.err);
}

/* For long, but never in one wait for long. */
static void go_on(void)
{
    for (int i = 0; i < 60; i++)
        conc_sleep(CONC_MS(10), NULL);
}

/* ---------------------------------------------------------------- who is named */

static struct conc_chan *chan;

static void reader(void *unused)
{
    int value;
    (void)unused;
    must(conc_chan_recv(chan, &value, NULL) == EPIPE ? 0 : EINVAL);
}

/* Main goes on by itself, so this is no deadlock of all. */
static int one_hangs_while_main_goes_on(void)
{
    struct conc_task *task;
    must(conc_chan_create(&chan, sizeof(int), 0, NULL));
    must(conc_task_start(&task, reader, NULL));
    go_on();
    must(conc_chan_close(chan));
    conc_task_join(task);
    conc_chan_destroy(chan);
    return 0;
}

START_TEST(who_waits_for_long_is_named_once)
{
    run(one_hangs_while_main_goes_on, "100", 0);
    expect_times("conc: waits for 0.1 s or longer:\n", 1);
    expect_times(" reader, started at ", 1);
    expect_times(": waits to receive from channel 0x", 1);
    expect_times(" in reader, for 0.", 1);
    expect_times(" task ", 1);
}
END_TEST

static struct conc_mutex mutex = CONC_MUTEX_INIT;

static void locker(void *unused)
{
    (void)unused;
    must(conc_mutex_lock(&mutex, NULL));
    conc_mutex_unlock(&mutex);
}

static int main_keeps_the_lock(void)
{
    struct conc_task *task;
    must(conc_mutex_lock(&mutex, NULL));
    must(conc_task_start(&task, locker, NULL));
    go_on();
    conc_mutex_unlock(&mutex);
    conc_task_join(task);
    return 0;
}

START_TEST(who_holds_a_lock_is_named_too)
{
    run(main_keeps_the_lock, "100", 0);
    expect_times(" locker, started at ", 1);
    expect_times("conc: others that hold a lock:\n", 1);
    expect_times("; holds mutex 0x", 1);
    expect_times(", taken at ", 1);
    expect_times(" in main_keeps_the_lock\n", 1);
}
END_TEST

static int two_waits_of_the_same_task(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    must(conc_chan_create(&chan, sizeof(int), 0, NULL));
    for (int i = 0; i < 2; i++) {
        must(conc_wait_group_go(&group, reader, NULL));
        conc_sleep(CONC_MS(400), NULL);
    }
    must(conc_chan_close(chan));
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(chan);
    return 0;
}

START_TEST(each_is_named)
{
    run(two_waits_of_the_same_task, "100", 0);
    expect_times(" reader, started at ", 2);
    expect_times("conc: waits for 0.1 s or longer:\n", 2);
}
END_TEST

/* ---------------------------------------------------------------- who is not */

static void receives_often(void *unused)
{
    int value;
    (void)unused;
    while (conc_chan_recv(chan, &value, NULL) == 0)
        continue;
}

static int sleeps_of_all_kinds(void)
{
    struct conc_context ctx;
    int value;
    int ends[2];
    conc_context_with_timeout(&ctx, NULL, CONC_MS(250));
    must(conc_chan_create(&chan, sizeof(int), 0, NULL));
    conc_sleep(CONC_MS(250), NULL);
    must(conc_chan_recv(chan, &value, &ctx) == ETIMEDOUT ? 0 : EINVAL);
    conc_context_destroy(&ctx);
    conc_context_with_timeout(&ctx, NULL, CONC_MS(250));
    must(conc_sleep(CONC_MS(500), &ctx) == ETIMEDOUT ? 0 : EINVAL);
    conc_context_destroy(&ctx);
    must(pipe(ends) == 0 ? 0 : errno);
    if (!unit_on_sim()) { /* its descriptors are virtual */
        conc_context_with_timeout(&ctx, NULL, CONC_MS(250));
        must(conc_fd_wait(ends[0], POLLIN, &ctx) == ETIMEDOUT ? 0 : EINVAL);
        conc_context_destroy(&ctx);
    }
    close(ends[0]);
    close(ends[1]);
    conc_chan_destroy(chan);
    return 0;
}

static void sleep_in_the_kernel(void *unused)
{
    (void)unused;
    poll(NULL, 0, 250);
}

static int calls_that_block(void)
{
    conc_sleep(CONC_MS(1), NULL);
    conc_blocking(sleep_in_the_kernel, NULL);
    return 0;
}

static int many_short_waits(void)
{
    struct conc_task *task;
    must(conc_chan_create(&chan, sizeof(int), 0, NULL));
    must(conc_task_start(&task, receives_often, NULL));
    for (int i = 0; i < 40; i++) {
        conc_sleep(CONC_MS(10), NULL);
        must(conc_chan_send(chan, &i, NULL));
    }
    must(conc_chan_close(chan));
    conc_task_join(task);
    conc_chan_destroy(chan);
    return 0;
}

static void expect_silence(int (*program)(void), const char *hang_ms)
{
    run(program, hang_ms, 0);
    ck_assert_msg(!strstr(child.err, "conc: "), "not silent: %s", child.err);
}

START_TEST(waits_that_end_by_themselves_are_no_hang)
{
    expect_silence(sleeps_of_all_kinds, "100");
    expect_silence(calls_that_block, "100");
}
END_TEST

START_TEST(many_short_waits_are_no_long_one)
{
    expect_silence(many_short_waits, "200");
}
END_TEST

START_TEST(silent_when_off)
{
    expect_silence(one_hangs_while_main_goes_on, "0");
    expect_silence(one_hangs_while_main_goes_on, "");
}
END_TEST

/* The other detectors work as ever: the watchdog's thread is none that could wake anybody. */
static int all_asleep(void)
{
    must(conc_chan_create(&chan, sizeof(int), 0, NULL));
    reader(NULL);
    return 0;
}

START_TEST(a_deadlock_of_all_is_found_at_once)
{
    /* What such a program has not freed is memcheck's to say; and TSan brings threads of its own
     * into a forked child, who might wake somebody. */
    if (RUNNING_ON_VALGRIND || UNIT_TSAN)
        return;
    run(all_asleep, "60000", 3);
    ck_assert_msg(strstr(child.err, "all tasks are asleep"), "not said: %s", child.err);
}
END_TEST

static int nothing(void)
{
    conc_sleep(CONC_MS(1), NULL);
    return 0;
}

START_TEST(what_is_no_number_is_refused)
{
    if (RUNNING_ON_VALGRIND)
        return; /* Helgrind minds the lock that is held when the program is ended */
    run(nothing, "1s", 2);
    ck_assert_msg(strstr(child.err, "CONC_HANG_MS"), "not named: %s", child.err);
}
END_TEST

int main(void)
{
    return unit_main("watchdog", who_waits_for_long_is_named_once, who_holds_a_lock_is_named_too,
        each_is_named, waits_that_end_by_themselves_are_no_hang, many_short_waits_are_no_long_one,
        silent_when_off, a_deadlock_of_all_is_found_at_once, what_is_no_number_is_refused);
}
