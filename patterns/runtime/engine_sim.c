/* SPDX-License-Identifier: MIT */

/*
 * The sim engine: every task is a fiber of one thread, the next to run is drawn from a seed, and
 * the clock jumps to the next timer when all are asleep. The same seed gives the same run (sim.h).
 *
 * The thread is the program's first, and main's task runs on its own stack.
 * There is no scheduler beside the tasks: whoever gives up its turn draws the next and switches to
 * it. So whatever is looked for here (a ready task, a timer, a descriptor) is looked for on the
 * stack of the last one that fell asleep.
 *
 * Threads that conc did not start may call it, too. They park as threads do (engine_threads.c), and
 * hand what they wake to the sim thread. Their timing is the kernel's, so a run with such threads
 * does not repeat.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/fiber_stack.h"
#include "runtime/fiber_switch.h"
#include "runtime/fiber_tools.h"
#include "runtime/launch_internal.h"
#include "runtime/memory.h"
#include "runtime/schedule_internal.h"
#include "runtime/sim.h"
#include "runtime/timer_heap.h"
#include "runtime/trace.h"

struct sim_task {
    struct conc_task task;
    struct conc_fiber_context context; /* while it does not run */
    enum { ASLEEP, READY } state;      /* READY: in the list of those that can run */
    bool token;
    bool counted_out;       /* of those awake: nothing but a token can wake it */
    bool fresh;             /* started by a foreign thread, and not in the list yet */
    size_t place;           /* in the list */
    int64_t priority;       /* the highest runs, in schedules by priority */
    struct conc_lock *lock; /* it waits for this one to be free; NULL: for none */
    struct conc_timer_node timer;
    struct pollfd *fd;      /* it waits for this, too; NULL: for none. On its stack. */
    struct sim_task *older; /* of those that wait for a descriptor */
    struct sim_task *next;  /* in the list of free ones, or of those a foreign thread wakes */
    char *stack;            /* fixed: the lowest address */
    size_t stack_size;      /* fixed */
    struct sim_task *all;   /* fixed: the next of all that were ever made */
    bool live;              /* started and not ended */
    atomic_bool off;        /* has ended and left its stack */
    void *tsan;
    void *asan;
};

/* So long may they run before the clock moves on and priorities no longer count. */
enum { BUSY = 1000 };

static struct {
    /* The sim thread's only. */
    struct sim_task *current;
    struct sim_task **ready;
    size_t len;
    size_t room;
    struct sim_task *ending;
    struct sim_task *polling; /* those that wait for a descriptor */
    struct conc_timer_heap timers;
    bool deciding; /* no choice points while one is being made */
    _Atomic(int64_t) now_ns;
    unsigned busy; /* choice points and looks at the clock since it last jumped */

    /* Under the lock, which is taken by conc_lock_try_acquire_raw alone: no choice points. */
    struct conc_lock lock;
    struct sim_task *free;
    struct sim_task *all;
    struct sim_task *woken; /* by foreign threads; the newest first */
    int wake_fd;            /* an eventfd that ends the thread's sleep in poll */
    atomic_bool some_woken;
} s = {.wake_fd = -1, .now_ns = 1, .lock = CONC_LOCK_INIT};

static _Thread_local bool on_sim_thread;

atomic_bool conc_sim_on;

static struct sim_task *sim_task(struct conc_task *task)
{
    return (struct sim_task *)task; /* the task is its first member */
}

static void lock_acquire(void)
{
    while (!conc_lock_try_acquire_raw(&s.lock))
        ;
}

/* --- the choice ---------------------------------------------------------------------------------
 */

static bool can_run(const struct sim_task *t)
{
    return !t->lock || !conc_lock_is_held(t->lock);
}

static void log_turn(const struct sim_task *next, bool ends)
{
    const struct sim_task *self = s.current;
    const char *why = "ends";
    const struct conc_site *site = NULL;
    if (!ends && self->state == READY) {
        why = self->lock ? "for a lock inside conc" : "for its turn";
    } else if (!ends) {
        why = atomic_load_explicit(&self->task.wait_what, memory_order_relaxed);
        site = atomic_load_explicit(&self->task.wait_site, memory_order_relaxed);
    }
    conc_schedule_log(&self->task, why, site, &next->task);
}

