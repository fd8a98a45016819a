/* SPDX-License-Identifier: MIT */

/*
 * The fibers engine: many tasks on few threads. A task is a fiber, a stack of its own that a worker
 * thread runs until the task waits; then the worker switches to the next, in a few nanoseconds and
 * without the kernel. One worker a processor, or CONC_WORKERS.
 *
 * Here are the operations of the engine. fiber_internal.h says which file holds the rest.
 *
 * Main's thread becomes a worker, and main a fiber like any other: its stack is memory, so main
 * goes on on whichever worker is free, as Go's main goroutine does.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/fiber_hot_internal.h"
#include "runtime/fiber_stack.h"
#include "runtime/launch_internal.h"
#include "runtime/memory.h"

/* --- ends and beginnings -------------------------------------------------------------------------
 */

/* Says that the fiber has ended: conc_task_finish, but for the trace compiled in here. From then on
 * the fiber is not touched: its record may be another's. Returns a fiber that has waited for the
 * end and is to be made ready; NULL: there is none, or it has been done. */
static inline __attribute__((always_inline)) struct fiber *tell_end(
    struct worker *w, struct fiber *fiber)
{
    struct conc_task *task = &fiber->task;
    void (*on_end)(struct conc_task *) = task->kind->on_end;
    struct conc_task *joiner = NULL;
    __tsan_release(fiber); /* to whoever uses the record next */
    atomic_store_explicit(&fiber->live, false, memory_order_relaxed);
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0)) {
        conc_task_finish(task);
    } else if (on_end) {
        on_end(task);
    } else {
        __tsan_release(&task->end_lock); /* TSan does not see what this file does to a lock */
        joiner = conc_task_end(task);
        if (joiner)
            __tsan_acquire(&task->end_lock);
    }
    if (on_end)
        give_fiber(w, fiber);
    if (joiner && joiner->engine != &conc_engine_fibers) {
        conc_unpark_sole(joiner);
        joiner = NULL;
    }
    return joiner ? fiber_of(joiner) : NULL;
}

/* The next fiber for this worker, where `woken` is to be made ready (NULL: none): that one, as it
 * would be after make_ready, unless another's turn has come. */
static inline __attribute__((always_inline)) struct fiber *pick_after(
    struct worker *w, struct fiber *woken)
{
    if (!woken)
        return pick(w);
    __tsan_release(woken);
    unsigned long turns = turns_of(w) + 2;
    if (w->in_a_row < IN_A_ROW && !must_look_about(turns) &&
        !__atomic_load_n(&w->next_run, __ATOMIC_RELAXED)) {
        count_pick(w, turns);
        w->in_a_row++;
        return woken;
    }
    make_ready(w, woken, NEXT);
    return pick(w);
}

/* Leaves for good the stack that runs, on which a fiber has ended. It is free from now on, but it
 * is this worker's, so nobody runs on it before the switch. `to`, if it has not begun, may get it:
 * what is then written at its top reaches no frame but that of conc_fiber_main, which does not
 * return. */
static inline __attribute__((always_inline)) _Noreturn void leave_stack(
    struct worker *w, struct stack *stack, void *tsan, struct fiber *to)
{
#if CONC_TSAN
    w->left_tsan = tsan;
#else
    (void)tsan;
#endif
    stack->next = w->stacks;
    w->stacks = stack;
    if (++w->stacks_len == FREE_STACKS)
        conc_fiber_return_stacks(w);
    (void)switch_to(w, NULL, NULL, to, NULL);
    __builtin_unreachable();
}

/* Ends a fiber from anywhere on its stack. */
static _Noreturn void fiber_end(struct fiber *fiber)
{
    struct stack *stack = fiber->stack;
    void *tsan = fiber->tsan;
    struct worker *w =
        conc_fiber_worker_get(); /* from here to the switch nothing waits or yields */
    struct fiber *woken = tell_end(w, fiber);
    leave_stack(w, stack, tsan, pick_after(w, woken));
}

/* A fiber that calls pthread_exit: the unwinding of its stack comes here, and goes no further. */
static void leaves_by_pthread_exit(struct fiber **fiber)
{
    struct conc_task *task = &(*fiber)->task;
    if (task->cleanups)
        conc_panic(task->started, "task %llu was ended by pthread_exit; use conc_task_exit",
            (unsigned long long)task->id);
    fiber_end(*fiber);
}

