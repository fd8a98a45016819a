/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/*
 * The three reports of the census: all asleep (exit code 3), leak (4), SIGQUIT; and when they must
 * stay silent. Each runs in a child that behaves as a small program.
 */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>

#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/mutex.h"
#include "sync/once.h"
#include "sync/rw_mutex.h"
#include "sync/select.h"
#include "sync/semaphore.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

/* ThreadSanitizer brings threads of its own into a forked child, and how many is its affair. The
 * census takes them for threads that might wake somebody, and rightly reports no deadlock. In a
 * program of its own there is one such thread, which the census knows of. */
#define FORKS_HAVE_STRANGERS UNIT_TSAN

#define DEADLOCK "conc: all tasks are asleep – deadlock!\n"

enum { EXIT_DEADLOCK = 3, EXIT_LEAK = 4 };

/* Everything lies in static storage, so that a process which ends early has not lost it. */
static struct conc_chan *chan;
static struct conc_chan *other_chan;

static void must(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "unexpected: %s\n", strerror(rc));
        _exit(99);
    }
}

static void make_chans(void)
{
    must(conc_chan_create(&chan, sizeof(int), 0, NULL));
    must(conc_chan_create(&other_chan, sizeof(int), 0, NULL));
}

static struct unit_child child;

/* In the child: says on which line the statement behind this one stands. */
#define NEXT_LINE_IS(name) printf(name "=%d\n", __LINE__ + 1)

static int line_of(const char *name)
{
    const char *at = strstr(child.out, name);
    ck_assert_msg(at && at[strlen(name)] == '=', "no line of %s in: %s", name, child.out);
    return atoi(at + strlen(name) + 1);
}

