/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_ENGINE_H
#define CONC_RUNTIME_ENGINE_H

/*
 * The engine seam. Whatever starts a task, puts it to sleep, wakes it, reads a clock, waits for a
 * file descriptor or runs a blocking call goes through the operations of struct conc_engine. The
 * patterns and everything in sync/ are written once, against this header, and run on every engine.
 *
 * A program needs only conc_engine_select and conc_engine_name. The rest is for code that builds a
 * new way to wait: sync/waiter.h shows how.
 *
 * How a task sleeps. Each task has one token. park takes the token if it is there, else sleeps
 * until it is; unpark puts it there. A task parks only after it has made itself findable (its
 * waiter is in a queue), and whoever takes the waiter out of the queue unparks it exactly once. So
 * a wake-up that comes between "findable" and "asleep" is not lost, and none is left over: the
 * token is binary and every unpark is met by one park.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/lock.h"
#include "runtime/site.h"
#include "runtime/task.h"
#include "runtime/thread_local.h"
#include "runtime/watch.h"

/* What a parked task waits for, for the reports. */
struct conc_wait_info {
    const char *what;             /* "to receive from channel"; a string that lives for ever */
    const void *object;           /* its address tells one channel from another; may be NULL */
    const struct conc_site *site; /* the waiting call */
};

struct conc_task;

/* What all tasks of one sort have in common. Lives for ever. */
struct conc_task_kind {
    void (*body)(struct conc_task *task);   /* what it does; NULL: fn(arg) */
    void (*on_end)(struct conc_task *task); /* tells the owner; NULL: it is joined by a handle */
    bool service;                           /* belongs to the runtime: no leak, not listed */
};

/* Joined by a handle; threads that conc did not start are of this kind, too. */
extern const struct conc_task_kind conc_task_plain;

/* A task. Embedded first in what an engine keeps for it, which begins a line of the cache. What
 * every start writes comes first, and what it clears lies together: stores are what a start is made
 * of. */
struct conc_task {
    const struct conc_engine *engine;  /* fixed: who parks and wakes it */
    const struct conc_task_kind *kind; /* fixed */
    void (*fn)(void *);                /* fixed */
    void *arg;                         /* fixed */
    const struct conc_site *started;   /* fixed; NULL for a thread that conc did not start */
    void *owner;                       /* fixed: on_end's; without one it says nothing */
    uint64_t id;                       /* fixed */
    _Atomic(const char *) name;        /* a string that lives as long as the task, or own_name */

    /* These two, and those from end_lock to next_id, are what conc_task_reset clears. */
    struct conc_cleanup *cleanups; /* the task's only */
    uint64_t random;               /* the task's only */

    /* The wait of the moment, for reports: written by the task, read by anybody. Copies of pointers
     * to static data, so a reader who comes at the wrong moment sees an old wait but never a dead
     * one. */
    _Atomic(const char *) wait_what; /* NULL: awake */
    _Atomic(const void *) wait_object;
    _Atomic(const struct conc_site *) wait_site;
    _Atomic(int64_t) wait_since; /* 0: not known */

    struct conc_lock end_lock;    /* guards joiner and ended */
    bool ended;                   /* under end_lock */
    bool is_main;                 /* fixed: began on the process's first thread */
    atomic_bool wait_ends_itself; /* of the wait: it has a deadline, or ends by what is outside */

    uint64_t next_id;             /* the task's: of the next that it starts, if above its own */
    struct conc_task *joiner;     /* under end_lock */
    struct conc_task *next_ended; /* the owner's, once on_end has been called */
    char own_name[32];            /* the task's, until it has a name of its own */

    /* Under the census lock. */
    struct conc_task *census_next;
    struct conc_task *census_prev;
};

/* Makes a record that was another task's before as good as zeroed, where that matters: the other
 * has ended, so it is awake; what is left of its numbers is used up (launch_internal.h); and a
 * joiner is of those with a handle, whose start clears it. */
static inline void conc_task_reset(struct conc_task *task)
{
    enum {
        FIRST = offsetof(struct conc_task, cleanups),
        FIRST_END = offsetof(struct conc_task, wait_what),
        SECOND = offsetof(struct conc_task, end_lock),
        SECOND_END = offsetof(struct conc_task, next_id)
    };
    memset((char *)task + FIRST, 0, FIRST_END - FIRST);
    memset((char *)task + SECOND, 0, SECOND_END - SECOND);
    if (CONC_LOCK_PTHREAD)
        conc_lock_init(&task->end_lock);
}

struct conc_engine {
    const char *name;

    /* Starts a task; the caller is one, too (launch_internal.h has most of it). A kind without
     * on_end: `owner` is a struct conc_task ** that is set to the handle before the task runs, and
     * as it was after a failure. ENOMEM, EAGAIN: nothing runs. */
    int (*launch)(void *owner, void (*fn)(void *), void *arg, const char *name,
        const struct conc_site *site, const struct conc_task_kind *kind);

