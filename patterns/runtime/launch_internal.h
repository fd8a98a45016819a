/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_LAUNCH_INTERNAL_H
#define CONC_RUNTIME_LAUNCH_INTERNAL_H

/*
 * What starting a task is on every engine, compiled into each: a start on fibers is so short that a
 * call more would show. So is, on fibers, the end. Not every engine is
 * instrumented for TSan, so it has to be told what is written to the program's memory.
 */

#include "runtime/engine.h"
#include "runtime/fiber_tools.h"
#include "runtime/trace.h"

/* The highest number of a task so far. */
extern _Atomic(uint64_t) conc_task_last_id __attribute__((visibility("hidden")));

/* On fibers numbers are drawn by the block, one for each task that starts others: one shared number
 * for all would be a cache line that every start fights for. So the tasks that one task starts are
 * numbered in their order, wherever it runs. What is left of a block goes to the next task with the
 * same record, unless that one has a higher number. `block` is a power of two. */
static inline uint64_t conc_task_next_id(struct conc_task *starter, uint64_t block)
{
    uint64_t id = starter->next_id;
    if (id <= starter->id)
        id = atomic_fetch_add_explicit(&conc_task_last_id, block, memory_order_relaxed) + 1;
    starter->next_id = (id & (block - 1)) == 0 ? 0 : id + 1;
    return id;
}

/* What every task begins with, whatever carries it. */
static inline void conc_task_enroll(struct conc_task *task, struct conc_task *starter,
    const char *name, const struct conc_site *site, const struct conc_engine *engine)
{
    task->started = site;
    task->id = conc_task_next_id(starter, engine == &conc_engine_fibers ? 64 : 1);
    atomic_store_explicit(&task->name, name, memory_order_relaxed);
}

/* What an engine's launch (engine.h) does once it has a record in which its own part is
 * initialised, `engine` is set, and the rest is as good as zeroed. After that it tells the trace,
 * and begins to run conc_task_main(made), and then what conc_task_finish does. */
static inline __attribute__((always_inline)) void conc_task_fill(struct conc_task *made,
    const struct conc_engine *engine, void *owner, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site, const struct conc_task_kind *kind)
{
    made->kind = kind;
    made->fn = fn;
    made->arg = arg;
    made->owner = owner;
    conc_task_enroll(made, conc_task_current_get(), name, site, engine);
    if (!kind->on_end) {
        struct conc_task **handle = owner;
        made->joiner = NULL;
        __tsan_write8(handle);
        *handle = made;
    }
}

/* Ends a task without an owner. Returns who waits for that, and is to be unparked; NULL: nobody
 * does, and the task may be freed at any moment. */
static inline __attribute__((always_inline)) struct conc_task *conc_task_end(struct conc_task *task)
{
    if (!conc_lock_acquire_quick(&task->end_lock))
        conc_lock_acquire(&task->end_lock);
    task->ended = true;
    struct conc_task *joiner = task->joiner;
    conc_lock_release(&task->end_lock);
    return joiner;
}

#endif
