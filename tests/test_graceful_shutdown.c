/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */
#include "tests/unit.h"

#include "graceful_shutdown.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "worker_pool.h"

static struct conc_shutdown *watch_usual(void)
{
    struct conc_shutdown *shutdown;
    unit_ok(conc_shutdown_create(&shutdown, NULL, 0, NULL));
    return shutdown;
}

static void (*handler_of(int signal))(int)
{
    struct sigaction action;
    ck_assert_int_eq(sigaction(signal, NULL, &action), 0);
    return action.sa_handler;
}

/* ------------------------------------------------------------------ one signal */

START_TEST(first_signal)
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 6; i++) {
        int signal = signals[i % 2];
        struct conc_shutdown *shutdown = watch_usual();
        struct conc_context *taking = conc_shutdown_context(shutdown), below;
        conc_context_with_cancel(&below, taking);
        unit_rc(conc_shutdown_try_wait(shutdown), EAGAIN);
        unit_rc(conc_context_error(taking), 0);
        ck_assert_int_eq(conc_shutdown_signal(shutdown), 0);
        ck_assert_int_eq(conc_shutdown_exit_code(shutdown), 0);
        ck_assert_int_eq(raise(signal), 0);
        unit_ok(conc_shutdown_wait(shutdown, NULL));
        unit_ok(conc_shutdown_try_wait(shutdown));
        unit_rc(conc_context_error(&below), ECANCELED);
        unit_rc(conc_context_cause(&below), ESHUTDOWN);
        ck_assert_int_eq(conc_shutdown_signal(shutdown), signal);
        ck_assert_int_eq(conc_shutdown_exit_code(shutdown), 128 + signal);
        conc_context_destroy(&below);
        conc_shutdown_destroy(shutdown);
    }
}
END_TEST

/* Whoever waits for work is woken. */
static void take_work(void *arg)
{
    struct conc_shutdown *shutdown = arg;
    unit_rc(conc_context_wait(conc_shutdown_context(shutdown)), ECANCELED);
    unit_ok(conc_shutdown_wait(shutdown, NULL));
}

START_TEST(waiters_are_woken)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_shutdown *shutdown = watch_usual();
    for (int i = 0; i < 3; i++)
        unit_ok(conc_wait_group_go(&group, take_work, shutdown));
    unit_wait_parked(4);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    unit_ok(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
    conc_shutdown_destroy(shutdown);
}
END_TEST

START_TEST(no_signal)
{
    struct conc_context ctx;
    struct conc_shutdown *shutdown;
    conc_context_with_cancel(&ctx, NULL);
    unit_ok(conc_shutdown_create(&shutdown, NULL, 0, &ctx));
    struct conc_context mine;
    conc_context_with_timeout(&mine, NULL, CONC_MS(2));
    unit_rc(conc_shutdown_wait(shutdown, &mine), ETIMEDOUT);
    conc_context_destroy(&mine);
    conc_context_with_cancel(&mine, NULL);
    conc_context_cancel(&mine);
    unit_rc(conc_shutdown_wait(shutdown, &mine), ECANCELED);
    conc_context_destroy(&mine);
    /* The parent's end is the context's, without a signal. */
    conc_context_cancel_cause(&ctx, EXDEV);
    unit_rc(conc_context_cause(conc_shutdown_context(shutdown)), EXDEV);
    unit_rc(conc_shutdown_try_wait(shutdown), EAGAIN);
    conc_shutdown_destroy(shutdown);
    conc_context_destroy(&ctx);
}
END_TEST

START_TEST(handlers_come_back)
{
    signal(SIGUSR1, SIG_IGN);
    static const int signals[] = {SIGUSR1, SIGTERM};
    void (*term)(int) = handler_of(SIGTERM);
    struct conc_shutdown *shutdown, *second = NULL;
    unit_ok(conc_shutdown_create(&shutdown, signals, 2, NULL));
    ck_assert(handler_of(SIGUSR1) != SIG_IGN);
    unit_rc(conc_shutdown_create(&second, NULL, 0, NULL), EBUSY);
    ck_assert_ptr_null(second);
    ck_assert_int_eq(raise(SIGUSR1), 0); /* was ignored, is watched */
    unit_ok(conc_shutdown_wait(shutdown, NULL));
    conc_shutdown_destroy(shutdown);
    ck_assert(handler_of(SIGUSR1) == SIG_IGN);
    ck_assert(handler_of(SIGTERM) == term);
    ck_assert_int_eq(raise(SIGUSR1), 0);

    static const int impossible[] = {SIGTERM, SIGKILL};
    unit_rc(conc_shutdown_create(&shutdown, impossible, 2, NULL), EINVAL);
    ck_assert(handler_of(SIGTERM) == term);
    unit_rc(conc_shutdown_create(NULL, NULL, 0, NULL), EINVAL);
    unit_rc(conc_shutdown_create(&shutdown, signals, 0, NULL), EINVAL);
    unit_rc(conc_shutdown_wait(NULL, NULL), EINVAL);
    unit_rc(conc_shutdown_try_wait(NULL), EINVAL);
    ck_assert_int_eq(conc_shutdown_signal(NULL), 0);
    ck_assert_int_eq(conc_shutdown_exit_code(NULL), 0);
    conc_shutdown_destroy(NULL);
    conc_shutdown_destroy(watch_usual()); /* nothing is left of the failures */
}
END_TEST

