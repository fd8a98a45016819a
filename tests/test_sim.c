/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60; one engine; no threads */

/*
 * The sim engine itself: a schedule repeats step for step, others differ, the clock jumps and does
 * nothing else, and its reports say how to come back.
 */

#include <fcntl.h>
#include <poll.h>

#include "runtime/engine.h"
#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/mutex.h"
#include "sync/select.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { TEXT = 1 << 16 };

struct schedule {
    uint64_t number;
    const char *log;   /* CONC_SCHEDULE_LOG; NULL: none */
    const char *trace; /* CONC_TRACE; NULL: none */
    int (*program)(void);
};

static int on_schedule(void *arg)
{
    const struct schedule *schedule = arg;
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, schedule->number);
    setenv("CONC_ENGINE", "sim", 1);
    setenv("CONC_SCHEDULE", text, 1);
    unsetenv("CONC_SEED");
    if (schedule->log)
        setenv("CONC_SCHEDULE_LOG", schedule->log, 1);
    if (schedule->trace)
        setenv("CONC_TRACE", schedule->trace, 1);
    return schedule->program();
}

static char directory[64];

static const char *in_directory(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static void read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ssize_t n = read(fd, text, size - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    close(fd);
    unlink(path);
}

/* ---------------------------------------------------------------- a program with many choices */

struct party {
    struct conc_chan *in;
    struct conc_chan *out;
    struct conc_mutex mutex;
    int sum;
};

static void member(void *arg)
{
    struct party *party = arg;
    int value;
    while (conc_chan_recv(party->in, &value, NULL) == 0) {
        conc_mutex_lock(&party->mutex, NULL);
        party->sum += value;
        printf("%d", value);
        conc_mutex_unlock(&party->mutex);
        size_t chosen;
        struct conc_select_case cases[] = {
            CONC_SEND(party->out, &value), CONC_SEND(party->out, &value)};
        if (conc_select(cases, 2, &chosen, NULL) != 0)
            abort();
        printf("%c", chosen ? 'b' : 'a');
        conc_sleep(CONC_MS(value), NULL);
    }
}

static int many_choices(void)
{
    struct party party = {.sum = 0};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_mutex_init(&party.mutex);
    if (conc_chan_create(&party.in, sizeof(int), 1, NULL) != 0 ||
        conc_chan_create(&party.out, sizeof(int), 100, NULL) != 0)
        return 1;
    for (int i = 0; i < 3; i++)
        conc_wait_group_go(&group, member, &party);
    for (int i = 1; i <= 9; i++)
        conc_chan_send(party.in, &i, NULL);
    conc_chan_close(party.in);
    conc_wait_group_wait(&group, NULL);
    printf(" %d %" PRIu64 "\n", party.sum, conc_random_u64());
    conc_wait_group_destroy(&group);
    conc_mutex_destroy(&party.mutex);
    conc_chan_destroy(party.in);
    conc_chan_destroy(party.out);
    return party.sum == 45 ? 0 : 1;
}

/* The same number gives the same result, the same turns and the same trace, byte for byte. */
START_TEST(repeats)
{
    static char log[2][TEXT];
    static char trace[2][TEXT];
    char log_path[80];
    char trace_path[80];
    struct unit_child child[2];
    struct schedule schedule = {.log = in_directory("log", log_path, sizeof log_path),
        .trace = in_directory("trace", trace_path, sizeof trace_path),
        .program = many_choices};
    for (schedule.number = 0; schedule.number < 20; schedule.number++) {
        for (int i = 0; i < 2; i++) {
            unit_child_run(&child[i], on_schedule, &schedule, NULL);
            ck_assert_int_eq(child[i].exit_code, 0);
            read_file(log_path, log[i], TEXT);
            read_file(trace_path, trace[i], TEXT);
        }
        ck_assert_str_eq(child[0].out, child[1].out);
        ck_assert_str_eq(log[0], log[1]);
        ck_assert_str_eq(trace[0], trace[1]);
    }
}
END_TEST

/* Never asleep, and more choice points than the clock stands still for. */
static int busy(void)
{
    struct party party = {.sum = 0};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_mutex_init(&party.mutex);
    if (conc_chan_create(&party.in, sizeof(int), 0, NULL) != 0 ||
        conc_chan_create(&party.out, sizeof(int), 1000, NULL) != 0)
        return 1;
    for (int i = 0; i < 3; i++)
        conc_wait_group_go(&group, member, &party);
    for (int i = 0; i < 150; i++)
        conc_chan_send(party.in, &(int){0}, NULL);
    conc_chan_close(party.in);
    conc_wait_group_wait(&group, NULL);
    printf(" %lld\n", (long long)conc_now_ns());
    conc_wait_group_destroy(&group);
    conc_mutex_destroy(&party.mutex);
    conc_chan_destroy(party.in);
    conc_chan_destroy(party.out);
    return 0;
}

/* Looking on changes nothing. */
START_TEST(trace_and_log_change_nothing)
{
    char path[80];
    struct unit_child child[3];
    struct schedule schedule = {.program = many_choices};
    for (schedule.number = 0; schedule.number < 30; schedule.number++) {
        schedule.program = schedule.number < 20 ? many_choices : busy;
        schedule.log = schedule.trace = NULL;
        unit_child_run(&child[0], on_schedule, &schedule, NULL);
        schedule.log = in_directory("log", path, sizeof path);
        unit_child_run(&child[1], on_schedule, &schedule, NULL);
        schedule.log = NULL;
        schedule.trace = path;
        unit_child_run(&child[2], on_schedule, &schedule, NULL);
        ck_assert_str_eq(child[0].out, child[1].out);
        ck_assert_str_eq(child[0].out, child[2].out);
    }
    unlink(path);
}
END_TEST

/* Most of a hundred schedules are a run of their own, in both ways to draw. */
START_TEST(differ)
{
    enum { SCHEDULES = 100 };
    static char out[SCHEDULES][128];
    struct unit_child child;
    int different[2] = {0, 0};
    for (int i = 0; i < SCHEDULES; i++) {
        unit_child_run(&child, on_schedule,
            &(struct schedule){.number = (uint64_t)i, .program = many_choices}, NULL);
        ck_assert_int_eq(child.exit_code, 0);
        snprintf(out[i], sizeof out[i], "%.127s", child.out);
        bool seen = false;
        for (int k = i - 2; k >= 0; k -= 2)
            seen |= strcmp(out[k], out[i]) == 0;
        different[i % 2] += !seen;
    }
    ck_assert_int_ge(different[0], SCHEDULES / 2 * 8 / 10);
    ck_assert_int_ge(different[1], SCHEDULES / 2 * 4 / 10);
}
END_TEST

/* Main's own draws differ from schedule to schedule, as those of any task. */
static int main_draws(void)
{
    struct conc_chan *ch;
    int value = 1;
    if (conc_chan_create(&ch, sizeof value, 100, NULL) != 0)
        return 1;
    for (int i = 0; i < 4; i++) {
        size_t chosen;
        struct conc_select_case cases[] = {CONC_SEND(ch, &value), CONC_SEND(ch, &value)};
        conc_select(cases, 2, &chosen, NULL);
        printf("%zu", chosen);
    }
    conc_chan_destroy(ch);
    return 0;
}

START_TEST(main_draws_too)
{
    struct unit_child child;
    char first[8] = "";
    int others = 0;
    for (uint64_t number = 0; number < 40; number++) {
        unit_child_run(
            &child, on_schedule, &(struct schedule){.number = number, .program = main_draws}, NULL);
        ck_assert_int_eq(child.exit_code, 0);
        if (number == 0)
            snprintf(first, sizeof first, "%.7s", child.out);
        others += strcmp(first, child.out) != 0;
    }
    ck_assert_int_gt(others, 20);
}
END_TEST

/* ---------------------------------------------------------------- the clock */

static void sleep_for_hours(void *arg)
{
    int64_t hours = *(int64_t *)arg;
    conc_sleep(hours * 3600 * CONC_S(1), NULL);
}

static int a_long_day(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    int64_t hours[] = {24, 3, 8};
    int64_t begun = conc_now_ns();
    for (int i = 0; i < 3; i++)
        conc_wait_group_go(&group, sleep_for_hours, &hours[i]);
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    return conc_now_ns() - begun == 24 * 3600 * CONC_S(1) ? 0 : 1; /* to the nanosecond */
}

static int never_asleep(void)
{
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(20));
    while (conc_context_error(&ctx) == 0)
        ;
    conc_context_destroy(&ctx);
    int64_t until = conc_now_ns() + CONC_MS(20);
    while (conc_now_ns() < until)
        conc_yield();
    return 0;
}