static void run(int (*program)(void *), int exit_code)
{
    unit_child_run(&child, program, NULL, NULL);
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

/* A line of the list: `start`, then this file and the line called `name`, then `end`. */
static void expect_line(const char *start, const char *name, const char *end)
{
    char place[40];
    snprintf(place, sizeof place, "test_census.c:%d in ", line_of(name));
    for (char *at = child.err; (at = strstr(at, start)); at++) {
        char *newline = strchr(at, '\n');
        char *site = strstr(at, place);
        char *rest = strstr(at, end);
        if (newline && site && site < newline && rest && rest < newline)
            return;
    }
    ck_abort_msg("no line '%s … %s … %s' in: %s", start, place, end, child.err);
}

/* ---------------------------------------------------------------- all asleep */

static int lonely(void *unused)
{
    (void)unused;
    make_chans();
    int value;
    NEXT_LINE_IS("wait");
    conc_chan_recv(chan, &value, NULL);
    return 0;
}

START_TEST(main_alone)
{
    run(lonely, EXIT_DEADLOCK);
    ck_assert_ptr_eq(strstr(child.err, DEADLOCK), child.err);
    expect_line("  task 1 main: waits to receive from channel 0x", "wait", "in lonely, for ");
}
END_TEST

static void ends_at_once(void *unused)
{
    (void)unused;
}

/* The last task that is awake does not fall asleep but ends. */
static int lonely_after_an_end(void *unused)
{
    (void)unused;
    struct conc_task *task;
    make_chans();
    if (conc_task_start(&task, ends_at_once, NULL) != 0)
        return 1;
    conc_chan_recv(chan, NULL, NULL);
    return 0;
}

START_TEST(the_last_awake_ends)
{
    if (FORKS_HAVE_STRANGERS)
        return;
    run(lonely_after_an_end, EXIT_DEADLOCK);
    ck_assert_ptr_eq(strstr(child.err, DEADLOCK), child.err);
}
END_TEST

static void taker(void *arg)
{
    NEXT_LINE_IS("taker waits");
    conc_chan_recv((struct conc_chan *)arg, NULL, NULL);
}

static int wait_for_each_other(void *unused)
{
    struct conc_task *task;
    (void)unused;
    make_chans();
    /* The worker waits to receive what main would send after main has joined it. */
    NEXT_LINE_IS("taker starts");
    must(conc_task_start(&task, taker, chan));
    NEXT_LINE_IS("main waits");
    conc_task_join(task);
    conc_chan_send(chan, &(int){1}, NULL);
    return 0;
}

START_TEST(two_tasks)
{
    if (FORKS_HAVE_STRANGERS)
        return;
    run(wait_for_each_other, EXIT_DEADLOCK);
    expect(DEADLOCK);
    expect_line("  task 1 main: waits for the end of task", "main waits", "in wait_for_each_other");
    expect_line("  task 2 taker, started at ", "taker starts", ": waits to receive from channel");
    expect_line("  task 2 taker, started at ", "taker waits", "in taker, for ");
}
END_TEST

/* Every waiting call says what it waits for and where: the line of the caller, not of the library.
 */

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct conc_mutex held = CONC_MUTEX_INIT;
static struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
static struct conc_cond cond = CONC_COND_INIT;
static struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
static struct conc_semaphore semaphore;
static struct conc_once once = CONC_ONCE_INIT;
static struct conc_context context;

static void inside_once(void *arg)
{
    conc_chan_recv((struct conc_chan *)arg, NULL, NULL);
}

static void in_send(void *arg)
{
    conc_chan_send((struct conc_chan *)arg, &(int){1}, NULL);
}

static void in_select(void *arg)
{
    struct conc_select_case cases[] = {CONC_RECV(arg, NULL), CONC_RECV(other_chan, NULL)};
    size_t chosen;
    conc_select(cases, 2, &chosen, NULL);
}

static void in_mutex(void *arg)
{
    (void)arg;
    conc_mutex_lock(&held, NULL);
}

static void in_write_lock(void *arg)
{
    (void)arg;
    conc_rw_mutex_lock(&rw, NULL);
}

static void in_read_lock(void *arg)
{
    (void)arg;
    conc_rw_mutex_read_lock(&rw, NULL);
}

static void in_cond(void *arg)
{
    (void)arg;
    conc_mutex_lock(&mutex, NULL);
    conc_cond_wait(&cond, &mutex, NULL);
}

static void in_wait_group(void *arg)
{
    (void)arg;
    conc_wait_group_wait(&group, NULL);
}

static void in_semaphore(void *arg)
{
    (void)arg;
    conc_semaphore_acquire(&semaphore, 1, NULL);
}

static void in_once(void *arg)
{
    (void)arg;
    conc_once_do(&once, inside_once, NULL, NULL);
}

static void in_context(void *arg)
{
    (void)arg;
    conc_context_wait(&context);
}

static void run_once(void *arg)
{
    conc_once_do(&once, inside_once, arg, NULL);
}

static int wait_in_every_way(void *unused)
{
    void (*const waits[])(void *) = {in_send, in_mutex, in_write_lock, in_read_lock, in_cond,
        in_wait_group, in_semaphore, run_once, in_context, in_select};
    static struct conc_task *tasks[16];
    (void)unused;
    make_chans();
    must(conc_mutex_lock(&held, NULL));
    must(conc_rw_mutex_lock(&rw, NULL));
    conc_wait_group_add(&group, 1);
    must(conc_semaphore_init(&semaphore, 1));
    must(conc_semaphore_acquire(&semaphore, 1, NULL));
    conc_context_with_cancel(&context, NULL);
    static struct conc_chan *chans[16];
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        must(conc_chan_create(&chans[i], sizeof(int), 0, NULL));
        must(conc_task_start(&tasks[i], waits[i], chans[i]));
    }
    while (unit_parked() < 10)
        conc_yield();
    must(conc_task_start(&tasks[15], in_once, NULL));
    conc_task_join(tasks[0]);
    return 0;
}

START_TEST(every_way_to_wait)
{
    if (FORKS_HAVE_STRANGERS)
        return;
    run(wait_in_every_way, EXIT_DEADLOCK);
    expect(DEADLOCK);
    const char *const lines[] = {
        ": waits to send to channel 0x",
        ": waits to lock mutex 0x",
        ": waits to lock for writing 0x",
        ": waits to lock for reading 0x",
        ": waits on condition 0x",
        ": waits for wait group 0x",
        ": waits for permits of semaphore 0x",
        ": waits for once 0x",
        ": waits for the end of context 0x",
        ": waits in select 0x",
        ": waits to receive from channel 0x",
        ": waits for the end of task 0x",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect(lines[i]);
    /* The place is the caller's: a function above, never one of the library. */
    const char *const callers[] = {"in_send", "in_mutex", "in_write_lock", "in_read_lock",
        "in_cond", "in_wait_group", "in_semaphore", "in_once", "in_context", "in_select",
        "inside_once"};
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++) {
        char text[60];
        snprintf(text, sizeof text, " in %s, for ", callers[i]);
        expect(text);
    }
    ck_assert_msg(!strstr(child.err, "patterns/"), "a place inside the library: %s", child.err);
}
END_TEST

