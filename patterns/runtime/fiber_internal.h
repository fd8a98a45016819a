/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_FIBER_INTERNAL_H
#define CONC_RUNTIME_FIBER_INTERNAL_H

/*
 * What the files of the fibers engine share: fibers, workers, and the state of the whole.
 *
 *   engine_fibers.c          the operations of the engine: start, park, unpark, yield, end
 *   fiber_hot_internal.h     the way of a fiber from ready to running and back, inline
 *   fiber_sched.c            workers: waking them, stealing, falling asleep
 *   fiber_monitor.c          looking after those that let nobody else run
 *   fiber_timers.c           deadlines
 *   fiber_poller.c           waiting for file descriptors
 *   fiber_offload.c          calls that block in the kernel
 *   fiber_store.c            the fibers themselves, recycled; fiber_stack.c, their stacks
 *   fiber_overflow.c         a stack that was too small
 *   fiber_switch.h .c        the switch of stacks
 *
 * Where a fiber that is ready stands:
 *
 *   next_run   of a worker: the one woken last by the one that runs. It goes next, while its data
 *              is in the cache; where others wait, three times at most, so that two partners cannot
 *              starve them
 *   queue      of a worker: first in, first out; others may steal from it
 *   inject     one for all: what threads outside the engine have woken
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/cores.h"
#include "runtime/engine.h"
#include "runtime/fiber_switch.h"
#include "runtime/timer_heap.h"

/* Nothing below is for programs, and a call need not go through the table of the shared library. */
#pragma GCC visibility push(hidden)

enum { MAX_WORKERS = 256, IN_A_ROW = 3, LOOK_ABOUT = 16, FREE_FIBERS = 256, FREE_STACKS = 32 };

/* Bits of a fiber's state. 0: it runs, or is about to park. Whoever replaces PARKED by something
 * else makes it ready. */
enum { TOKEN = 1, TIMEOUT = 2, READY = 4, PARKED = 8 };

/* At the top of the memory that it describes. */
struct stack {
    char *bottom; /* fixed: the lowest address */
    size_t size;  /* fixed: from there to this record */
    struct stack *next;
};

struct fiber {
    _Alignas(64) struct conc_task task;
    struct conc_fiber_context context; /* while it does not run; NULL: it has not begun */
    atomic_int state;
    atomic_bool live;    /* started and not ended */
    bool noticed;        /* the monitor's: named on stderr */
    struct stack *stack; /* once it has begun */
    struct fiber *next;  /* in a queue or a free list */
    struct conc_timer_node timer;
    void *tsan;
    void *asan;
};

/* Where a fiber made ready goes: into next_run, or to the end of the queue. */
enum where { NEXT, LAST };

/* Of a worker's look_out. */
enum { THIEF_IN = 1, NO_BARRIER = 2 };

struct queue {
    struct fiber *head; /* NULL: empty */
    struct fiber *tail; /* the last, whose `next` says nothing; if there is one */
    atomic_size_t len;
};

struct worker {
    /* The owner's only. */
    _Atomic(struct fiber *) current; /* the monitor looks at it; NULL: none */
    int in_a_row;
    struct fiber *left; /* what remains to be done for the fiber switched away from: */
    enum { PARKS, YIELDS } left_because;
    struct fiber *fibers; /* free ones */
    int fibers_len;
    int stacks_len;
    struct stack *stacks; /* free ones; of the first it may be about to leave */
    void *left_tsan;      /* the TSan fiber of the last that ended: destroyed after the switch */
    struct conc_fiber_context scheduler; /* while a fiber runs */
    void *scheduler_tsan;
    void *scheduler_asan;
    const void *scheduler_bottom;
    size_t scheduler_size;
    pthread_t thread;
    int *errno_at;           /* fixed: the thread's */
    bool of_main;            /* fixed: the thread is main's */
    int64_t stole_ns;        /* when it stole last; 0: that has been judged */
    unsigned long contended; /* locks it had found taken by then */
    struct conc_lock_bias bias;

    /* Looked at by others. */
    _Alignas(64) struct queue queue; /* under the biased lock */
    struct fiber *next_run;          /* under the biased lock */
    atomic_uchar look_out; /* THIEF_IN: a thief is, or will be, inside. NO_BARRIER: fixed */
    atomic_ulong turns;    /* twice how often the owner has picked the next to run; and 1 while it
                              is inside */
    atomic_bool asked;     /* by the monitor: let others run */
    atomic_bool asleep;    /* whoever clears it wakes the worker */
    atomic_uint wake;      /* futex word */
    struct conc_lock thieves;
};

struct fibers {
    struct conc_lock lock; /* guards inject */
    struct queue inject;
    _Atomic(int64_t) next_deadline; /* the earliest of all timers; CONC_FOREVER: there is none */