START_TEST(time_is_virtual)
{
    struct unit_child child;
    for (uint64_t number = 0; number < 10; number++) {
        struct schedule schedule = {.number = number, .program = a_long_day};
        unit_child_run(&child, on_schedule, &schedule, NULL);
        ck_assert_int_eq(child.exit_code, 0);
        schedule.program = never_asleep; /* it comes to an end all the same */
        unit_child_run(&child, on_schedule, &schedule, NULL);
        ck_assert_int_eq(child.exit_code, 0);
    }
}
END_TEST

/* ---------------------------------------------------------------- descriptors */

static void write_later(void *arg)
{
    conc_sleep(CONC_S(5), NULL);
    if (write(*(int *)arg, "x", 1) != 1)
        abort();
}

/* A descriptor that a task makes ready, and one that stays as it is until the deadline. */
static int pipes(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    struct conc_task *task;
    struct conc_context ctx;
    int64_t begun = conc_now_ns();
    if (conc_task_start(&task, write_later, &ends[1]) != 0)
        return 1;
    int rc = conc_fd_wait(ends[0], POLLIN, NULL);
    char byte;
    if (rc != 0 || read(ends[0], &byte, 1) != 1 || conc_now_ns() - begun < CONC_S(5))
        return 2;
    conc_task_join(task);
    conc_context_with_timeout(&ctx, NULL, CONC_S(3));
    rc = conc_fd_wait(ends[0], POLLIN, &ctx);
    conc_context_destroy(&ctx);
    return rc == ETIMEDOUT && conc_now_ns() - begun >= CONC_S(8) ? 0 : 3;
}

