/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60; one engine; no threads */

/* What is the fibers engine's alone. Every test sets the engine and the workers before its first
 * call into conc. */

#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "runtime/engine.h"
#include "runtime/errno.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

static void begin(const char *workers)
{
    setenv("CONC_WORKERS", workers, 1);
    unit_ok(conc_engine_select("fibers"));
}

/* ---------------------------------------------------------------- main is a task like any other */

struct hog {
    struct conc_chan *ch; /* to be sent to first; may be NULL */
    atomic_bool enough;
    bool seen; /* enough was set in time */
};

/* Computes, without a call that could let others run, until it is told that it is enough. */
static void compute(void *arg)
{
    struct hog *hog = arg;
    if (hog->ch)
        conc_chan_send(hog->ch, NULL, NULL);
    for (int64_t end = conc_now_ns() + CONC_S(10); conc_now_ns() < end && !hog->seen;)
        hog->seen = atomic_load(&hog->enough);
}

START_TEST(main_sleeps_while_a_task_computes)
{
    begin("2");
    struct hog hog = {.ch = NULL};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, compute, &hog));
    conc_sleep(CONC_MS(1), NULL);
    atomic_store(&hog.enough, true);
    conc_task_join(task);
    ck_assert(hog.seen);
}
END_TEST

START_TEST(main_receives_while_a_task_computes)
{
    begin("2");
    struct hog hog = {.seen = false};
    struct conc_task *task;
    unit_ok(conc_chan_create(&hog.ch, 0, 0, NULL));
    unit_ok(conc_task_start(&task, compute, &hog));
    unit_ok(conc_chan_recv(hog.ch, NULL, NULL));
    atomic_store(&hog.enough, true);
    conc_task_join(task);
    ck_assert(hog.seen);
    conc_chan_destroy(hog.ch);
}
END_TEST

struct holder {
    pid_t thread;
    atomic_bool enough;
};

/* Computes on one thread until told, on any other for a moment. */
static void hold(void *arg)
{
    struct holder *holder = arg;
    bool there = gettid() == holder->thread; /* no call follows that could change it */
    int64_t end = conc_now_ns() + (there ? CONC_S(10) : CONC_MS(1));
    while (!atomic_load(&holder->enough) && conc_now_ns() < end)
        ;
}

/* Moves the calling task, which is main, to another thread. */
static void move_main(void)
{
    pid_t begun_on = gettid(); /* pthread_self may be taken for the same in all of a function */
    for (int i = 0; i < 1000 && gettid() == begun_on; i++) {
        struct holder holder = {.thread = begun_on};
        struct conc_task *tasks[2];
        for (int k = 0; k < 2; k++)
            if (conc_task_start(&tasks[k], hold, &holder) != 0)
                abort();
        conc_sleep(CONC_US(200), NULL);
        atomic_store(&holder.enough, true);
        poll(NULL, 0, 1); /* a join that had to wait would take main to where the task ends */
        for (int k = 0; k < 2; k++)
            conc_task_join(tasks[k]);
    }
    if (gettid() == begun_on)
        abort();
}

/* What the tests below run in a process of its own, with two workers. */
static int in_child(void *fn)
{
    setenv("CONC_WORKERS", "2", 1);
    setenv("CONC_ENGINE", "fibers", 1);
    return unit_call_void(fn);
}

static void child(struct unit_child *child, void (*fn)(void))
{
    unit_child_run(child, in_child, &fn, NULL);
}

static void exits(void (*fn)(void), int code, const char *text)
{
    struct unit_child result;
    child(&result, fn);
    ck_assert_msg(result.exit_code == code && strstr(result.err, text),
        "exit code %d, not %d; signal %d; stderr: %s", result.exit_code, code, result.signal,
        result.err);
}

static void exit_elsewhere(void)
{
    move_main();
    exit(0);
}

static void fail_elsewhere(void)
{
    move_main();
    exit(7);
}

static void wait_for_ever(void *arg)
{
    conc_chan_recv(arg, NULL, NULL);
}