/* Among those that can run, by the rule of the schedule; NULL when each waits for a lock. */
static struct sim_task *choose(void)
{
    struct sim_task *best = NULL;
    if (conc_schedule_by_priority()) {
        for (size_t i = 0; i < s.len; i++)
            if (can_run(s.ready[i]) && (!best || s.ready[i]->priority > best->priority))
                best = s.ready[i];
        return best;
    }
    size_t from = conc_schedule_draw(s.len);
    for (size_t i = 0; i < s.len; i++) {
        struct sim_task *t = s.ready[(from + i) % s.len];
        if (can_run(t))
            return t;
    }
    return NULL;
}

/* --- who can run --------------------------------------------------------------------------------
 */

static void make_ready(struct sim_task *t)
{
    if (s.len == s.room) {
        s.room = s.room ? 2 * s.room : 256;
        s.ready = realloc(s.ready, s.room * sizeof *s.ready);
        if (!s.ready) {
            fputs("conc: no memory for the list of tasks\n", stderr);
            abort();
        }
    }
    t->state = READY;
    t->place = s.len;
    s.ready[s.len++] = t;
}

static void make_unready(struct sim_task *t)
{
    struct sim_task *moved = s.ready[--s.len];
    s.ready[t->place] = moved;
    moved->place = t->place;
    t->state = ASLEEP;
}

static void give_token(struct sim_task *t)
{
    t->token = true;
    if (t->counted_out)
        conc_census_awake();
    t->counted_out = false;
    if (t->state == ASLEEP)
        make_ready(t);
}

/* A task that starts. */
static void admit(struct sim_task *t)
{
    t->fresh = false;
    t->priority = conc_schedule_priority();
    t->task.random = conc_schedule_task_seed();
    make_ready(t);
}

/* Not before the first choice: a program may still set its seed. */
static void begin_first(struct sim_task *self)
{
    if (!conc_schedule_begin())
        return;
    self->priority = conc_schedule_priority();
    self->task.random = conc_schedule_task_seed();
}

static void take_woken(void)
{
    if (!atomic_load(&s.some_woken))
        return;
    lock_acquire();
    struct sim_task *woken = s.woken;
    s.woken = NULL;
    atomic_store(&s.some_woken, false);
    conc_lock_release(&s.lock);
    while (woken) {
        struct sim_task *next = woken->next;
        __tsan_acquire(woken);
        if (woken->fresh)
            admit(woken);
        else
            give_token(woken);
        (void)conc_census_asleep(); /* counted by whoever put it into the list */
        woken = next;
    }
}

static void fire_timers(void)
{
    struct conc_timer_node *node;
    while ((node = s.timers.earliest) && node->when_ns <= s.now_ns) {
        conc_timer_heap_remove(&s.timers, node);
        struct sim_task *t = (struct sim_task *)((char *)node - offsetof(struct sim_task, timer));
        if (t->state == ASLEEP)
            make_ready(t);
    }
}

/* Makes ready those whose descriptor is. Sleeps until there is one, or a foreign thread wakes
 * somebody, or for so many milliseconds; negative: without end. */
static void poll_descriptors(int timeout_ms)
{
    if (!s.polling && timeout_ms == 0)
        return;
    size_t n = 1;
    for (struct sim_task *t = s.polling; t; t = t->older)
        n++;
    struct pollfd few[16];
    struct pollfd *fds = n <= 16 ? few : calloc(n, sizeof *fds);
    if (!fds) {
        fputs("conc: no memory to wait for descriptors\n", stderr);
        abort();
    }
    fds[0] = (struct pollfd){.fd = s.wake_fd, .events = POLLIN};
    size_t i = 1;
    for (struct sim_task *t = s.polling; t; t = t->older)
        fds[i++] = *t->fd;
    if (poll(fds, n, timeout_ms) > 0) {
        eventfd_t ignored;
        if (fds[0].revents)
            eventfd_read(s.wake_fd, &ignored);
        i = 1;
        for (struct sim_task *t = s.polling; t; t = t->older, i++) {
            if (!fds[i].revents || t->state != ASLEEP)
                continue; /* what one that can run was told stays as it is */
            t->fd->revents = fds[i].revents;
            make_ready(t);
        }
    }
    if (fds != few)
        free(fds);
}

/* All are asleep, no timer is set and no descriptor is waited for: this is a deadlock, unless there
 * is a thread outside conc that may call us. */
static void wait_for_strangers(void)
{
    bool awake = conc_census_check_deadlock();
    poll_descriptors(awake ? 1000 : 100);
}