START_TEST(descriptors)
{
    struct unit_child child;
    for (uint64_t number = 0; number < 10; number++) {
        unit_child_run(
            &child, on_schedule, &(struct schedule){.number = number, .program = pipes}, NULL);
        ck_assert_int_eq(child.exit_code, 0);
    }
}
END_TEST

/* Two wait for one byte, and a second descriptor becomes ready when one of them has taken it. */
static int first_pipe[2];
static int second_pipe[2];

static void read_if_there(void *arg)
{
    (void)arg;
    char byte;
    struct pollfd look = {.fd = first_pipe[0], .events = POLLIN};
    if (conc_fd_wait(first_pipe[0], POLLIN, NULL) != 0)
        abort();
    if (poll(&look, 1, 0) == 1 &&
        (read(first_pipe[0], &byte, 1) != 1 || write(second_pipe[1], "y", 1) != 1))
        abort();
}

static void read_second(void *arg)
{
    (void)arg;
    if (conc_fd_wait(second_pipe[0], POLLIN, NULL) != 0)
        abort();
}

static void write_first(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        conc_yield();
    if (write(first_pipe[1], "x", 1) != 1)
        abort();
}

/* A wait without a deadline never says that there was one. */
static int one_byte_for_two(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    if (pipe(first_pipe) != 0 || pipe(second_pipe) != 0)
        return 1;
    conc_wait_group_go(&group, read_if_there, NULL);
    conc_wait_group_go(&group, read_if_there, NULL);
    conc_wait_group_go(&group, read_second, NULL);
    conc_wait_group_go(&group, write_first, NULL);
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    return 0;
}

START_TEST(ready_stays_ready)
{
    struct unit_child child;
    for (uint64_t number = 0; number < 100; number++) {
        unit_child_run(&child, on_schedule,
            &(struct schedule){.number = number, .program = one_byte_for_two}, NULL);
        ck_assert_int_eq(child.exit_code, 0);
    }
}
END_TEST

/* ---------------------------------------------------------------- finding and reporting */

static struct conc_mutex mutex;
static struct conc_cond filled;
static bool full;