/* Runs a fiber, and as many after it as come next and have not begun: on the same stack. */
void conc_fiber_main(void *arg, void *held)
{
    struct fiber *fiber __attribute__((cleanup(leaves_by_pthread_exit))) = arg;
    struct stack *stack = fiber->stack;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    struct worker *w = finish_switch(held);
    if (__builtin_expect(!w->stacks, 0))
        conc_fiber_stock_stacks(w);
    for (;;) {
        void *tsan = fiber->tsan;
        __tsan_acquire(fiber);
        conc_task_main(&fiber->task);
        w = conc_fiber_worker_get(); /* from here to the switch nothing waits or yields */
        struct fiber *woken = tell_end(w, fiber);
        struct fiber *next = pick_after(w, woken);
        if (!next || next->context.sp)
            leave_stack(w, stack, tsan, next);
        fiber = next;
        fiber->stack = stack;
        set_current(w, fiber);
        __tsan_switch_to_fiber(fiber->tsan, 0);
        __tsan_destroy_fiber(tsan);
    }
}

/* What may be due when a fiber has been started: who starts many for long must let others run, too.
 * These two return 0, so that a start may end with them. */
static __attribute__((noinline)) int end_start(void)
{
    backlog();
    conc_checkpoint();
    return 0;
}

static __attribute__((noinline)) int start_slowly(
    struct worker *w, unsigned long turns, struct fiber *fiber)
{
    conc_fiber_make_ready_slowly(w, turns, fiber, LAST);
    conc_checkpoint();
    return 0;
}

/* Its timer is in no heap: that is so from the beginning, and after each wait. */
static inline void reset(struct fiber *fiber)
{
    enum { FIRST = offsetof(struct fiber, context), END = offsetof(struct fiber, stack) };
    conc_task_reset(&fiber->task);
    memset((char *)fiber + FIRST, 0, END - FIRST);
}

static inline __attribute__((always_inline)) int launch(struct worker *w, struct fiber *fiber,
    void *owner, void (*fn)(void *), void *arg, const char *name, const struct conc_site *site,
    const struct conc_task_kind *kind, bool may_be_traced)
{
    __tsan_acquire(fiber);
    reset(fiber);
    conc_task_fill(&fiber->task, &conc_engine_fibers, owner, fn, arg, name, site, kind);
    if (may_be_traced)
        conc_trace(CONC_TRACE_START, &fiber->task, NULL);
#if CONC_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    atomic_store_explicit(&fiber->live, true, memory_order_release);
    __tsan_release(fiber);
    unsigned long turns = 0;
    if (__builtin_expect(!w, 0) || !owner_enter_quick(w, turns = turns_of(w)))
        return start_slowly(w, turns, fiber);
    put_ready(w, fiber, LAST);
    owner_leave(w, turns);
    if (must_wake_one() || conc_checkpoint_is_asked())
        return end_start();
    return 0;
}

static __attribute__((noinline)) int launch_slowly(void *owner, void (*fn)(void *), void *arg,
    const char *name, const struct conc_site *site, const struct conc_task_kind *kind)
{
    struct worker *w = conc_fiber_worker_get();
    struct fiber *fiber = w && w->fibers ? take_fiber(w) : conc_fiber_new(w);
    return fiber ? launch(w, fiber, owner, fn, arg, name, site, kind, true) : ENOMEM;
}

/* In the common way no call but a last one: so it saves no registers. */
static int fibers_launch(void *owner, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site, const struct conc_task_kind *kind)
{
    struct worker *w = conc_fiber_worker_get();
    if (conc_fault_alloc_now())
        return ENOMEM;
    if (!w || !w->fibers || atomic_load_explicit(&conc_trace_on, memory_order_relaxed))
        return launch_slowly(owner, fn, arg, name, site, kind);
    return launch(w, take_fiber(w), owner, fn, arg, name, site, kind, false);
}

static void fibers_destroy(struct conc_task *task)
{
    __tsan_release(fiber_of(task));
    struct worker *w = conc_fiber_worker_get();
    if (w)
        give_fiber(w, fiber_of(task));
    else
        conc_fiber_return(NULL, fiber_of(task));
}

static __attribute__((noreturn)) void fibers_exit(struct conc_task *self)
{
    fiber_end(fiber_of(self));
}

void conc_fiber_leave(struct fiber *fiber)
{
    switch_away(conc_fiber_worker_get(), fiber, NULL, NULL);
    abort();
}

/* --- waiting -------------------------------------------------------------------------------------
 */

/* For the reports alone: a look at the clock would cost more than the rest of a park. */
static inline void note_since(struct fiber *fiber)
{
    int64_t now = atomic_load_explicit(&conc_fibers.coarse_ns, memory_order_relaxed);
    atomic_store_explicit(&fiber->task.wait_since, now, memory_order_relaxed);
}