/* The one that runs next. The caller, if it sleeps, is not in the list. */
static struct sim_task *next_to_run(void)
{
    struct sim_task *next;
    s.deciding = true;
    for (;;) {
        take_woken();
        fire_timers();
        poll_descriptors(0);
        if (s.len > 0 && (next = choose()))
            break;
        if (s.len > 0) /* the lock is held by a foreign thread: for some nanoseconds */
            continue;
        if (s.timers.earliest) {
            s.now_ns = s.timers.earliest->when_ns;
            s.busy = 0;
        } else if (s.polling) {
            poll_descriptors(-1);
        } else {
            wait_for_strangers();
        }
    }
    s.deciding = false;
    return next;
}

/* --- switching ----------------------------------------------------------------------------------
 */

static void sim_destroy(struct conc_task *task);

static void finish_switch(void)
{
    struct sim_task *ended = s.ending;
    if (!ended)
        return;
    s.ending = NULL;
    __tsan_destroy_fiber(ended->tsan);
    if (ended->task.kind->on_end) { /* its owner has been told, and is done with it */
        conc_lock_destroy(&ended->task.end_lock);
        sim_destroy(&ended->task);
    } else {
        atomic_store_explicit(&ended->off, true, memory_order_release);
    }
}

/* Not inlined: what it does to the stack is nobody else's business. */
static __attribute__((noinline)) void switch_to(struct sim_task *next, bool ends)
{
    struct sim_task *self = s.current;
    if (next == self)
        return;
    int saved_errno = errno;
    if (conc_schedule_logs())
        log_turn(next, ends);
    s.current = next;
    conc_task_current_set(&next->task);
    __tsan_switch_to_fiber(next->tsan, 0);
    __sanitizer_start_switch_fiber(ends ? NULL : &self->asan, next->stack, next->stack_size);
    (void)conc_fiber_switch(&self->context, &next->context, NULL);
    __sanitizer_finish_switch_fiber(self->asan, NULL, NULL);
    finish_switch();
    errno = saved_errno;
}

/* A task that calls pthread_exit: the unwinding of its stack comes here, and goes no further. */
static void leaves_by_pthread_exit(struct sim_task **self)
{
    const struct conc_task *task = &(*self)->task;
    if (task->cleanups)
        conc_panic(task->started, "task %llu was ended by pthread_exit; use conc_task_exit",
            (unsigned long long)task->id);
    conc_engine_sim.exit(&(*self)->task);
}

static void fiber_main(void *arg, void *word)
{
    (void)word;
    struct sim_task *self __attribute__((cleanup(leaves_by_pthread_exit))) = arg;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    finish_switch();
    conc_task_main(&self->task);
    conc_engine_sim.exit(&self->task);
}

static __attribute__((noreturn)) void sim_exit(struct conc_task *task)
{
    struct sim_task *self = sim_task(task);
    self->live = false;
    conc_task_finish(task);
    (void)conc_census_asleep();
    make_unready(self);
    s.ending = self;
    switch_to(next_to_run(), true);
    abort();
}

/* --- choice points ------------------------------------------------------------------------------
 */

static bool at_liberty(void)
{
    return on_sim_thread && !s.deciding && s.current;
}

/* Time stands still while somebody can run. But for a program that goes on until a deadline without
 * ever falling asleep it moves in the end. */
static void work_a_little(void)
{
    if (++s.busy > BUSY)
        s.now_ns += CONC_US(1);
}

/* The turn goes to whoever the schedule says, who may be the one that has it. */
static void turn(void)
{
    static const struct conc_wait_info info = {"for its turn", NULL, NULL};
    struct sim_task *self = s.current;
    begin_first(self);
    work_a_little();
    self->priority = conc_schedule_step(self->priority);
    if (s.busy % BUSY == 0) /* it may be waiting, by looking again and again, for one below it */
        self->priority = conc_schedule_lowest();
    struct sim_task *next = next_to_run();
    if (next == self)
        return;
    if (self->live) /* else its end is in the trace already */
        conc_trace(CONC_TRACE_BLOCK, &self->task, &info);
    switch_to(next, false);
    if (self->live)
        conc_trace(CONC_TRACE_RUN, &self->task, NULL);
}

void conc_sim_point_taken(void)
{
    if (at_liberty())
        turn();
}