    /* Called once after the task has ended: waits for the little that is left of it (the thread's
     * exit), for the caller owns the memory afterwards. NULL: nothing is. */
    void (*reap)(struct conc_task *task);

    /* Frees a task that has ended, or has not begun. */
    void (*destroy)(struct conc_task *task);

    /* Leaves the calling task's function for good, and ends it as if it had returned. */
    void (*exit)(struct conc_task *self) __attribute__((noreturn));

    /* Releases `held` (may be NULL), then sleeps until unparked: 0, and the token is taken; or
     * until the clock reaches deadline_ns: ETIMEDOUT, and a token may still come. */
    int (*park)(struct conc_task *self, struct conc_lock *held, int64_t deadline_ns);

    /* Gives a task its token and makes it run. Any thread may call it. The task may end, and be
     * freed, before this returns; nothing of it is touched after the token is visible. */
    void (*unpark)(struct conc_task *task);

    /* The same pair for a task that only a holder of `held` unparks, and only once it has parked
     * with it: an engine that releases the lock last of all needs no token. */
    void (*park_sole)(struct conc_task *self, struct conc_lock *held);
    void (*unpark_sole)(struct conc_task *task);

    /* As unpark_sole, for a task that is not in a hurry: an engine that has a queue of those that
     * are ready lets them go first. */
    void (*unpark_sole_last)(struct conc_task *task);

    /* As park, and also until poll(2) would report one of `events` on fd: then 0 and *revents not
     * zero; 0 and *revents zero for the token; ETIMEDOUT; or an error of poll. */
    int (*park_fd)(struct conc_task *self, struct conc_lock *held, int fd, short events,
        short *revents, int64_t deadline_ns);

    void (*yield)(void);

    /* What conc_checkpoint does while conc_checkpoint_asked is set. NULL: nothing. */
    void (*checkpoint)(void);

    int64_t (*now_ns)(void);
    void (*blocking)(void (*fn)(void *), void *arg);

    /* A task keeps its thread until it waits or yields. */
    bool cooperative;

    /* A task that has an owner is reaped and destroyed by the engine itself, as soon as it has left
     * its stack. Else its owner must do so. */
    bool releases;

    /* NULL: the census keeps the list of this engine's tasks and counts those awake. Else the
     * engine does both itself, and this calls visit (unless NULL) for each live task, or a copy of
     * its record, and returns their number. */
    size_t (*tasks)(void (*visit)(const struct conc_task *task, void *arg), void *arg);

    /* A last line for the reports; NULL: none. */
    void (*note)(char *text, size_t size);
};

extern const struct conc_engine conc_engine_threads;
extern const struct conc_engine conc_engine_fibers;
extern const struct conc_engine conc_engine_sim;
struct conc_task *conc_sim_adopt_main(void);

/* The fibers engine, before its first task; main as one of its tasks; and its end, called by main
 * when no other task is left. */
void conc_fibers_init(void);
struct conc_task *conc_fibers_adopt_main(void);
void conc_fibers_stop(void);

/* Chooses the engine for this process by name, before anything else of conc is called. 0; EINVAL:
 * no engine of that name; EBUSY: another engine already runs. Without it CONC_ENGINE decides, else
 * it is fibers, or threads under Valgrind; an unknown name in CONC_ENGINE ends the program with
 * exit code 2. */
int conc_engine_select(const char *name);

/* The name of the engine in use. */
const char *conc_engine_name(void);

/* The names of all engines, separated by ", ": for messages. */
const char *conc_engine_names(void);

/* The engine in use. */
extern _Atomic(const struct conc_engine *) conc_engine_chosen; /* NULL: not yet */
const struct conc_engine *conc_engine_choose(void);
static inline const struct conc_engine *conc_engine(void)
{
    const struct conc_engine *engine =
        atomic_load_explicit(&conc_engine_chosen, memory_order_acquire);
    return engine ? engine : conc_engine_choose();
}

/* Parks the calling task; see struct conc_engine. `info` is shown in reports while it sleeps. */
int conc_park(struct conc_lock *held, int64_t deadline_ns, const struct conc_wait_info *info);

int conc_park_fd(struct conc_lock *held, int fd, short events, short *revents, int64_t deadline_ns,
    const struct conc_wait_info *info);

static inline void conc_unpark(struct conc_task *task);

/*
 * Starts a task of a kind. With an on_end it has an owner instead of a handle, such as a wait
 * group: when it has run, on_end(task) is called, with task->owner set to `owner`. on_end must not
 * wait, yield or pass a checkpoint, and is the last that happens to the task. Where the engine does
 * not release such tasks itself (see conc_engine.releases), the owner must call conc_task_release
 * once from then on; else it must not touch the task after on_end. Without an on_end `owner` is the
 * struct conc_task ** that gets the handle.
 *
 * The task calls fn(arg); or kind->body(task), if that is not NULL, which finds both in there.
 *
 * Codes as conc_task_start; EINVAL: fn or owner is NULL. on_end is not called after a failure.
 */
int conc_task_start_kind(void *owner, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site, const struct conc_task_kind *kind);

