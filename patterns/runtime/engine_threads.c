/* SPDX-License-Identifier: MIT */

/*
 * The threads engine: a task is a pthread. The baseline that every C class knows, and the engine
 * that Helgrind, DRD and ThreadSanitizer understand as it is.
 *
 * A task sleeps on a parker of its own (parker.h), which holds the token. A task that waits for a
 * file descriptor sleeps in poll(2) instead, with an eventfd beside the descriptor for the token.
 *
 * It also carries the threads that conc did not start (main, threads of a host program), on every
 * engine.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/cores.h"
#include "runtime/engine.h"
#include "runtime/launch_internal.h"
#include "runtime/memory.h"
#include "runtime/parker.h"

struct thread_task {
    struct conc_task task;
    pthread_t thread; /* its own, from its begin; not for adopted threads */
    struct conc_parker parker;
    int wake_fd; /* the task's, and while it polls its waker's; -1 until the first poll */
};

CONC_THREAD_LOCAL_DEFINE(struct conc_task *, conc_task_current);

/* The parker of a thread that conc did not start lives in the thread itself: nothing to allocate,
 * nothing to fail. */
static _Thread_local struct thread_task adopted;

static struct thread_task *thread_task(struct conc_task *task)
{
    return (struct thread_task *)task; /* the task is its first member */
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void sleep_init(struct thread_task *t)
{
    conc_parker_init(&t->parker);
    t->wake_fd = -1;
}

static void sleep_destroy(struct thread_task *t)
{
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    conc_parker_destroy(&t->parker);
}

static struct conc_task *threads_create(void)
{
    struct thread_task *t = conc_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->task.engine = &conc_engine_threads;
    conc_lock_init(&t->task.end_lock);
    sleep_init(t);
    return &t->task;
}

static void threads_destroy(struct conc_task *task)
{
    struct thread_task *t = thread_task(task);
    sleep_destroy(t);
    conc_free(t);
}

/* Timed waits of this thread end when they should, not 50 microseconds later. */
static void sharpen_timers(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

/* From here to its end the thread is a stranger: what the program does at the end of each thread is
 * still to come. Who waits for the task has been counted as awake by now. */
static void last_step(void)
{
    conc_census_thread_removed();
    conc_census_ends();
}

/* Runs when the task's function has returned, and when it was left by pthread_exit. */
static void finish(void *arg)
{
    struct conc_task *task = arg;
    if (task->cleanups)
        conc_panic(task->started, "task %llu was ended by pthread_exit; use conc_task_exit",
            (unsigned long long)task->id);
    conc_task_finish(task);
    conc_task_current_set(NULL);
    last_step();
}

static void *thread_main(void *arg)
{
    struct conc_task *task = arg;
    thread_task(task)->thread = pthread_self(); /* not by pthread_create, which may be later */
    conc_task_current_set(task);
    sharpen_timers();
    pthread_cleanup_push(finish, task);
    conc_task_main(task);
    pthread_cleanup_pop(1);
    return NULL;
}

static int start_thread(struct conc_task *task)
{
    int saved_errno = errno;
    pthread_t known_to_itself;
    conc_census_thread_added();
    int rc = pthread_create(&known_to_itself, NULL, thread_main, task);
    if (rc != 0)
        conc_census_thread_removed();
    errno = saved_errno;
    return rc;
}

static int threads_launch(void *owner, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site, const struct conc_task_kind *kind)
{
    struct conc_task *made = threads_create();
    if (!made)
        return ENOMEM;
    struct conc_task **handle = kind->on_end ? NULL : owner;
    struct conc_task *before = handle ? *handle : NULL;
    conc_task_fill(made, &conc_engine_threads, owner, fn, arg, name, site, kind);
    conc_census_add(made);
    conc_census_awake();
    conc_trace(CONC_TRACE_START, made, NULL);
    int rc = start_thread(made);
    if (rc != 0) {
        if (handle)
            *handle = before;
        conc_census_remove(made);
        conc_census_ends();
        conc_lock_destroy(&made->end_lock);
        threads_destroy(made);
    }
    return rc;
}

static void threads_reap(struct conc_task *task)
{
    pthread_join(thread_task(task)->thread, NULL);
}

static __attribute__((noreturn)) void threads_exit(struct conc_task *self)
{
    (void)self;
    pthread_exit(NULL);
}

static void adopted_thread_ends(void *arg)
{
    struct thread_task *t = arg;
    conc_census_remove(&t->task);
    conc_task_current_set(NULL);
    conc_lock_destroy(&t->task.end_lock);
    sleep_destroy(t);
    if (t->task.is_main) {
        conc_census_main_left(); /* and its thread is there to the end of the process */
        conc_census_ends();
    } else {
        last_step();
    }
}

struct conc_task *conc_thread_adopt(void)
{
    static struct conc_lock lock = CONC_LOCK_INIT;
    static pthread_key_t key; /* under lock: its destructor tells us that an adopted thread ends */
    static bool key_made;     /* under lock */
    conc_lock_acquire_runtime(&lock);
    if (!key_made)
        key_made = pthread_key_create(&key, adopted_thread_ends) == 0;
    conc_lock_release(&lock);

    struct thread_task *t = &adopted;
    memset(t, 0, sizeof *t);
    t->task.engine = &conc_engine_threads;
    sleep_init(t);
    if (key_made)
        pthread_setspecific(key, t);
    sharpen_timers();
    conc_census_thread_added();
    return &t->task;
}

/* --- sleep --------------------------------------------------------------------------------------
 */

static struct timespec timespec_of(int64_t ns)
{
    if (ns < 0)
        ns = 0;
    return (struct timespec){.tv_sec = ns / CONC_S(1), .tv_nsec = ns % CONC_S(1)};
}

/* Sleeps until the token is there, counted as asleep: nothing but an unpark can end this sleep. Who
 * is the last to fall asleep looks for a deadlock, and while there are threads that conc does not
 * know goes on looking, ever less often. */
static void sleep_for_token(struct conc_parker *p)
{
    if (conc_parker_enter(p, CONC_PARKER_COUNTED)) {
        int64_t until_ns = CONC_FOREVER;
        int64_t nap_ns = CONC_MS(1);
        bool look = conc_census_asleep();
        do {
            look = look && !conc_census_check_deadlock();
            until_ns = look ? conc_time_add(conc_machine_now_ns(), nap_ns) : CONC_FOREVER;
            nap_ns = nap_ns < CONC_S(1) ? 2 * nap_ns : nap_ns;
        } while (conc_parker_sleep(p, CONC_PARKER_COUNTED, until_ns) != 0);
    }
    conc_parker_take(p);
}

static int threads_park(struct conc_task *self, struct conc_lock *held, int64_t deadline_ns)
{
    struct conc_parker *p = &thread_task(self)->parker;
    CONC_NOTE(&self->wait_since, 0, memory_order_relaxed);
    if (held)
        conc_lock_release(held);
    if (conc_parker_look(p, deadline_ns))
        return 0;
    CONC_NOTE(&self->wait_since, conc_machine_now_ns(), memory_order_relaxed);
    if (deadline_ns == CONC_FOREVER) {
        sleep_for_token(p);
        return 0;
    }
    if (conc_parker_enter(p, CONC_PARKER_ASLEEP) &&
        conc_parker_sleep(p, CONC_PARKER_ASLEEP, deadline_ns) != 0 &&
        conc_parker_leave(p, CONC_PARKER_ASLEEP))
        return ETIMEDOUT;
    conc_parker_take(p);
    return 0;
}

/* A task that polls does not go on without having read what is written here: it is still there, and
 * so is its descriptor. */
static void threads_unpark(struct conc_task *task)
{
    struct thread_task *t = thread_task(task);
    if (conc_parker_put(&t->parker) == CONC_PARKER_POLLING)
        eventfd_write(t->wake_fd, 1);
}

static void threads_park_sole(struct conc_task *self, struct conc_lock *held)
{
    threads_park(self, held, CONC_FOREVER);
}

/* One call of poll(2) on the descriptor and the eventfd: 0, ETIMEDOUT, or its error. */
static int poll_both(int fd, short events, short *revents, int wake_fd, int64_t deadline_ns)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = wake_fd, .events = POLLIN}};
    struct timespec span;
    if (deadline_ns != CONC_FOREVER)
        span = timespec_of(conc_time_add(deadline_ns, -conc_machine_now_ns()));
    int n = ppoll(fds, 2, deadline_ns == CONC_FOREVER ? NULL : &span, NULL);
    if (n < 0)
        return errno == EINTR ? 0 : errno;
    if (n == 0)
        return ETIMEDOUT;
    if (fds[0].revents & POLLNVAL)
        return EBADF;
    *revents = fds[0].revents;
    return 0;
}

