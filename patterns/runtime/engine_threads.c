/* SPDX-License-Identifier: MIT */

/*
 * The threads engine: a task is a pthread. The baseline that every C class knows, and the engine
 * that Helgrind, DRD and ThreadSanitizer understand as it is.
 *
 * A task sleeps on a parker of its own: a mutex, a condition and the token. One waiter per
 * condition, because glibc 2.36 can lose a signal when there are several (bug 25847). A task that
 * waits for a file descriptor sleeps in poll(2) instead, with an eventfd beside the descriptor for
 * the token.
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
#include "runtime/engine.h"
#include "runtime/memory.h"

struct thread_task {
    struct conc_task task;
    pthread_t thread;      /* its own, from its begin; not for adopted threads */
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t cond;
    bool token;
    bool asleep;  /* counted as asleep: no deadline */
    bool polling; /* in poll(2): wake it through wake_fd */
    int wake_fd;  /* -1 until the first poll */
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

static void parker_init(struct thread_task *t)
{
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->cond, &attr);
    pthread_condattr_destroy(&attr);
    t->wake_fd = -1;
}

static void parker_destroy(struct thread_task *t)
{
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    pthread_cond_destroy(&t->cond);
    pthread_mutex_destroy(&t->mutex);
}

static int threads_create(struct conc_task **task)
{
    struct thread_task *t = conc_calloc(1, sizeof *t);
    if (!t)
        return ENOMEM;
    parker_init(t);
    *task = &t->task;
    return 0;
}

static void threads_destroy(struct conc_task *task)
{
    struct thread_task *t = thread_task(task);
    parker_destroy(t);
    conc_free(t);
}

/* Timed waits of this thread end when they should, not 50 microseconds later. */
static void sharpen_timers(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
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
    conc_census_thread_removed(); /* last: until then it is no stranger */
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

static int threads_start(struct conc_task *task)
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
    conc_census_ends();
    conc_task_current_set(NULL);
    conc_census_thread_removed();
    conc_lock_destroy(&t->task.end_lock);
    parker_destroy(t);
}

struct conc_task *conc_thread_adopt(void)
{
    static struct conc_lock lock = CONC_LOCK_INIT;
    static pthread_key_t key; /* under lock: its destructor tells us that an adopted thread ends */
    static bool key_made;     /* under lock */
    conc_lock_acquire(&lock);
    if (!key_made)
        key_made = pthread_key_create(&key, adopted_thread_ends) == 0;
    conc_lock_release(&lock);

    struct thread_task *t = &adopted;
    memset(t, 0, sizeof *t);
    t->task.engine = &conc_engine_threads;
    parker_init(t);
    if (key_made)
        pthread_setspecific(key, t);
    sharpen_timers();
    conc_census_thread_added();
    return &t->task;
}

static int64_t threads_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return CONC_S(now.tv_sec) + now.tv_nsec;
}

/* --- sleep --------------------------------------------------------------------------------------
 */

static struct timespec timespec_of(int64_t ns)
{
    if (ns < 0)
        ns = 0;
    return (struct timespec){.tv_sec = ns / CONC_S(1), .tv_nsec = ns % CONC_S(1)};
}

/* Takes the token if it is there. Under the mutex. */
static bool take_token(struct thread_task *t)
{
    bool had = t->token;
    t->token = false;
    return had;
}

static int wait_until(struct thread_task *t, int64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    return pthread_cond_timedwait(&t->cond, &t->mutex, &until);
}

/* Sleeps until the token is there, counted as asleep: nothing but an unpark can end this sleep. Who
 * is the last to fall asleep looks for a deadlock, and while there are threads that conc does not
 * know goes on looking, ever less often. Under the mutex, which is released meanwhile. */
static void sleep_for_token(struct thread_task *t)
{
    t->asleep = true;
    bool look = conc_census_asleep();
    for (int64_t nap_ns = CONC_MS(1); look && !t->token;) {
        pthread_mutex_unlock(&t->mutex);
        look = !conc_census_check_deadlock();
        pthread_mutex_lock(&t->mutex);
        if (look && !t->token)
            wait_until(t, conc_time_add(conc_engine_threads.now_ns(), nap_ns));
        nap_ns = nap_ns < CONC_S(1) ? 2 * nap_ns : nap_ns;
    }
    while (!t->token)
        pthread_cond_wait(&t->cond, &t->mutex);
}

static int threads_park(struct conc_task *self, struct conc_lock *held, int64_t deadline_ns)
{
    CONC_NOTE(&self->wait_since, threads_now_ns(), memory_order_relaxed);
    struct thread_task *t = thread_task(self);
    int rc = 0;
    if (held)
        conc_lock_release(held);
    pthread_mutex_lock(&t->mutex);
    if (!t->token && deadline_ns == CONC_FOREVER)
        sleep_for_token(t);
    while (!t->token && rc == 0)
        rc = wait_until(t, deadline_ns);
    if (take_token(t))
        rc = 0;
    pthread_mutex_unlock(&t->mutex);
    return rc;
}

/* Everything under the mutex: as soon as it is free, the woken task may end and be freed. */
static void threads_unpark(struct conc_task *task)
{
    struct thread_task *t = thread_task(task);
    pthread_mutex_lock(&t->mutex);
    t->token = true;
    if (t->asleep) {
        t->asleep = false;
        conc_census_awake();
    }
    if (t->polling)
        eventfd_write(t->wake_fd, 1);
    else
        pthread_cond_signal(&t->cond);
    pthread_mutex_unlock(&t->mutex);
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
        span = timespec_of(conc_time_add(deadline_ns, -threads_now_ns()));
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

static int threads_park_fd(struct conc_task *self, struct conc_lock *held, int fd, short events,
    short *revents, int64_t deadline_ns)
{
    struct thread_task *t = thread_task(self);
    int saved_errno = errno;
    if (held)
        conc_lock_release(held);
    *revents = 0;
    if (deadline_ns <= threads_now_ns()) { /* only a look: nobody need be able to wake us */
        int looked = poll_both(fd, events, revents, -1, deadline_ns);
        errno = saved_errno;
        return looked;
    }
    CONC_NOTE(&self->wait_since, threads_now_ns(), memory_order_relaxed);
    if (t->wake_fd < 0)
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = t->wake_fd < 0 ? errno : 0;
    bool woken = false;
    pthread_mutex_lock(&t->mutex);
    while (rc == 0 && *revents == 0 && !(woken = take_token(t))) {
        t->polling = true;
        pthread_mutex_unlock(&t->mutex);
        rc = poll_both(fd, events, revents, t->wake_fd, deadline_ns);
        pthread_mutex_lock(&t->mutex);
        t->polling = false;
    }
    if (woken)
        rc = 0;
    else if (rc == ETIMEDOUT && take_token(t))
        rc = 0;
    pthread_mutex_unlock(&t->mutex);
    eventfd_t ignored;
    if (t->wake_fd >= 0)
        eventfd_read(t->wake_fd, &ignored);
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
    .create = threads_create,
    .start = threads_start,
    .reap = threads_reap,
    .destroy = threads_destroy,
    .exit = threads_exit,
    .park = threads_park,
    .unpark = threads_unpark,
    .park_sole = threads_park_sole,
    .unpark_sole = threads_unpark,
    .park_fd = threads_park_fd,
    .yield = threads_yield,
    .now_ns = threads_now_ns,
    .blocking = threads_blocking,
};