/* Parks until a bit of the state is set; takes all that are, and returns them. */
int conc_fiber_park(struct fiber *fiber, struct conc_lock *held, int64_t deadline_ns)
{
    struct worker *w = conc_fiber_worker_get();
    bool timed = deadline_ns != CONC_FOREVER;
    if (timed)
        conc_fiber_timer_insert(fiber, deadline_ns);
    note_since(fiber);
    w->left = fiber;
    w->left_because = PARKS;
    if (held)
        __tsan_release(held);
    switch_away(w, fiber, pick(w), held);
    __tsan_acquire(fiber);
    int bits = atomic_exchange(&fiber->state, 0);
    if (timed && !(bits & TIMEOUT)) {
        conc_fiber_timer_remove(fiber); /* from here on it cannot fire, but it may just have */
        bits |= atomic_exchange(&fiber->state, 0);
    }
    return bits;
}

static int fibers_park(struct conc_task *self, struct conc_lock *held, int64_t deadline_ns)
{
    return conc_fiber_park(fiber_of(self), held, deadline_ns) & TOKEN ? 0 : ETIMEDOUT;
}

static void fibers_unpark(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    if (signal_fiber(fiber, TOKEN))
        make_ready(conc_fiber_worker_get(), fiber, NEXT);
}

/* No state to mark: until the lock is released, by whoever runs next, nobody can find the fiber. */
static void fibers_park_sole(struct conc_task *self, struct conc_lock *held)
{
    struct fiber *fiber = fiber_of(self);
    struct worker *w = conc_fiber_worker_get();
    note_since(fiber);
    __tsan_release(held);
    switch_away(w, fiber, pick(w), held);
    __tsan_acquire(fiber);
}

static void fibers_unpark_sole(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    __tsan_release(fiber);
    make_ready(conc_fiber_worker_get(), fiber, NEXT);
}

static void fibers_unpark_sole_last(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    __tsan_release(fiber);
    make_ready(conc_fiber_worker_get(), fiber, LAST);
}

/* Lets another run; the caller goes to the end of the queue. */
static void yield_to(struct worker *w, struct fiber *to)
{
    w->left = w->current;
    w->left_because = YIELDS;
    switch_away(w, w->current, to, NULL);
}

static void fibers_yield(void)
{
    struct worker *w = conc_fiber_worker_get();
    if (atomic_load_explicit(&conc_fibers.next_deadline, memory_order_relaxed) != CONC_FOREVER)
        conc_fiber_timers_fire(w);
    struct fiber *to = pick(w);
    if (to)
        yield_to(w, to);
}

/* The monitor has asked somebody to let others run: perhaps the caller. */
static void fibers_checkpoint(void)
{
    struct worker *w = conc_fiber_worker_get();
    if (!w || !atomic_load_explicit(&w->asked, memory_order_relaxed))
        return;
    atomic_store_explicit(&w->asked, false, memory_order_relaxed);
    conc_fiber_timers_fire(w);
    struct fiber *to = conc_fiber_take_injected();
    if (to)
        count_pick(w, turns_of(w) + 2);
    else
        to = pick(w);
    if (to)
        yield_to(w, to);
}

/* --- the engine ----------------------------------------------------------------------------------
 */

void conc_fibers_init(void)
{
    conc_fiber_init_workers();
    conc_fiber_stack_size(); /* and so CONC_STACK is looked at now */
    conc_fiber_catch_overflow(conc_fiber_stack_hit);
}

struct conc_task *conc_fibers_adopt_main(void)
{
    static struct stack main_stack;
    static struct fiber main_fiber = {.stack = &main_stack};
    main_fiber.task.engine = &conc_engine_fibers;
    main_fiber.tsan = __tsan_get_current_fiber();
    conc_fiber_adopt_thread(&main_fiber);
    return &main_fiber.task;
}

void conc_fibers_stop(void)
{
    conc_fiber_stop_workers();
}

const struct conc_engine conc_engine_fibers = {
    .name = "fibers",
    .launch = fibers_launch,
    .destroy = fibers_destroy,
    .exit = fibers_exit,
    .park = fibers_park,
    .unpark = fibers_unpark,
    .park_sole = fibers_park_sole,
    .unpark_sole = fibers_unpark_sole,
    .unpark_sole_last = fibers_unpark_sole_last,
    .park_fd = conc_fiber_park_fd,
    .yield = fibers_yield,
    .checkpoint = fibers_checkpoint,
    .now_ns = conc_machine_now_ns,
    .blocking = conc_fiber_blocking,
    .cooperative = true,
    .releases = true,
    .tasks = conc_fiber_tasks,
};