bool conc_sim_wait_lock(struct conc_lock *lock)
{
    if (!on_sim_thread)
        return false;
    if (!at_liberty())
        return true;
    s.current->lock = lock;
    turn();
    s.current->lock = NULL;
    return true;
}

/* One that yields waits for the others: by priority it would be chosen again at once. */
static void sim_yield(void)
{
    s.current->priority = conc_schedule_lowest();
    turn();
}

/* --- sleep --------------------------------------------------------------------------------------
 */

static void release(struct conc_lock *held)
{
    if (!held)
        return;
    __tsan_release(held);
    conc_tsan_lock_release(held);
}

static void sleep_until_woken(struct sim_task *self, int64_t deadline_ns)
{
    begin_first(self);
    self->priority = conc_schedule_step(self->priority);
    if (deadline_ns != CONC_FOREVER)
        conc_timer_heap_insert(&s.timers, &self->timer, deadline_ns);
    make_unready(self);
    CONC_NOTE(&self->task.wait_since, s.now_ns, memory_order_relaxed);
    self->counted_out = deadline_ns == CONC_FOREVER && !self->fd;
    if (self->counted_out)
        (void)conc_census_asleep();
    switch_to(next_to_run(), false);
    conc_timer_heap_remove(&s.timers, &self->timer);
}

static int sim_park(struct conc_task *task, struct conc_lock *held, int64_t deadline_ns)
{
    struct sim_task *self = sim_task(task);
    release(held);
    if (!self->token)
        sleep_until_woken(self, deadline_ns);
    bool woken = self->token;
    self->token = false;
    return woken ? 0 : ETIMEDOUT;
}

static void sim_park_sole(struct conc_task *task, struct conc_lock *held)
{
    sim_park(task, held, CONC_FOREVER);
}

static void wake_from_outside(struct sim_task *t)
{
    conc_census_awake(); /* for what is in the list, until it is taken out */
    __tsan_release(t);
    lock_acquire();
    t->next = s.woken;
    s.woken = t;
    atomic_store(&s.some_woken, true);
    int fd = s.wake_fd;
    conc_lock_release(&s.lock);
    int saved_errno = errno;
    eventfd_write(fd, 1);
    errno = saved_errno;
}

static void sim_unpark(struct conc_task *task)
{
    struct sim_task *t = sim_task(task);
    conc_sim_point_taken();
    if (on_sim_thread)
        give_token(t);
    else
        wake_from_outside(t);
}

static int sim_park_fd(struct conc_task *task, struct conc_lock *held, int fd, short events,
    short *revents, int64_t deadline_ns)
{
    struct sim_task *self = sim_task(task);
    int saved_errno = errno;
    struct pollfd wait = {.fd = fd, .events = events};
    release(held);
    *revents = 0;
    int rc = 0;
    bool looked = poll(&wait, 1, 0) > 0 || deadline_ns <= s.now_ns;
    if (!looked && !self->token) {
        self->fd = &wait;
        self->older = s.polling;
        s.polling = self;
        sleep_until_woken(self, deadline_ns);
        struct sim_task **at = &s.polling;
        while (*at != self)
            at = &(*at)->older;
        *at = self->older;
        self->fd = NULL;
    }
    if (wait.revents & POLLNVAL) {
        rc = EBADF;
    } else if (wait.revents) {
        *revents = wait.revents; /* a token stays for the park to come */
    } else if (self->token && !looked) {
        self->token = false;
    } else {
        rc = ETIMEDOUT;
    }
    errno = saved_errno;
    return rc;
}

static int64_t sim_now_ns(void)
{
    return s.now_ns;
}

void conc_sim_looked(void)
{
    if (on_sim_thread || gettid() == getpid()) /* or about to become it */
        work_a_little();
}