/* Waits for what the unparker writes, for it may not have come to that yet. */
static void read_wake(int wake_fd)
{
    eventfd_t ignored;
    while (eventfd_read(wake_fd, &ignored) != 0)
        poll(&(struct pollfd){.fd = wake_fd, .events = POLLIN}, 1, -1);
}

static int threads_park_fd(struct conc_task *self, struct conc_lock *held, int fd, short events,
    short *revents, int64_t deadline_ns)
{
    struct thread_task *t = thread_task(self);
    int saved_errno = errno;
    if (held)
        conc_lock_release(held);
    *revents = 0;
    if (deadline_ns <= conc_machine_now_ns()) { /* only a look: nobody need be able to wake us */
        int looked = poll_both(fd, events, revents, -1, deadline_ns);
        errno = saved_errno;
        return looked;
    }
    CONC_NOTE(&self->wait_since, conc_machine_now_ns(), memory_order_relaxed);
    if (t->wake_fd < 0)
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = t->wake_fd < 0 ? errno : 0;
    bool token = false;
    while (rc == 0 && *revents == 0 && !token) {
        token = !conc_parker_enter(&t->parker, CONC_PARKER_POLLING);
        if (token)
            break;
        rc = poll_both(fd, events, revents, t->wake_fd, deadline_ns);
        token = !conc_parker_leave(&t->parker, CONC_PARKER_POLLING);
        if (token)
            read_wake(t->wake_fd);
    }
    if (token && *revents == 0 && (rc == 0 || rc == ETIMEDOUT)) { /* else it is the next park's */
        conc_parker_take(&t->parker);
        rc = 0;
    }
    errno = saved_errno;
    return rc;
}

static void threads_yield(void)
{
    sched_yield();
}

/* A thread may block as it likes. */
static void threads_blocking(void (*fn)(void *), void *arg)
{
    fn(arg);
}

const struct conc_engine conc_engine_threads = {
    .name = "threads",
    .launch = threads_launch,
    .reap = threads_reap,
    .destroy = threads_destroy,
    .exit = threads_exit,
    .park = threads_park,
    .unpark = threads_unpark,
    .park_sole = threads_park_sole,
    .unpark_sole = threads_unpark,
    .unpark_sole_last = threads_unpark,
    .park_fd = threads_park_fd,
    .yield = threads_yield,
    .now_ns = conc_machine_now_ns,
    .blocking = threads_blocking,
};