/* Without those of the fibers engine: what it waits for descriptors with, opened by the first that
 * has to wait; and the list of threads, which a worker that falls asleep looks at for a moment, and
 * for longer where it is taken off its core meanwhile. */
static int open_descriptors(void)
{
    int open = 0;
    for (int fd = 0; fd < 200; fd++) {
        char name[32], path[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(name, path, sizeof path - 1);
        if (length < 0)
            continue;
        path[length] = '\0';
        const char *end = strrchr(path, '/');
        open += strcmp(path, "anon_inode:[eventpoll]") != 0 && (!end || strcmp(end, "/task") != 0);
    }
    ck_assert_int_gt(open, 0);
    return open;
}

static void fail_each(long (*fail_at)(long), int code)
{
    void (*term)(int) = handler_of(SIGTERM);
    int descriptors = open_descriptors();
    for (long k = 1;; k++) {
        struct conc_shutdown *shutdown = NULL;
        fail_at(k);
        int rc = conc_shutdown_create(&shutdown, NULL, 0, NULL);
        bool all_tried = fail_at(0) > 0;
        if (rc == 0)
            conc_shutdown_destroy(shutdown);
        else
            ck_assert_ptr_null(shutdown);
        ck_assert(handler_of(SIGTERM) == term);
        ck_assert_int_eq(open_descriptors(), descriptors);
        ck_assert_uint_eq(conc_census_count(), 1);
        if (all_tried)
            return;
        ck_assert(rc == code || rc == EAGAIN);
    }
}

START_TEST(faults)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    conc_task_self();
    conc_shutdown_destroy(watch_usual()); /* what the first task and descriptor wait bring along */
    fail_each(conc_fault_alloc_at, ENOMEM);
    fail_each(conc_fault_start_at, EAGAIN);
}
END_TEST

/* ------------------------------------------------------------------ the pool */

struct work {
    struct conc_chan *begun;
    struct conc_chan *gate; /* closed: tasks may end */
};

static int until_gate(void *arg, struct conc_context *ctx)
{
    struct work *work = arg;
    conc_chan_try_send(work->begun, NULL);
    int rc = conc_chan_recv(work->gate, NULL, ctx);
    return rc == EPIPE ? 0 : rc;
}

static int at_once(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    return 0;
}

static struct conc_worker_pool *pool_of(size_t workers, size_t capacity)
{
    struct conc_worker_pool *pool;
    unit_ok(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){.workers = workers, .capacity = capacity}));
    return pool;
}

static void check_report(const struct conc_shutdown_report *report, uint64_t submitted,
    uint64_t ended, uint64_t interrupted, uint64_t cancelled)
{
    ck_assert_uint_eq(report->submitted, submitted);
    ck_assert_uint_eq(report->finished + report->drained, ended);
    ck_assert_uint_eq(report->interrupted, interrupted);
    ck_assert_uint_eq(report->cancelled, cancelled);
}

START_TEST(pool_drains)
{
    for (size_t workers = 1; workers <= 4; workers++)
        for (int tasks = 0; tasks <= 40; tasks += 10) {
            struct conc_worker_pool *pool = pool_of(workers, 40);
            struct conc_shutdown_report report;
            for (int i = 0; i < tasks; i++)
                unit_ok(conc_worker_pool_submit(pool, at_once, NULL, NULL));
            unit_ok(conc_shutdown_pool(pool, CONC_S(60), &report));
            check_report(&report, (uint64_t)tasks, (uint64_t)tasks, 0, 0);
            unit_rc(conc_worker_pool_submit(pool, at_once, NULL, NULL), EPIPE);
            conc_worker_pool_destroy(pool);
        }
    struct conc_worker_pool *pool = pool_of(2, 4);
    unit_ok(conc_shutdown_pool(pool, CONC_FOREVER, NULL));
    unit_ok(conc_shutdown_pool(pool, 0, NULL)); /* again: nothing left to do */
    conc_worker_pool_destroy(pool);
    unit_rc(conc_shutdown_pool(NULL, 0, NULL), EINVAL);
}
END_TEST