/* Waits for the little that is left of a task whose on_end has been called, and frees it. */
void conc_task_release(struct conc_task *task);

/* Starts a task of the runtime's own: as conc_task_start_at, but never listed and never a leak. */
int conc_task_start_service(
    struct conc_task **task, void (*fn)(void *), void *arg, const struct conc_site *site);

/* Makes the calling thread, which conc did not start, a task until it ends. On every engine such a
 * task is a thread and parks as one. */
struct conc_task *conc_thread_adopt(void);

/* The calling thread's task of this moment, NULL when it has none yet. Read it anew after every
 * park: a fiber may go on on another thread. */
CONC_THREAD_LOCAL_DECLARE(struct conc_task *, conc_task_current);

/* The calling task, never NULL, as conc_task_self: inline for those who ask at every operation. */
static inline struct conc_task *conc_self(void)
{
    struct conc_task *self = conc_task_current_get();
    return __builtin_expect(self != NULL, 1) ? self : conc_task_self();
}

/* Called once by the first task: the environment, the reports at exit. */
void conc_runtime_init(void);

/* Prints "conc: FILE:LINE: MESSAGE" for a programming error, and aborts. */
_Noreturn void conc_panic(const struct conc_site *site, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The census reads these fields while we write them. Helgrind and DRD take a locked exchange for a
 * read, and a plain store for a race. */
#if CONC_LOCK_PTHREAD
#define CONC_NOTE(field, value, order) ((void)atomic_exchange(field, value))
#else
#define CONC_NOTE(field, value, order) atomic_store_explicit(field, value, order)
#endif

/* For all kinds of park: what a sleeping task shows, and that it has woken. The address of `info`
 * goes nowhere, so that it need not be in memory. */
extern atomic_bool conc_trace_on;
void conc_watch_asleep(struct conc_task *self);
void conc_trace_awake(void);
void conc_trace_woken(struct conc_task *task);

static inline void conc_note_wait(struct conc_task *self, const struct conc_wait_info *info)
{
    CONC_NOTE(&self->wait_object, info->object, memory_order_relaxed);
    CONC_NOTE(&self->wait_site, info->site, memory_order_relaxed);
    CONC_NOTE(&self->wait_what, info->what, memory_order_release);
}

static inline void conc_fall_asleep(struct conc_task *self, const struct conc_wait_info *info)
{
    conc_note_wait(self, info);
    if (conc_is_watched())
        conc_watch_asleep(self);
}

/* Looks up anew who it is, which costs less than to remember it across the switch. */
static inline void conc_wake_up(void)
{
    CONC_NOTE(&conc_task_current_get()->wait_what, NULL, memory_order_relaxed);
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0))
        conc_trace_awake();
}

/* Parks the caller without a deadline where only a holder of `held` can unpark it, by
 * conc_unpark_sole. */
static inline void conc_park_sole(
    struct conc_task *self, struct conc_lock *held, const struct conc_wait_info *info)
{
    conc_fall_asleep(self, info);
    self->engine->park_sole(self, held);
    conc_wake_up();
}

/* The same where nobody looks on, by conc_is_watched: there is no other call before that of the
 * engine, so the caller need not save registers for one. */
static inline void conc_park_sole_unwatched(
    struct conc_task *self, struct conc_lock *held, const struct conc_wait_info *info)
{
    conc_note_wait(self, info);
    self->engine->park_sole(self, held);
    conc_wake_up();
}

static inline void conc_unpark_sole(struct conc_task *task)
{
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0))
        conc_trace_woken(task);
    task->engine->unpark_sole(task);
}

static inline void conc_unpark_sole_last(struct conc_task *task)
{
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0))
        conc_trace_woken(task);
    task->engine->unpark_sole_last(task);
}

static inline void conc_unpark(struct conc_task *task)
{
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0))
        conc_trace_woken(task);
    task->engine->unpark(task);
}

/* conc_cleanup_push and pop (without running it), inline, for who knows the calling task. */
static inline void conc_cleanup_push_of(
    struct conc_task *self, struct conc_cleanup *cleanup, void (*fn)(void *), void *arg)
{
    cleanup->fn = fn;
    cleanup->arg = arg;
    cleanup->next = self->cleanups;
    self->cleanups = cleanup;
}

static inline void conc_cleanup_pop_of(struct conc_task *self, struct conc_cleanup *cleanup)
{
    if (self->cleanups != cleanup)
        conc_panic(CONC_HERE, "the cleanup popped is not the newest");
    self->cleanups = cleanup->next;
}

/* What an engine calls on a task's own stack: runs the function. */
void conc_trace_begun(struct conc_task *task);
static inline void conc_task_main(struct conc_task *task)
{
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0))
        conc_trace_begun(task);
    if (task->kind->body)
        task->kind->body(task);
    else
        task->fn(task->arg);
}

/* And then this, also when the function was left by conc_task_exit: leaves the census and tells the
 * owner or the joiner, who may free the task as soon as the engine's reap allows it. */
void conc_task_finish(struct conc_task *task);

#endif