static void leak_elsewhere(void)
{
    struct conc_chan *ch;
    struct conc_task *task;
    unit_ok(conc_chan_create(&ch, 0, 0, NULL));
    unit_ok(conc_task_start(&task, wait_for_ever, ch));
    conc_sleep(CONC_US(100), NULL);
    move_main();
    exit(0);
}

static void deadlock_elsewhere(void)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, 0, 0, NULL));
    move_main();
    conc_chan_recv(ch, NULL, NULL);
}

static void sleep_a_little(void)
{
    conc_sleep(CONC_MS(2), NULL);
}

static void sleep_at_exit(void)
{
    atexit(sleep_a_little); /* before conc's own: so it comes after it */
    exit_elsewhere();
}

START_TEST(main_ends_on_another_thread)
{
    exits(exit_elsewhere, 0, "");
    exits(fail_elsewhere, 7, "");
    exits(leak_elsewhere, 4, "wait_for_ever");
    if (!UNIT_TSAN) /* which has one thread more after each fork, for conc a stranger */
        exits(deadlock_elsewhere, 3, "to receive from channel");
    exits(sleep_at_exit, 0, "");
}
END_TEST

static void say_done(void *arg)
{
    (void)arg;
    conc_sleep(CONC_MS(2), NULL);
    fputs("done", stderr);
}

/* LeakSanitizer asks this. What check keeps is lost when main's stack is gone. */
static bool main_is_gone;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return main_is_gone;
}

/* The others go on until they have ended; then the process does, as with threads. */
static void leave_main(void)
{
    struct conc_task *task;
    unit_ok(conc_task_start(&task, say_done, NULL));
    main_is_gone = true;
    pthread_exit(NULL);
}

static void leave_main_elsewhere(void)
{
    move_main();
    leave_main();
}

static void push_and_leave(void *arg)
{
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, free, arg);
    pthread_exit(NULL);
}

static void leave_with_cleanup(void)
{
    struct conc_task *task;
    unit_ok(conc_task_start(&task, push_and_leave, NULL));
    conc_task_join(task);
}

/* ThreadSanitizer dies of a pthread_exit by a fiber. */
START_TEST(main_leaves_by_pthread_exit)
{
    if (UNIT_TSAN)
        return;
    exits(leave_main, 0, "done");
    exits(leave_main_elsewhere, 0, "done");
    struct unit_child result;
    child(&result, leave_with_cleanup);
    ck_assert_int_eq(result.signal, SIGABRT);
    ck_assert_ptr_nonnull(strstr(result.err, "was ended by pthread_exit"));
}
END_TEST

static void leave(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    pthread_exit(NULL);
}

/* Ends the task, and neither its worker nor anybody else. */
START_TEST(task_leaves_by_pthread_exit)
{
    if (UNIT_TSAN)
        return;
    begin("2");
    atomic_int left = 0;
    for (int i = 0; i < 100; i++) {
        struct conc_task *task;
        unit_ok(conc_task_start(&task, leave, &left));
        conc_task_join(task);
    }
    ck_assert_int_eq(left, 100);
}
END_TEST

START_TEST(main_forks_on_another_thread)
{
    begin("2");
    move_main();
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0 && i == 0 && !UNIT_ASAN) /* LeakSanitizer finds no stack of a forked thread */
            exit(5);
        if (pid == 0)
            execl("/bin/sh", "/bin/sh", "-c", "exit 5", (char *)NULL);
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    }
    move_main();
}
END_TEST

static __attribute__((noinline)) int errno_now(void)
{
    __asm__ volatile("");
    return errno;
}

static __attribute__((noinline)) void set_errno(int value)
{
    __asm__ volatile("");
    errno = value;
}

/* The errno of a thread is that of the task on it. */
START_TEST(errno_goes_along)
{
    begin("2");
    for (int i = 1; i <= 4; i++) {
        set_errno(100 + i);
        move_main();
        ck_assert_int_eq(errno_now(), 100 + i);
    }
}
END_TEST