/* A stranger that has gone cannot wake anybody. */
static void *do_nothing(void *arg)
{
    conc_task_self();
    return arg;
}

static int after_a_foreign_thread(void *unused)
{
    pthread_t thread;
    (void)unused;
    make_chans();
    pthread_create(&thread, NULL, do_nothing, NULL);
    pthread_join(thread, NULL);
    conc_chan_recv(chan, NULL, NULL);
    return 0;
}

/* Nor can a timer that has fired, been stopped or been destroyed. The runtime's own task is not
 * woken for every timer that is stopped, so the report comes when its time would have come. */
static int after_timers(void *unused)
{
    static struct conc_timer *timers[3];
    (void)unused;
    make_chans();
    for (int i = 0; i < 3; i++)
        must(conc_timer_create(&timers[i], i == 0 ? 0 : CONC_MS(50)));
    must(conc_chan_recv(conc_timer_chan(timers[0]), NULL, NULL));
    conc_timer_stop(timers[1]);
    conc_timer_destroy(timers[2]);
    must(conc_sleep(CONC_MS(1), NULL));
    conc_chan_recv(chan, NULL, NULL);
    return 0;
}

static void nap_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5000; i++)
        must(conc_sleep(1 + i % 400, NULL));
}

/* Nor can many that came and went all at once, on several workers. */
static int after_many_naps(void *unused)
{
    (void)unused;
    struct conc_wait_group nappers = CONC_WAIT_GROUP_INIT;
    make_chans();
    for (int i = 0; i < 3; i++)
        must(conc_wait_group_go(&nappers, nap_often, NULL));
    must(conc_wait_group_wait(&nappers, NULL));
    conc_wait_group_destroy(&nappers);
    conc_chan_recv(chan, NULL, NULL);
    return 0;
}

/* A context without a deadline wakes nobody by itself. */
static int with_a_context(void *unused)
{
    (void)unused;
    make_chans();
    conc_context_with_cancel(&context, NULL);
    conc_chan_recv(chan, NULL, &context);
    return 0;
}

START_TEST(nothing_left_to_wake)
{
    if (FORKS_HAVE_STRANGERS)
        return;
    run(after_a_foreign_thread, EXIT_DEADLOCK);
    expect(DEADLOCK);
    run(after_timers, EXIT_DEADLOCK);
    expect(DEADLOCK);
    ck_assert_ptr_null(strstr(child.err, "service")); /* the runtime's own are not listed */
    run(with_a_context, EXIT_DEADLOCK);
    expect(DEADLOCK);
    for (int i = 0; i < 5; i++) {
        run(after_many_naps, EXIT_DEADLOCK);
        expect(DEADLOCK);
    }
}
END_TEST

/* ---------------------------------------------------------------- no false alarm */

static void send_one(void *arg)
{
    int value = 1;
    must(conc_chan_send((struct conc_chan *)arg, &value, NULL));
}

/* Each of these has all tasks but one asleep for ever, and that one in a state that ends by itself.
 */

static void sleep_then_send(void *arg)
{
    conc_sleep(CONC_MS(30), NULL);
    send_one(arg);
}

static void time_out_then_send(void *arg)
{
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(30));
    if (conc_chan_recv(other_chan, NULL, &ctx) != ETIMEDOUT)
        _exit(98);
    conc_context_destroy(&ctx);
    send_one(arg);
}

static void block(void *arg)
{
    (void)arg;
    poll(NULL, 0, 30);
}

static void block_then_send(void *arg)
{
    conc_blocking(block, NULL);
    send_one(arg);
}

static void wait_for_timer_then_send(void *arg)
{
    struct conc_timer *timer;
    must(conc_timer_create(&timer, CONC_MS(30)));
    must(conc_chan_recv(conc_timer_chan(timer), NULL, NULL));
    conc_timer_destroy(timer);
    send_one(arg);
}

static int alarm_fd;