/* The limit passes: what runs is interrupted, what waits never begins, and all is counted. */
START_TEST(pool_runs_out_of_time)
{
    for (int64_t limit_ms = 0; limit_ms <= 10; limit_ms += 10)
        for (size_t workers = 1; workers <= 3; workers++) {
            struct work work;
            unit_ok(conc_chan_create(&work.begun, 0, 100, NULL));
            unit_ok(conc_chan_create(&work.gate, 0, 0, NULL));
            struct conc_worker_pool *pool = pool_of(workers, 20);
            unit_ok(conc_worker_pool_submit(pool, at_once, NULL, NULL));
            unit_ok(conc_worker_pool_wait(pool, NULL));
            for (size_t i = 0; i < workers + 7; i++)
                unit_ok(conc_worker_pool_submit(pool, until_gate, &work, NULL));
            for (size_t i = 0; i < workers; i++)
                unit_ok(conc_chan_recv(work.begun, NULL, NULL));
            struct conc_shutdown_report report;
            unit_rc(conc_shutdown_pool(pool, CONC_MS(limit_ms), &report), ETIMEDOUT);
            check_report(&report, workers + 8, 1, workers, 7);
            ck_assert_uint_eq(report.finished, 1);
            conc_worker_pool_destroy(pool);
            conc_chan_destroy(work.begun);
            conc_chan_destroy(work.gate);
        }
}
END_TEST

struct closing {
    struct conc_worker_pool *pool;
    struct conc_shutdown_report report;
    int rc;
};

static void shut_down(void *arg)
{
    struct closing *closing = arg;
    closing->rc = conc_shutdown_pool(closing->pool, CONC_FOREVER, &closing->report);
}

/* A task that ends while it drains is drained, not interrupted. */
START_TEST(pool_drains_what_runs)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct work work;
    unit_ok(conc_chan_create(&work.begun, 0, 100, NULL));
    unit_ok(conc_chan_create(&work.gate, 0, 0, NULL));
    struct closing closing = {.pool = pool_of(2, 10)};
    for (int i = 0; i < 6; i++)
        unit_ok(conc_worker_pool_submit(closing.pool, until_gate, &work, NULL));
    unit_ok(conc_wait_group_go(&group, shut_down, &closing));
    unit_wait_until(conc_worker_pool_submit(closing.pool, at_once, NULL, NULL) == EPIPE);
    unit_wait_parked(3);
    unit_ok(conc_chan_close(work.gate));
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_ok(closing.rc);
    ck_assert_uint_eq(closing.report.interrupted + closing.report.cancelled, 0);
    ck_assert_uint_eq(closing.report.submitted, closing.report.finished + closing.report.drained);
    ck_assert_uint_ge(closing.report.drained, 6);
    conc_wait_group_destroy(&group);
    conc_worker_pool_destroy(closing.pool);
    conc_chan_destroy(work.begun);
    conc_chan_destroy(work.gate);
}
END_TEST

/* ------------------------------------------------------------------ signals from outside */

/* What the parent and a child program tell each other. */
struct talk {
    int fd; /* the child writes a letter for each step it has come to */
    pid_t pid;
};

/* Runs program(fd) in a child. Before the test's first call into conc. */
static struct talk begin_child(int (*program)(int fd))
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        /* The test runner has handlers of its own. */
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        close(ends[0]);
        exit(program(ends[1]));
    }
    close(ends[1]);
    return (struct talk){ends[0], pid};
}

static void await(struct talk talk, char step)
{
    char letter = 0;
    ck_assert_int_eq(read(talk.fd, &letter, 1), 1);
    ck_assert_int_eq(letter, step);
}

static void tell(int fd, char step)
{
    if (write(fd, &step, 1) != 1)
        abort();
}

static void ends_with(struct talk talk, int code, int or_code)
{
    int status;
    char letter;
    ck_assert_int_eq(read(talk.fd, &letter, 1), 0);
    ck_assert_int_eq(waitpid(talk.pid, &status, 0), talk.pid);
    int got = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    ck_assert_msg(got != 0 && (got == code || got == or_code), "status %x, not exit code %d",
        (unsigned)status, code);
    close(talk.fd);
}