/* ---------------------------------------------------------------- idle workers */

struct bell {
    int fd;
    int after_ms;
    pthread_t thread;
};

static void *ring(void *arg)
{
    struct bell *bell = arg;
    poll(NULL, 0, bell->after_ms);
    return write(bell->fd, "", 1) == 1 ? NULL : arg;
}

/* All workers sleep, and nothing is due; then one is woken from outside, and its task sleeps for a
 * moment. A worker that had fallen asleep as the keeper of time, for ever, must not be relied on.
 */
START_TEST(a_timer_after_a_rest)
{
    begin("2");
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    for (int i = 0; i < 100; i++) {
        /* After 40 ms they have gone to rest, after 2 they take naps. */
        struct bell bell = {.fd = ends[1], .after_ms = i % 10 == 0 ? 40 : 2};
        ck_assert_int_eq(pthread_create(&bell.thread, NULL, ring, &bell), 0);
        unit_ok(conc_fd_wait(ends[0], POLLIN, NULL));
        conc_sleep(CONC_MS(1), NULL);
        char byte;
        ck_assert_int_eq(read(ends[0], &byte, 1), 1);
        pthread_join(bell.thread, NULL);
    }
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* ---------------------------------------------------------------- who lets nobody else run */

struct looper {
    bool checks; /* at a checkpoint in each round */
    int64_t ns;  /* for how long at most */
    atomic_bool enough;
    bool seen;
};

static void loop(void *arg)
{
    struct looper *looper = arg;
    int64_t end = conc_now_ns() + looper->ns;
    while (!looper->seen && conc_now_ns() < end) {
        looper->seen = atomic_load(&looper->enough);
        if (looper->checks)
            conc_checkpoint();
    }
}

/* Starts a task that loops, and sleeps: whether the task still looped after the sleep. */
static bool sleep_while_one_loops(bool checks, int64_t ns)
{
    struct looper looper = {.checks = checks, .ns = ns};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, loop, &looper));
    conc_sleep(CONC_MS(1), NULL);
    atomic_store(&looper.enough, true);
    conc_task_join(task);
    return looper.seen;
}

START_TEST(checkpoint_lets_others_run)
{
    begin("1");
    for (int i = 0; i < 3; i++)
        ck_assert(sleep_while_one_loops(true, CONC_S(10)));
}
END_TEST

START_TEST(checkpoint_on_threads)
{
    unit_ok(conc_engine_select("threads"));
    ck_assert(sleep_while_one_loops(true, CONC_S(10)));
}
END_TEST

struct sleeper {
    struct conc_context until;
    bool woken;
};

static void sleep_until(void *arg)
{
    struct sleeper *sleeper = arg;
    sleeper->woken = conc_context_wait(&sleeper->until) == ETIMEDOUT;
}

static void end_at_once(void *arg)
{
    (void)arg;
}

/* The end of a task hands the worker to who joins it, who may go on to start the next, for ever. A
 * timer is looked at all the same, every 16th turn: whether that is one of the joiner, or of a task
 * that ends. Which it is changes with one turn more, or with what comes between the rounds. */
START_TEST(joins_keep_nobody_waiting)
{
    begin("1");
    for (int round = 0; round < 6; round++) {
        struct sleeper sleeper = {.woken = false};
        struct conc_task *asleep, *task;
        int64_t due = conc_now_ns() + CONC_MS(1);
        conc_context_with_deadline(&sleeper.until, NULL, due);
        unit_ok(conc_task_start(&asleep, sleep_until, &sleeper));
        conc_yield();
        if (round / 2 % 2 == 1)
            conc_yield();
        int late = 0;
        while (!sleeper.woken && late < 1000) {
            late += conc_now_ns() >= due;
            unit_ok(conc_task_start(&task, end_at_once, NULL));
            conc_task_join(task);
        }
        ck_assert_int_lt(late, 100);
        conc_task_join(asleep);
        conc_context_destroy(&sleeper.until);
    }
}
END_TEST