static void wait_for_fd_then_send(void *arg)
{
    must(conc_fd_wait(alarm_fd, POLLIN, NULL));
    send_one(arg);
}

static int with_a_waker(void *arg)
{
    void (*wake)(void *);
    memcpy(&wake, arg, sizeof wake);
    struct conc_task *task;
    make_chans();
    if (wake == wait_for_fd_then_send) {
        /* Nobody in the process makes it readable: the kernel does. */
        struct itimerspec soon = {.it_value.tv_nsec = 30 * 1000 * 1000};
        alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        must(timerfd_settime(alarm_fd, 0, &soon, NULL));
    }
    must(conc_task_start(&task, wake, chan));
    must(conc_chan_recv(chan, NULL, NULL));
    conc_task_join(task);
    if (wake == wait_for_fd_then_send)
        close(alarm_fd);
    conc_chan_destroy(chan);
    conc_chan_destroy(other_chan);
    return 0;
}

static void send_from_callback(void *arg)
{
    int value = 1;
    if (conc_chan_try_send(arg, &value) != 0)
        _exit(96);
}

static int with_an_after_callback(void *unused)
{
    struct conc_context_after after;
    (void)unused;
    must(conc_chan_create(&chan, sizeof(int), 1, NULL)); /* the callback may come first */
    conc_context_with_timeout(&context, NULL, CONC_MS(30));
    must(conc_context_after(&after, &context, send_from_callback, chan));
    must(conc_chan_recv(chan, NULL, NULL));
    conc_context_after_stop(&after);
    conc_context_destroy(&context);
    conc_chan_destroy(chan);
    return 0;
}

START_TEST(tasks_that_will_wake)
{
    void (*const wakers[])(void *) = {sleep_then_send, time_out_then_send, block_then_send,
        wait_for_timer_then_send, wait_for_fd_then_send};
    for (size_t i = 0; i < sizeof wakers / sizeof *wakers; i++) {
        void (*waker)(void *) = wakers[i];
        unit_child_run(&child, with_a_waker, &waker, NULL);
        ck_assert_msg(child.exit_code == 0, "waker %zu: exit code %d, stderr: %s", i,
            child.exit_code, child.err);
        ck_assert_str_eq(child.err, "");
    }
    run(with_an_after_callback, 0);
}
END_TEST

/* A thread that has never called conc, and takes its time before it does. */
static void *foreign_send(void *arg)
{
    poll(NULL, 0, 300);
    send_one(arg);
    return NULL;
}

/* One that has called conc before, and now sleeps where conc cannot see it. */
static void *known_foreign_send(void *arg)
{
    conc_task_self();
    poll(NULL, 0, 300);
    send_one(arg);
    return NULL;
}

static int with_a_foreign_thread(void *arg)
{
    void *(*thread_main)(void *);
    memcpy(&thread_main, arg, sizeof thread_main);
    pthread_t thread;
    make_chans();
    pthread_create(&thread, NULL, thread_main, chan);
    must(conc_chan_recv(chan, NULL, NULL));
    pthread_join(thread, NULL);
    conc_chan_destroy(chan);
    conc_chan_destroy(other_chan);
    return 0;
}

START_TEST(foreign_threads_may_wake)
{
    void *(*const mains[])(void *) = {foreign_send, known_foreign_send};
    for (int i = 0; i < 2; i++) {
        void *(*thread_main)(void *) = mains[i];
        unit_child_run(&child, with_a_foreign_thread, &thread_main, NULL);
        ck_assert_msg(child.exit_code == 0, "%d: exit code %d, %s", i, child.exit_code, child.err);
        ck_assert_str_eq(child.err, "");
    }
}
END_TEST

/* Never calls conc, and ends before long. */
static void *stays_a_while(void *arg)
{
    poll(NULL, 0, 300);
    return arg;
}

static void ends_soon(void *unused)
{
    (void)unused;
    poll(NULL, 0, 100);
}

static void *known_ends_soon(void *arg)
{
    conc_task_self();
    ends_soon(NULL);
    return arg;
}

/* The last that is awake ends, and beside it there is a thread that could wake main until it ends
 * itself. */