/* Wrong: looks before it holds the mutex. */
static void take(void *arg)
{
    (void)arg;
    if (full)
        return;
    conc_mutex_lock(&mutex, NULL);
    conc_cond_wait(&filled, &mutex, NULL);
    conc_mutex_unlock(&mutex);
}

static int lost_wake_up(void)
{
    struct conc_task *task;
    conc_mutex_init(&mutex);
    conc_cond_init(&filled);
    if (conc_task_start(&task, take, NULL) != 0)
        return 1;
    conc_mutex_lock(&mutex, NULL);
    full = true;
    conc_cond_signal(&filled);
    conc_mutex_unlock(&mutex);
    conc_task_join(task);
    conc_cond_destroy(&filled);
    conc_mutex_destroy(&mutex);
    return 0;
}

START_TEST(finds_a_lost_wake_up)
{
    if (UNIT_TSAN) /* brings threads into a forked child, which might wake somebody */
        return;
    struct unit_child child;
    struct schedule schedule = {.program = lost_wake_up};
    int lost = 0;
    int found = 0;
    for (schedule.number = 0; schedule.number < 100; schedule.number++) {
        unit_child_run(&child, on_schedule, &schedule, NULL);
        ck_assert_msg(child.exit_code == 0 || child.exit_code == 3, "exit code %d: %s",
            child.exit_code, child.err);
        if (child.exit_code != 3)
            found++;
        else if (lost++ == 0)
            for (int i = 0; i < 10; i++) { /* ten times out of ten */
                char line[64];
                snprintf(
                    line, sizeof line, "CONC_SCHEDULE=%" PRIu64 " repeats it", schedule.number);
                unit_child_run(&child, on_schedule, &schedule, NULL);
                ck_assert_int_eq(child.exit_code, 3);
                ck_assert_ptr_nonnull(strstr(child.err, "waits on condition"));
                ck_assert_ptr_nonnull(strstr(child.err, line));
            }
    }
    ck_assert_int_gt(lost, 0);
    ck_assert_int_gt(found, 0); /* it is not always lost: the program alone does not show it */
}
END_TEST

/* ---------------------------------------------------------------- stacks */

static void dig(void *arg)
{
    *(int *)arg = unit_dig(*(int *)arg);
}

static int dig_deep(void)
{
    int n = 100000;
    struct conc_task *task;
    unit_ok(conc_task_start(&task, dig, &n));
    conc_task_join(task);
    return n == 0;
}

START_TEST(overflow_is_named)
{
    if (UNIT_SANITIZED)
        return; /* the signal is theirs */
    struct unit_child child;
    struct schedule schedule = {.number = 1, .program = dig_deep};
    unit_child_run(&child, on_schedule, &schedule, NULL);
    ck_assert_int_eq(child.signal, SIGSEGV);
    ck_assert_ptr_nonnull(strstr(child.err, "overflowed its stack"));
    ck_assert_ptr_nonnull(strstr(child.err, " dig, started at "));
}
END_TEST

/* ---------------------------------------------------------------- bad values */

static int bad_number(void *arg)
{
    setenv("CONC_ENGINE", "sim", 1);
    setenv("CONC_SCHEDULE", arg, 1);
    conc_yield();
    return 0;
}

START_TEST(refuses)
{
    static char *const numbers[] = {"x", "3x", "-1", "99999999999999999999999"};
    struct unit_child child;
    for (int i = 0; i < 4; i++) {
        unit_child_run(&child, bad_number, numbers[i], NULL);
        ck_assert_int_eq(child.exit_code, 2);
        ck_assert_ptr_nonnull(strstr(child.err, "CONC_SCHEDULE"));
        ck_assert_ptr_nonnull(strstr(child.err, numbers[i]));
    }
}
END_TEST

int main(void)
{
    snprintf(directory, sizeof directory, "/tmp/conc-test-sim-XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    int rc = unit_main("sim", repeats, trace_and_log_change_nothing, differ, time_is_virtual,
        descriptors, main_draws_too, ready_stays_ready, finds_a_lost_wake_up, overflow_is_named,
        refuses);
    rmdir(directory);
    return rc;
}