/* On the spot: a thread for it would make the run depend on the kernel. */
static void sim_blocking(void (*fn)(void *), void *arg)
{
    fn(arg);
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* A new task, whose record lies at the top of its stack: the next of a slab, which is not touched
 * beyond. Under the lock. */
static struct sim_task *cut_task(void)
{
    static char *slab;
    static size_t left;
    if (left == 0) {
        slab = conc_fiber_slabs_map(1);
        left = slab ? CONC_STACKS_A_SLAB : 0;
    }
    if (left == 0)
        return NULL;
    size_t size = conc_fiber_stack_size();
    uintptr_t top = (uintptr_t)slab + left * size;
    struct sim_task *t = (struct sim_task *)((top - sizeof *t) & ~(uintptr_t)63);
    t->stack = slab + --left * size;
    t->stack_size = (size_t)((char *)t - t->stack);
    (void)VALGRIND_STACK_REGISTER(t->stack, (char *)t - 1);
    conc_fiber_guard(t->stack);
    t->all = s.all;
    s.all = t;
    return t;
}

static struct sim_task *take_task(void)
{
    if (conc_fault_alloc_now())
        return NULL;
    lock_acquire();
    struct sim_task *t = s.free;
    if (t)
        s.free = t->next;
    else
        t = cut_task();
    conc_lock_release(&s.lock);
    if (!t)
        return NULL;
    __tsan_acquire(t);
    conc_task_reset(&t->task);
    t->state = ASLEEP;
    t->token = t->counted_out = t->fresh = t->live = false;
    t->lock = NULL;
    t->fd = NULL;
    t->timer.link = NULL;
    atomic_store_explicit(&t->off, false, memory_order_relaxed);
    return t;
}

static int sim_launch(void *owner, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site, const struct conc_task_kind *kind)
{
    struct sim_task *t = take_task();
    if (!t)
        return ENOMEM;
    t->task.engine = &conc_engine_sim;
    conc_task_fill(&t->task, &conc_engine_sim, owner, fn, arg, name, site, kind);
    conc_trace(CONC_TRACE_START, &t->task, NULL);
    conc_fiber_prepare(&t->context, t->stack, t, fiber_main, t);
    t->tsan = __tsan_create_fiber(0);
    t->live = true;
    conc_census_awake();
    if (on_sim_thread) {
        begin_first(s.current);
        admit(t);
        conc_sim_point_taken();
    } else {
        t->fresh = true;
        wake_from_outside(t);
    }
    return 0;
}

static void sim_reap(struct conc_task *task)
{
    struct sim_task *t = sim_task(task);
    while (!atomic_load_explicit(&t->off, memory_order_acquire))
        if (at_liberty())
            sim_yield();
}

static void sim_destroy(struct conc_task *task)
{
    struct sim_task *t = sim_task(task);
    t->live = false; /* one that never started */
    __tsan_release(t);
    lock_acquire();
    t->next = s.free;
    s.free = t;
    conc_lock_release(&s.lock);
}

static size_t sim_tasks(void (*visit)(const struct conc_task *task, void *arg), void *arg)
{
    size_t n = 0;
    for (const struct sim_task *t = s.all; t; t = t->all) {
        if (!t->live || t->task.kind->service)
            continue;
        n++;
        if (visit)
            visit(&t->task, arg);
    }
    return n;
}

static bool stack_hit(const void *address)
{
    size_t place;
    for (const struct sim_task *t = s.all; t; t = t->all)
        if (conc_fiber_in_guard(t->stack, address, &place) && place == 0)
            return true;
    return false;
}

struct conc_task *conc_sim_adopt_main(void)
{
    static struct sim_task first;
    s.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s.wake_fd < 0) {
        perror("conc: eventfd");
        abort();
    }
    conc_schedule_open_log();
    conc_fiber_signal_stack();
    conc_fiber_catch_overflow(stack_hit);
    on_sim_thread = true;
    atomic_store(&conc_sim_on, true);
    atomic_fetch_or(&conc_watched, CONC_WATCH_SIM);
    __atomic_store_n(&conc_checkpoint_asked, true, __ATOMIC_RELAXED);
    first.task.engine = &conc_engine_sim;
    first.tsan = __tsan_get_current_fiber();
    conc_fiber_own_stack(&first.stack, &first.stack_size);
    first.live = true;
    conc_census_awake();
    conc_census_thread_added();
    s.current = &first;
    make_ready(&first);
    return &first.task;
}

const struct conc_engine conc_engine_sim = {
    .name = "sim",
    .launch = sim_launch,
    .reap = sim_reap,
    .destroy = sim_destroy,
    .exit = sim_exit,
    .park = sim_park,
    .unpark = sim_unpark,
    .park_sole = sim_park_sole,
    .unpark_sole = sim_unpark,
    .unpark_sole_last = sim_unpark,
    .park_fd = sim_park_fd,
    .yield = sim_yield,
    .checkpoint = conc_sim_point_taken,
    .now_ns = sim_now_ns,
    .blocking = sim_blocking,
    .releases = true,
    .tasks = sim_tasks,
    .note = conc_schedule_note,
};