static int ends_beside_a_stranger(void *unused)
{
    (void)unused;
    struct conc_task *task;
    pthread_t stranger;
    make_chans();
    pthread_create(&stranger, NULL, stays_a_while, NULL);
    if (conc_task_start(&task, ends_soon, NULL) != 0)
        return 1;
    conc_chan_recv(chan, NULL, NULL);
    return 0;
}

static int known_ends_beside_a_stranger(void *unused)
{
    (void)unused;
    pthread_t stranger;
    pthread_t known;
    make_chans();
    pthread_create(&stranger, NULL, stays_a_while, NULL);
    pthread_create(&known, NULL, known_ends_soon, NULL);
    conc_chan_recv(chan, NULL, NULL);
    return 0;
}

START_TEST(strangers_end)
{
    if (FORKS_HAVE_STRANGERS)
        return;
    run(ends_beside_a_stranger, EXIT_DEADLOCK);
    ck_assert_ptr_eq(strstr(child.err, DEADLOCK), child.err);
    run(known_ends_beside_a_stranger, EXIT_DEADLOCK);
    ck_assert_ptr_eq(strstr(child.err, DEADLOCK), child.err);
}
END_TEST

/* ---------------------------------------------------------------- the end of main */

static void *starts_and_joins(void *arg)
{
    struct conc_timer *timer;
    struct conc_task *task;
    must(conc_timer_create(&timer, CONC_US(10)));
    must(conc_chan_recv(conc_timer_chan(timer), NULL, NULL));
    conc_timer_destroy(timer);
    must(conc_task_start(&task, ends_at_once, NULL));
    conc_task_join(task);
    return arg;
}

static int main_is_no_task(void *unused)
{
    pthread_t host;
    pthread_create(&host, NULL, starts_and_joins, unused);
    pthread_join(host, NULL);
    return 0;
}

static void *works_on(void *arg)
{
    stays_a_while(NULL);
    fputs("its work is done\n", stderr);
    return arg;
}

static int main_leaves_a_thread(void *unused)
{
    struct conc_task *task;
    pthread_t thread;
    starts_and_joins(NULL); /* the timers' task stays */
    pthread_create(&thread, NULL, works_on, unused);
    pthread_detach(thread);
    must(conc_task_start(&task, ends_at_once, NULL));
    pthread_exit(NULL);
}

static void works_at_exit(void)
{
    starts_and_joins(NULL);
    fputs("the handler is done\n", stderr);
}

static int main_leaves_a_handler(void *unused)
{
    struct conc_task *task;
    (void)unused;
    atexit(works_at_exit);
    starts_and_joins(NULL);
    must(conc_task_start(&task, ends_soon, NULL));
    pthread_exit(NULL);
}

START_TEST(main_ends)
{
    if (!unit_on_sim()) /* whose tasks run on main's thread, when main waits */
        run(main_is_no_task, 0);
    if (!unit_on_sim() && !UNIT_SANITIZED) { /* which have their own ideas of main's end */
        run(main_leaves_a_thread, 0);
        expect("its work is done\n");
        run(main_leaves_a_handler, 0);
        expect("the handler is done\n");
    }
}
END_TEST

/* ---------------------------------------------------------------- leaks */

static struct conc_task *left_task;

static void leave_one(void)
{
    make_chans();
    printf("result\n");
    NEXT_LINE_IS("taker starts");
    must(conc_task_start(&left_task, taker, chan));
    while (unit_parked() < 1)
        conc_yield();
}

static int leaks(void *exit_code)
{
    leave_one();
    return *(int *)exit_code;
}

static int leaks_by_exit(void *unused)
{
    (void)unused;
    leave_one();
    exit(0);
}

START_TEST(a_task_is_left)
{
    int code = 0;
    unit_child_run(&child, leaks, &code, NULL);
    ck_assert_msg(child.exit_code == EXIT_LEAK || RUNNING_ON_VALGRIND, "exit code %d: %s",
        child.exit_code, child.err);
    expect("conc: ");
    expect("leak!\n");
    expect_line("  task 2 taker, started at ", "taker starts", "in leave_one");
    ck_assert_ptr_null(strstr(child.err, "task 1 main"));
    ck_assert_ptr_eq(strstr(child.out, "result\n"), child.out); /* buffered output is not lost */
    run(leaks_by_exit, EXIT_LEAK);
}
END_TEST