/* A whole program: takes on work until the signal, drains, and counts every task. */
static int good_program(int fd)
{
    struct conc_shutdown *shutdown = watch_usual();
    struct conc_worker_pool *pool = pool_of(2, 8);
    struct conc_context *taking = conc_shutdown_context(shutdown);
    uint64_t taken = 0;
    while (conc_context_error(taking) == 0) {
        if (conc_worker_pool_submit(pool, at_once, NULL, taking) == 0 && ++taken == 100)
            tell(fd, 'w'); /* at work */
    }
    struct conc_shutdown_report report;
    int rc = conc_shutdown_pool(pool, CONC_S(60), &report);
    bool right = rc == 0 && report.submitted == taken &&
                 report.finished + report.drained == taken && report.interrupted == 0 &&
                 report.cancelled == 0;
    conc_worker_pool_destroy(pool);
    int code = conc_shutdown_exit_code(shutdown);
    conc_shutdown_destroy(shutdown);
    return right ? code : 1;
}

START_TEST(signal_from_outside)
{
    static const int signals[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        struct talk talk = begin_child(good_program);
        await(talk, 'w');
        ck_assert_int_eq(kill(talk.pid, signals[i]), 0);
        ends_with(talk, 128 + signals[i], 0);
    }
}
END_TEST

/* A task that is deaf to everything, in the kernel: only the second signal ends the program. (One
 * that sleeps in conc with nothing to wake it is a deadlock, and reported as such.) */
static void block(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

static int deaf(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_blocking(block, NULL);
    return 0;
}

static int stuck_program(int fd)
{
    struct conc_shutdown *shutdown = watch_usual();
    struct conc_worker_pool *pool = pool_of(1, 8);
    unit_ok(conc_worker_pool_submit(pool, deaf, NULL, NULL));
    tell(fd, 'w');
    unit_ok(conc_shutdown_wait(shutdown, NULL));
    tell(fd, 'd'); /* draining */
    conc_shutdown_pool(pool, CONC_MS(1), NULL);
    tell(fd, 'x'); /* never */
    return 1;
}

START_TEST(second_signal_ends_at_once)
{
    /* TSan may keep the second for a fiber that runs no more: under it, on threads alone. */
    if (unit_on_sim() || (UNIT_TSAN && strcmp(conc_engine_name(), "fibers") == 0))
        return;
    static const int signals[][2] = {{SIGTERM, SIGTERM}, {SIGTERM, SIGINT}, {SIGINT, SIGTERM}};
    for (int i = 0; i < 3; i++) {
        struct talk talk = begin_child(stuck_program);
        await(talk, 'w');
        ck_assert_int_eq(kill(talk.pid, signals[i][0]), 0);
        await(talk, 'd');
        ck_assert_int_eq(kill(talk.pid, signals[i][1]), 0);
        /* Memcheck finds that threads were cut off, as they were, and changes the exit code. */
        ends_with(talk, 128 + signals[i][1], RUNNING_ON_VALGRIND ? 99 : 0);
    }
}
END_TEST

/* After destroy a signal has its old effect. */
static int finished_program(int fd)
{
    conc_shutdown_destroy(watch_usual());
    tell(fd, 'w');
    block(NULL);
    return 1;
}

START_TEST(signal_after_destroy)
{
    struct talk talk = begin_child(finished_program);
    int status;
    await(talk, 'w');
    ck_assert_int_eq(kill(talk.pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(talk.pid, &status, 0), talk.pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(talk.fd);
}
END_TEST

/* Signals at any moment of making and ending: noticed, ignored, never a crash. */
static void ignore(int signal)
{
    (void)signal;
}

/* To the thread that runs: one for the process may be taken by another thread, later, and would be
 * the second signal of the next round. */
static void raise_one(void *arg)
{
    (void)arg;
    raise(SIGUSR1);
}

START_TEST(signal_at_any_moment)
{
    static const int signals[] = {SIGUSR1};
    signal(SIGUSR1, ignore);
    for (struct unit_stress s = unit_stress_begin(0.4); unit_stress_more(&s);) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_shutdown *shutdown;
        if (s.seed % 2)
            unit_ok(conc_wait_group_go(&group, raise_one, NULL));
        unit_ok(conc_shutdown_create(&shutdown, signals, 1, NULL));
        if (s.seed % 2 == 0)
            unit_ok(conc_wait_group_go(&group, raise_one, NULL));
        if (s.seed % 4 == 0)
            unit_ok(conc_shutdown_wait(shutdown, NULL));
        conc_shutdown_destroy(shutdown);
        unit_ok(conc_wait_group_wait(&group, NULL));
        conc_wait_group_destroy(&group);
    }
}
END_TEST

int main(void)
{
    return unit_main("graceful_shutdown", first_signal, waiters_are_woken, no_signal,
        handlers_come_back, faults, pool_drains, pool_runs_out_of_time, pool_drains_what_runs,
        signal_from_outside, second_signal_ends_at_once, signal_after_destroy,
        signal_at_any_moment);
}