enum { LINKS = 1000 };

struct chain {
    struct conc_chan *ch;
    struct conc_task *tasks[LINKS];
    int begun;
    atomic_bool over;
    int turns; /* of one who is always ready */
};

/* Joins the one before; the first waits for a word. */
static void join_the_last(void *arg)
{
    struct chain *chain = arg;
    int mine = chain->begun++;
    if (mine == 0)
        conc_chan_recv(chain->ch, NULL, NULL);
    else
        conc_task_join(chain->tasks[mine - 1]);
}

static void take_turns(void *arg)
{
    struct chain *chain = arg;
    while (!atomic_load(&chain->over)) {
        chain->turns++;
        conc_yield();
    }
}

/* Each end lets the next one end: after three the one who is ready has its turn. */
START_TEST(chains_of_joins_let_others_in)
{
    static struct chain chain;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    begin("1");
    unit_ok(conc_chan_create(&chain.ch, 0, 0, NULL));
    for (int i = 0; i < LINKS; i++)
        unit_ok(conc_task_start(&chain.tasks[i], join_the_last, &chain));
    unit_ok(conc_wait_group_go(&group, take_turns, &chain));
    unit_wait_parked(LINKS);
    int before = chain.turns;
    unit_ok(conc_chan_send(chain.ch, NULL, NULL));
    conc_task_join(chain.tasks[LINKS - 1]);
    int turns = chain.turns - before;
    atomic_store(&chain.over, true);
    conc_wait_group_wait(&group, NULL);
    ck_assert_msg(turns >= LINKS / 5, "%d turns beside %d ends", turns, LINKS);
    conc_chan_destroy(chain.ch);
}
END_TEST

static void loops_for_long(void)
{
    setenv("CONC_WORKERS", "1", 1);
    sleep_while_one_loops(false, CONC_MS(300));
}

static void loops_and_checks(void)
{
    setenv("CONC_WORKERS", "1", 1);
    struct looper looper = {.checks = true, .ns = CONC_MS(500)};
    struct conc_task *tasks[2];
    for (int i = 0; i < 2; i++)
        unit_ok(conc_task_start(&tasks[i], loop, &looper));
    for (int i = 0; i < 2; i++)
        conc_task_join(tasks[i]);
}

static void loops_beside_idle_workers(void)
{
    sleep_while_one_loops(false, CONC_MS(500));
}