/* A program that fails has said why: its exit code is kept. */
START_TEST(exit_code_is_kept)
{
    for (int code = 1; code < 256; code += 61) {
        unit_child_run(&child, leaks, &code, NULL);
        if (!RUNNING_ON_VALGRIND)
            ck_assert_int_eq(child.exit_code, code);
        ck_assert_ptr_null(strstr(child.err, "leak!"));
    }
}
END_TEST

/* A task that has done its last wait and is about to end is no leak. */
static void sleep_a_little(void *arg)
{
    (void)arg;
    conc_sleep(CONC_MS(20), NULL);
}

static int ends_in_time(void *unused)
{
    (void)unused;
    must(conc_task_start(&left_task, sleep_a_little, NULL));
    return 0;
}

/* Timers, tickers and contexts need the runtime's own task; nobody has to stop that. */
static int leaves_the_service(void *unused)
{
    struct conc_timer *timer;
    (void)unused;
    must(conc_timer_create(&timer, CONC_S(1000)));
    conc_timer_destroy(timer);
    return 0;
}

static int never_calls_conc(void *unused)
{
    (void)unused;
    return 5;
}

START_TEST(no_leak)
{
    if (!UNIT_TSAN) { /* which wants every thread joined, ended or not */
        run(ends_in_time, 0);
        ck_assert_ptr_null(strstr(child.err, "leak!"));
    }
    run(leaves_the_service, 0);
    run(never_calls_conc, 5);
}
END_TEST

/* ---------------------------------------------------------------- SIGQUIT, count */

static void until_told(void *arg)
{
    conc_chan_recv((struct conc_chan *)arg, NULL, NULL);
}

static int asks_for_the_list(void *unused)
{
    struct conc_task *task;
    (void)unused;
    make_chans();
    must(conc_task_start(&task, until_told, chan));
    while (unit_parked() < 1)
        conc_yield();
    for (int i = 0; i < 3; i++)
        raise(SIGQUIT);
    fprintf(stderr, "goes on\n");
    send_one(chan);
    conc_task_join(task);
    conc_chan_destroy(chan);
    conc_chan_destroy(other_chan);
    return 0;
}

static void own_handler(int signo)
{
    (void)signo;
    if (write(STDERR_FILENO, "own\n", 4) != 4)
        _exit(95);
}

static int handles_it_itself(void *unused)
{
    (void)unused;
    signal(SIGQUIT, own_handler);
    conc_task_self();
    raise(SIGQUIT);
    return 0;
}

START_TEST(sigquit)
{
    run(asks_for_the_list, 0);
    expect("  task 1 main: runs\n");
    expect("  task 2 until_told, started at ");
    expect(": waits to receive from channel 0x");
    const char *last = strstr(child.err, "goes on\n");
    ck_assert_ptr_nonnull(last);
    ck_assert_str_eq(last, "goes on\n");
    run(handles_it_itself, 0);
    ck_assert_str_eq(child.err, "own\n");
}
END_TEST

START_TEST(counts)
{
    struct conc_task *tasks[5];
    struct conc_chan *gate;
    struct conc_timer *timer;
    conc_task_self();
    ck_assert_uint_eq(conc_census_count(), 1);
    unit_ok(conc_timer_create(&timer, CONC_S(100)));
    ck_assert_uint_eq(conc_census_count(), 1); /* the runtime's own does not count */
    unit_ok(conc_chan_create(&gate, 0, 0, NULL));
    for (size_t i = 0; i < 5; i++) {
        unit_ok(conc_task_start(&tasks[i], until_told, gate));
        ck_assert_uint_eq(conc_census_count(), i + 2);
    }
    unit_wait_parked(5);
    ck_assert_uint_eq(unit_parked(), 5);
    unit_ok(conc_chan_close(gate));
    for (size_t i = 0; i < 5; i++)
        conc_task_join(tasks[i]);
    ck_assert_uint_eq(conc_census_count(), 1);
    conc_timer_destroy(timer);
    conc_chan_destroy(gate);
}
END_TEST

int main(void)
{
    return unit_main("census", main_alone, the_last_awake_ends, two_tasks, every_way_to_wait,
        nothing_left_to_wake, tasks_that_will_wake, foreign_threads_may_wake, strangers_end,
        main_ends, a_task_is_left, exit_code_is_kept, no_leak, sigquit, counts);
}
