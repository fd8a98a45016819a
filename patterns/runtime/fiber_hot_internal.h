/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_FIBER_HOT_INTERNAL_H
#define CONC_RUNTIME_FIBER_HOT_INTERNAL_H

/*
 * The hot path of the fibers engine: the queues of a worker, making ready, picking the next, the
 * switch. Inline, for engine_fibers.c and fiber_sched.c: a few nanoseconds are all it takes, and
 * every call more would show.
 *
 * The worker's own queue is touched by its owner a thousand times for each theft, so its lock is
 * biased: the owner enters by plain stores, and a thief makes every core pass a barrier
 * (membarrier(2)) before it looks whether the owner is inside.
 */

#include "runtime/clock.h"
#include "runtime/errno.h"
#include "runtime/fiber_internal.h"
#include "runtime/fiber_tools.h"

/* --- queues --------------------------------------------------------------------------------------
 */

static inline void queue_push(struct queue *queue, struct fiber *fiber)
{
    *(queue->head ? &queue->tail->next : &queue->head) = fiber;
    queue->tail = fiber;
    size_t len = atomic_load_explicit(&queue->len, memory_order_relaxed);
    atomic_store_explicit(&queue->len, len + 1, memory_order_relaxed);
}

static inline __attribute__((always_inline)) struct fiber *queue_pop(struct queue *queue)
{
    struct fiber *fiber = queue->head;
    if (!fiber)
        return NULL;
    queue->head = fiber == queue->tail ? NULL : fiber->next;
    size_t len = atomic_load_explicit(&queue->len, memory_order_relaxed);
    atomic_store_explicit(&queue->len, len - 1, memory_order_relaxed);
    return fiber;
}

static inline size_t queue_len(const struct queue *queue)
{
    return atomic_load_explicit(&queue->len, memory_order_relaxed);
}

/* The biased lock. The owner says "inside" and then looks out for a thief; a thief says "thief" and
 * then, after a barrier on every core, looks whether the owner is inside. One of them sees the
 * other.
 *
 * "Inside" is the lowest bit of a word that counts the owner's picks by twos: the one store says
 * both. `turns` is what the word is outside.
 *
 * False: there may be a thief, and conc_fiber_enter_slowly is to follow. */