    struct worker *workers[MAX_WORKERS]; /* main's, if it comes last, is one more than wanted */
    atomic_int started;                  /* workers that exist */
    atomic_int wanted;                   /* fewer where threads cannot be had */
    bool may_add;                        /* fixed: nobody has said how many workers */
    atomic_int sleepers;
    atomic_bool watched;               /* some idle worker watches */
    _Atomic(struct worker *) survivor; /* the engine stops: only this one goes on; else NULL */
    bool no_membarrier;                /* fixed: the system has none */
    _Atomic(int64_t) coarse_ns; /* the clock, as the monitor and workers that wake saw it last */
    int64_t stuck_ns; /* fixed: after how long a task that lets nobody run is named; 0: never */
};

extern struct fibers conc_fibers;

static inline struct fiber *fiber_of(struct conc_task *task)
{
    return (struct fiber *)task; /* the task is its first member */
}

/* The calling thread's worker; NULL: a thread outside the engine. */
CONC_THREAD_LOCAL_DECLARE(struct worker *, conc_fiber_worker);

/* Parks until a bit of the state is set; takes all that are, and returns them. */
int conc_fiber_park(struct fiber *fiber, struct conc_lock *held, int64_t deadline_ns);

/* Where a fiber begins: called with it as the argument, on its stack; `held` as in finish_switch.
 */
void conc_fiber_main(void *fiber, void *held);

/* Leaves a fiber that nobody will wake, for the scheduler. */
_Noreturn void conc_fiber_leave(struct fiber *fiber);

/* fiber_sched.c */

/* Once, before all else. */
void conc_fiber_init_workers(void);

/* Makes the calling thread, which is main's, a worker whose scheduler has a stack of its own;
 * `fiber` runs on it now. */
void conc_fiber_adopt_thread(struct fiber *fiber);

/* Ends all workers but the caller's, and waits for their threads. */
void conc_fiber_stop_workers(void);

/* The other half of owner_enter: waits until no thief is inside. */
void conc_fiber_enter_slowly(struct worker *w, unsigned long turns);

/* The other half of make_ready: called from no worker (`w` NULL), or after owner_enter_quick has
 * said no; then `turns` is what it was given. */
void conc_fiber_make_ready_slowly(
    struct worker *w, unsigned long turns, struct fiber *fiber, enum where where);

/* Wakes one idle worker, or starts one more where there are fewer than wanted. */
void conc_fiber_wake_any(void);

/* Starts one worker more than were wanted, if it is left to the engine how many there are. */
void conc_fiber_add_worker(void);

/* Wakes one worker if it sleeps. */
bool conc_fiber_wake(struct worker *w);

/* Puts a fiber where any worker will find it. */
void conc_fiber_inject(struct fiber *fiber);
struct fiber *conc_fiber_take_injected(void);

/* fiber_monitor.c */

void conc_fiber_monitor_begin(void); /* does nothing the second time */
void conc_fiber_monitor_end(void);

/* A worker has work again: the monitor must not rest. */
void conc_fiber_monitor_wake(void);

/* fiber_timers.c */

void conc_fiber_timer_insert(struct fiber *fiber, int64_t deadline_ns);

/* Takes the fiber's timer out, if it has not fired. */
void conc_fiber_timer_remove(struct fiber *fiber);

/* Makes ready all whose deadline has passed. True: there were some. */
bool conc_fiber_timers_fire(struct worker *w);

/* fiber_store.c */

/* A fiber, used before or new, for which there will be a stack, where the worker has none at hand
 * or is NULL. NULL: no memory. */
struct fiber *conc_fiber_new(struct worker *w);

/* Gives one back where the worker has enough of them, or is NULL. */
void conc_fiber_return(struct worker *w, struct fiber *fiber);

/* A stack, for a worker that has none at hand; what one does that has none left, before the next
 * needs one: that may be with a lock held, and new stacks take long; and one that has too many. */
struct stack *conc_fiber_new_stack(void);
void conc_fiber_stock_stacks(struct worker *w);
void conc_fiber_return_stacks(struct worker *w);

/* For each live task that is no service: their number. `visit` may be NULL. */
size_t conc_fiber_tasks(void (*visit)(const struct conc_task *task, void *arg), void *arg);

/* Whether an address lies in the guard below a stack. Async-signal-safe. */
bool conc_fiber_stack_hit(const void *address);

/* fiber_offload.c, fiber_poller.c: as the operations of the engine. */

void conc_fiber_blocking(void (*fn)(void *), void *arg);
int conc_fiber_park_fd(struct conc_task *self, struct conc_lock *held, int fd, short events,
    short *revents, int64_t deadline_ns);

#pragma GCC visibility pop

#endif