static int lines_in(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

START_TEST(stuck_task_is_named_once)
{
    setenv("CONC_STUCK_MS", "50", 1);
    struct unit_child result;
    child(&result, loops_for_long);
    ck_assert_int_eq(result.exit_code, 0);
    const char *parts[] = {"conc: task ", " loop, started at ",
        "test_fibers.c:", " in sleep_while_one_loops: ", "conc_checkpoint", "conc_blocking"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(result.err, parts[i]), "no '%s' in: %s", parts[i], result.err);
    ck_assert_msg(lines_in(result.err) == 1, "not one line: %s", result.err);
}
END_TEST

static void says_nothing(void (*fn)(void))
{
    struct unit_child result;
    child(&result, fn);
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_str_eq(result.err, "");
}

START_TEST(no_notice_without_reason)
{
    setenv("CONC_STUCK_MS", "200", 1);
    says_nothing(loops_and_checks);
    says_nothing(loops_beside_idle_workers);
    setenv("CONC_STUCK_MS", "0", 1);
    says_nothing(loops_for_long);
}
END_TEST

static void set_flag(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

static void *use_conc(void *arg)
{
    struct conc_task *task;
    if (conc_task_start(&task, set_flag, arg) == 0)
        conc_task_join(task);
    return NULL;
}

static void on_one_core(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        abort();
    unsetenv("CONC_WORKERS");
}

static void main_polls(void)
{
    on_one_core();
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    atomic_bool flags[4] = {false};
    for (int i = 0; i < 4; i++)
        unit_ok(conc_wait_group_go(&group, set_flag, &flags[i]));
    while (conc_wait_group_count(&group) > 0)
        continue;
    conc_wait_group_destroy(&group);
}

static void main_blocks(void)
{
    on_one_core();
    conc_task_self();
    atomic_bool flag = false;
    pthread_t thread;
    if (pthread_create(&thread, NULL, use_conc, &flag) != 0 || pthread_join(thread, NULL) != 0)
        abort();
    ck_assert(flag);
}

static void task_loops(void)
{
    on_one_core();
    ck_assert(sleep_while_one_loops(false, CONC_S(10)));
}

/* Where there is one worker for one core, those that it holds up get another. */
START_TEST(stuck_worker_is_relieved)
{
    void (*cases[])(void) = {main_polls, main_blocks, task_loops};
    setenv("CONC_ENGINE", "fibers", 1);
    setenv("CONC_STUCK_MS", "300", 1); /* on a busy core a thread has waited for 0.1 s */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct unit_child result;
        child(&result, cases[i]);
        ck_assert_int_eq(result.exit_code, 0);
        ck_assert_msg(lines_in(result.err) == 1, "not one line: %s", result.err);
    }
}
END_TEST

/* ---------------------------------------------------------------- settings */

static void start_and_join(void)
{
    atomic_bool set = false;
    use_conc(&set);
}

START_TEST(bad_settings)
{
    setenv("CONC_ENGINE", "fibers", 1);
    const struct {
        const char *name;
        const char *values[6];
    } settings[] = {
        {"CONC_WORKERS", {"0", "-1", "256", "two", "2x", "99999999999999999999"}},
        {"CONC_STACK", {"0", "15", "1048577", "64k", " ", "-64"}},
        {"CONC_STUCK_MS", {"-1", "1s", "x", "1e3", "0x", "99999999999999999999"}},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        for (int k = 0; k < 6; k++) {
            const char *value = settings[i].values[k];
            setenv(settings[i].name, value, 1);
            struct unit_child result;
            unit_child_run(&result, unit_call_void, &(void (*)(void)){start_and_join}, NULL);
            ck_assert_msg(result.exit_code == 2 && lines_in(result.err) == 1 &&
                              strstr(result.err, settings[i].name) && strstr(result.err, value),
                "%s=%s: exit code %d, stderr: %s", settings[i].name, value, result.exit_code,
                result.err);
        }
        unsetenv(settings[i].name);
    }
}
END_TEST

/* ---------------------------------------------------------------- stacks */

static void dig(void *arg)
{
    *(int *)arg = unit_dig(*(int *)arg);
}

static void dig_deep(void)
{
    int n = 1000000;
    struct conc_task *task;
    unit_ok(conc_task_start(&task, dig, &n));
    conc_task_join(task);
}

static void dig_within(void)
{
    int n = 1000; /* some 560 KiB */
    struct conc_task *task;
    unit_ok(conc_task_start(&task, dig, &n));
    conc_task_join(task);
}

START_TEST(overflow_is_named)
{
    if (UNIT_SANITIZED)
        return; /* the signal is theirs */
    for (int i = 0; i < 2; i++) {
        struct unit_child result;
        child(&result, i == 0 ? dig_deep : dig_within);
        ck_assert_msg(result.signal == SIGSEGV, "signal %d, exit code %d, stderr: %s",
            result.signal, result.exit_code, result.err);
        const char *parts[] = {
            "overflowed its stack", "CONC_STACK", " dig, started at ", "test_fibers.c:", ": runs"};
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            ck_assert_msg(strstr(result.err, parts[k]), "no '%s' in: %s", parts[k], result.err);
        ck_assert_int_eq(lines_in(result.err), 2);
    }
    setenv("CONC_STACK", "1024", 1);
    exits(dig_within, 0, "");
}
END_TEST

static void crash(void *arg)
{
    int *volatile nowhere = arg;
    *nowhere = 1;
}

static void crash_elsewhere(void)
{
    struct conc_task *task;
    unit_ok(conc_task_start(&task, crash, NULL));
    conc_task_join(task);
}

START_TEST(other_faults_are_left_alone)
{
    if (UNIT_SANITIZED)
        return;
    struct unit_child result;
    child(&result, crash_elsewhere);
    ck_assert_int_eq(result.signal, SIGSEGV);
    ck_assert_str_eq(result.err, "");
}
END_TEST

static size_t resident(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    char *second = strchr(text, ' ');
    ck_assert_ptr_nonnull(second);
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

struct crowd {
    struct conc_chan *ch;
    atomic_size_t begun;
    atomic_size_t woken;
};

static void be_one_of_many(void *arg)
{
    struct crowd *crowd = arg;
    atomic_fetch_add(&crowd->begun, 1);
    if (conc_chan_recv(crowd->ch, NULL, NULL) == EPIPE)
        atomic_fetch_add(&crowd->woken, 1);
}

/* All alive at once under default limits, and twice, for stacks are used anew. */
START_TEST(a_hundred_thousand)
{
    unit_ok(conc_engine_select("fibers"));
    size_t n = UNIT_TSAN ? 500 : unit_scaled(100000); /* for TSan each is a thread */
    size_t before = resident();
    size_t grown[2];
    for (int i = 0; i < 2; i++) {
        struct crowd crowd = {.begun = 0};
        struct conc_wait_group group;
        conc_wait_group_init(&group);
        unit_ok(conc_chan_create(&crowd.ch, 0, 0, NULL));
        for (size_t k = 0; k < n; k++)
            unit_ok(conc_wait_group_go(&group, be_one_of_many, &crowd));
        unit_wait_until(atomic_load(&crowd.begun) == n);
        ck_assert_uint_eq(conc_census_count(), n + 1);
        grown[i] = resident() - before;
        unit_ok(conc_chan_close(crowd.ch));
        unit_ok(conc_wait_group_wait(&group, NULL));
        ck_assert_uint_eq(crowd.woken, n);
        conc_wait_group_destroy(&group);
        conc_chan_destroy(crowd.ch);
    }
    if (!UNIT_SANITIZED)
        ck_assert_msg(grown[1] < n * 5000, "%zu bytes a task", grown[1] / n);
    ck_assert_msg(grown[1] < grown[0] + grown[0] / 10, "from %zu to %zu", grown[0], grown[1]);
}
END_TEST

/* ---------------------------------------------------------------- calls that block in the kernel
 */

static void change_errno(void *arg)
{
    *(int *)arg = errno;
    errno = ENOTTY;
}

static void leave_errno(void *arg)
{
    (void)arg;
}

START_TEST(blocking_carries_errno)
{
    begin("2");
    for (int i = 0; i < 100; i++) {
        int before = 0;
        conc_errno = EDOM;
        conc_blocking(change_errno, &before);
        int after = conc_errno;
        ck_assert_int_eq(before, EDOM);
        ck_assert_int_eq(after, ENOTTY);
        conc_blocking(leave_errno, NULL);
        after = conc_errno;
        ck_assert_int_eq(after, ENOTTY);
    }
}
END_TEST

static int threads_of_process(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

struct crossing {
    pthread_barrier_t all; /* in the kernel at once, or nobody gets on */
    atomic_int crossed;
};

enum { BLOCKED = 16 };

static void cross(void *arg)
{
    struct crossing *crossing = arg;
    pthread_barrier_wait(&crossing->all);
    atomic_fetch_add(&crossing->crossed, 1);
}

static void cross_by_blocking(void *arg)
{
    for (int i = 0; i < 100; i++)
        conc_blocking(cross, arg);
}

/* All at once get a thread each, again and again the same threads; and when there is one call at a
 * time, the thread that was idle last gets it, so that the others end though calls go on. */
START_TEST(blocking_threads_come_and_go)
{
    begin("2");
    struct crossing crossing = {.crossed = 0};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    int before = 0;
    conc_blocking(change_errno, &before); /* now all the engine's threads are there, and one more */
    int few = threads_of_process();
    pthread_barrier_init(&crossing.all, NULL, BLOCKED);
    for (int i = 0; i < BLOCKED; i++)
        unit_ok(conc_wait_group_go(&group, cross_by_blocking, &crossing));
    conc_wait_group_wait(&group, NULL);
    pthread_barrier_destroy(&crossing.all);
    ck_assert_int_eq(crossing.crossed, 100 * BLOCKED);
    int many = threads_of_process();
    ck_assert_msg(many <= few + 2 * BLOCKED, "%d threads, and then %d", few, many);

    int left = many;
    for (int64_t end = conc_now_ns() + CONC_S(20); left > few + 2 && conc_now_ns() < end;) {
        conc_blocking(change_errno, &before);
        conc_sleep(CONC_MS(20), NULL);
        left = threads_of_process();
    }
    ck_assert_msg(left <= few + 2, "%d threads, then %d, and %d at last", few, many, left);
}
END_TEST

/* ---------------------------------------------------------------- threads that conc did not start
 */

/* Main's thread has never called conc, and so is no worker. */
START_TEST(without_main)
{
    setenv("CONC_ENGINE", "fibers", 1);
    atomic_bool flags[4] = {false};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_conc, &flags[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(flags[i]);
    }
    conc_sleep(CONC_US(1), NULL);
    move_main(); /* now it is, the last of them */
}
END_TEST

enum { ROUND_TRIPS = 5000 };

struct talk {
    struct conc_chan *there;
    struct conc_chan *back;
};

static void *answer(void *arg)
{
    struct talk *talk = arg;
    for (size_t i = 0; i < unit_scaled(ROUND_TRIPS); i++)
        if (conc_chan_recv(talk->there, NULL, NULL) != 0 || conc_chan_send(talk->back, &i, NULL))
            abort();
    return NULL;
}

/* Always one of two is awake: the only worker, or a thread that is none. The worker falls asleep
 * just when the thread has put main into its queue, and then the thread does. */
static int talk_to_a_thread(void *unused)
{
    (void)unused;
    struct talk talk;
    pthread_t thread;
    begin("1");
    unit_ok(conc_chan_create(&talk.there, sizeof(int), 0, NULL));
    unit_ok(conc_chan_create(&talk.back, sizeof(size_t), 0, NULL));
    ck_assert_int_eq(pthread_create(&thread, NULL, answer, &talk), 0);
    size_t answered;
    for (size_t i = 0; i < unit_scaled(ROUND_TRIPS); i++)
        if (conc_chan_send(talk.there, &(int){1}, NULL) != 0 ||
            conc_chan_recv(talk.back, &answered, NULL) != 0 || answered != i)
            return 1;
    pthread_join(thread, NULL);
    conc_chan_destroy(talk.there);
    conc_chan_destroy(talk.back);
    return 0;
}

START_TEST(threads_talk_to_fibers)
{
    struct unit_child result;
    unit_child_run(&result, talk_to_a_thread, NULL, NULL);
    ck_assert_msg(result.exit_code == 0, "exit code %d, signal %d: %s", result.exit_code,
        result.signal, result.err);
}
END_TEST

int main(void)
{
    return unit_main("fibers", main_sleeps_while_a_task_computes,
        main_receives_while_a_task_computes, main_ends_on_another_thread,
        main_leaves_by_pthread_exit, task_leaves_by_pthread_exit, main_forks_on_another_thread,
        errno_goes_along, a_timer_after_a_rest, checkpoint_lets_others_run, checkpoint_on_threads,
        joins_keep_nobody_waiting, chains_of_joins_let_others_in, stuck_task_is_named_once,
        no_notice_without_reason, stuck_worker_is_relieved, bad_settings, overflow_is_named,
        other_faults_are_left_alone, a_hundred_thousand, blocking_carries_errno,
        blocking_threads_come_and_go, without_main, threads_talk_to_fibers);
}