static inline bool owner_enter_quick(struct worker *w, unsigned long turns)
{
    atomic_store_explicit(&w->turns, turns + 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return __builtin_expect(atomic_load_explicit(&w->look_out, memory_order_acquire) == 0, 1);
}

static inline void owner_enter(struct worker *w, unsigned long turns)
{
    if (!owner_enter_quick(w, turns))
        conc_fiber_enter_slowly(w, turns);
}

/* `turns`: what the word is to be. */
static inline void owner_leave(struct worker *w, unsigned long turns)
{
    atomic_store_explicit(&w->turns, turns, memory_order_release);
}

/* Of the owner, outside. */
static inline unsigned long turns_of(const struct worker *w)
{
    return atomic_load_explicit(&w->turns, memory_order_relaxed);
}

/* How often the owner has picked, for others. */
static inline unsigned long picks_of(const struct worker *w)
{
    return turns_of(w) / 2;
}

/* --- making ready --------------------------------------------------------------------------------
 */

/* Idle workers sleep, or there could be one more, and none watches for work. */
static inline bool must_wake_one(void)
{
    return !atomic_load_explicit(&conc_fibers.watched, memory_order_relaxed) &&
           (atomic_load_explicit(&conc_fibers.sleepers, memory_order_relaxed) > 0 ||
               atomic_load_explicit(&conc_fibers.started, memory_order_relaxed) <
                   atomic_load_explicit(&conc_fibers.wanted, memory_order_relaxed));
}

/* Work waits behind the one that runs. */
static inline void backlog(void)
{
    if (must_wake_one())
        conc_fiber_wake_any();
}

static inline void push_local(struct worker *w, struct fiber *fiber)
{
    unsigned long turns = turns_of(w);
    owner_enter(w, turns);
    queue_push(&w->queue, fiber);
    owner_leave(w, turns);
}

/* The same for all of a list, which is empty then. */
static inline void push_all_local(struct worker *w, struct queue *list)
{
    unsigned long turns = turns_of(w);
    owner_enter(w, turns);
    for (struct fiber *fiber; (fiber = queue_pop(list));)
        queue_push(&w->queue, fiber);
    owner_leave(w, turns);
}

/* Inside. */
static inline void put_ready(struct worker *w, struct fiber *fiber, enum where where)
{
    struct fiber *pushed = fiber;
    if (where == NEXT) {
        pushed = w->next_run;
        w->next_run = fiber;
    }
    if (pushed)
        queue_push(&w->queue, pushed);
}

/* Makes a fiber run some time: next, when it is called from a worker, or behind those that are
 * ready already. No call but a last one, so that who does nothing else saves no registers. */
static inline void make_ready(struct worker *w, struct fiber *fiber, enum where where)
{
    unsigned long turns = 0;
    if (__builtin_expect(!w, 0) || !owner_enter_quick(w, turns = turns_of(w))) {
        conc_fiber_make_ready_slowly(w, turns, fiber, where);
        return;
    }
    put_ready(w, fiber, where);
    owner_leave(w, turns);
    backlog();
}

/* Adds a bit to the state. True: the fiber was parked, and the caller must make it ready. */
static inline bool signal_fiber(struct fiber *fiber, int bit)
{
    __tsan_release(fiber);
    int state = atomic_load_explicit(&fiber->state, memory_order_relaxed);
    int wanted;
    do
        wanted = state & PARKED ? bit : state | bit;
    while (!atomic_compare_exchange_weak(&fiber->state, &state, wanted));
    return state & PARKED;
}

/* --- fibers at hand ------------------------------------------------------------------------------
 */

/* There is one. */
static inline struct fiber *take_fiber(struct worker *w)
{
    struct fiber *fiber = w->fibers;
    w->fibers = fiber->next;
    w->fibers_len--;
    return fiber;
}

static inline void give_fiber(struct worker *w, struct fiber *fiber)
{
    if (__builtin_expect(w->fibers_len >= FREE_FIBERS, 0)) {
        conc_fiber_return(w, fiber);
        return;
    }
    fiber->next = w->fibers;
    w->fibers = fiber;
    w->fibers_len++;
}

/* --- switching -----------------------------------------------------------------------------------
 */

/* The rare half of finish_switch. */
void conc_fiber_finish_left(struct worker *w);

/* What is due after a switch, on the new stack: the fiber that was left is off its stack now.
 * `held`: the lock with which it parked, which is released; NULL: none. */
static inline __attribute__((always_inline)) struct worker *finish_switch(struct conc_lock *held)
{
    struct worker *w = conc_fiber_worker_get();
    if (w->left)
        conc_fiber_finish_left(w);
#if CONC_TSAN
    if (w->left_tsan)
        __tsan_destroy_fiber(w->left_tsan);
    w->left_tsan = NULL;
#endif
    if (held)
        conc_tsan_lock_release(held);
    return w;
}

/* One pick more, as the owner that is not inside says it: the word is `turns` now. */
static inline void count_pick(struct worker *w, unsigned long turns)
{
    atomic_store_explicit(&w->turns, turns, memory_order_release);
}

/* Whether it is time, when a pick has made it so many turns, to look for timers that are due and
 * for what others have left for all workers: every 16th time. */
static inline bool must_look_about(unsigned long turns)
{
    return turns % (2 * LOOK_ABOUT) == 0;
}

/* The next fiber for this worker from what it has itself, or NULL. */
static inline __attribute__((always_inline)) struct fiber *pick(struct worker *w)
{
    unsigned long turns = turns_of(w) + 2;
    if (__builtin_expect(must_look_about(turns), 0)) {
        count_pick(w, turns);
        if (atomic_load_explicit(&conc_fibers.next_deadline, memory_order_relaxed) != CONC_FOREVER)
            conc_fiber_timers_fire(w);
        struct fiber *injected = conc_fiber_take_injected();
        if (injected)
            return injected;
    }
    owner_enter(w, turns);
    struct fiber *fiber = w->next_run;
    if (fiber && !w->queue.head) {
        w->next_run = NULL;
    } else if (fiber && w->in_a_row < IN_A_ROW) {
        w->in_a_row++;
        w->next_run = NULL;
    } else {
        w->in_a_row = 0;
        fiber = queue_pop(&w->queue); /* NULL only when next_run is, too */
    }
    owner_leave(w, turns);
    return fiber;
}

/* Gives a fiber that begins a stack. */
static inline void prepare(struct worker *w, struct fiber *fiber)
{
    struct stack *stack = w->stacks;
    if (__builtin_expect(stack != NULL, 1)) {
        w->stacks = stack->next;
        w->stacks_len--;
    } else {
        stack = conc_fiber_new_stack();
    }
    fiber->stack = stack;
    conc_fiber_prepare(&fiber->context, stack->bottom, stack, conc_fiber_main, fiber);
}

/* Says that this worker runs `to` from now on; NULL: its scheduler. */
static inline void set_current(struct worker *w, struct fiber *to)
{
    atomic_store_explicit(&w->current, to, memory_order_relaxed);
    conc_task_current_set(to ? &to->task : NULL);
}

static inline __attribute__((always_inline)) struct conc_lock *switch_from(
    struct conc_fiber_context *from, const struct conc_fiber_context *to, struct conc_lock *held)
{
    if (!from)
        conc_fiber_jump(to, held);
    return conc_fiber_switch(from, to, held);
}

/* Leaves the stack that runs, whose place is saved in *from, for `to`, or for the scheduler where
 * that is NULL. `from` and `from_asan` NULL: nobody will come back. `held` goes to the other side,
 * to finish_switch there; returned is what is to be given to it on this one. */
static inline __attribute__((always_inline)) struct conc_lock *switch_to(struct worker *w,
    struct conc_fiber_context *from, void **from_asan, struct fiber *to, struct conc_lock *held)
{
    set_current(w, to);
    if (to) {
        if (__builtin_expect(!to->context.sp, 0))
            prepare(w, to);
        __tsan_switch_to_fiber(to->tsan, 0);
        __sanitizer_start_switch_fiber(from_asan, to->stack->bottom, to->stack->size);
        return switch_from(from, &to->context, held);
    }
    __tsan_switch_to_fiber(w->scheduler_tsan, 0);
    __sanitizer_start_switch_fiber(from_asan, w->scheduler_bottom, w->scheduler_size);
    return switch_from(from, &w->scheduler, held);
}

/* Leaves `from`, and is here again when it goes on, perhaps on another thread. `held` is released
 * once it is off its stack. */
static inline __attribute__((always_inline)) void switch_away(
    struct worker *w, struct fiber *from, struct fiber *to, struct conc_lock *held)
{
    int saved_errno = *w->errno_at;
    held = switch_to(w, &from->context, &from->asan, to, held);
    __sanitizer_finish_switch_fiber(from->asan, NULL, NULL);
    int *errno_at = finish_switch(held)->errno_at;
    if (__builtin_expect(*errno_at != saved_errno, 0)) /* it seldom is, and a store costs more */
        *errno_at = saved_errno;
}

#endif
