/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "runtime/random.h"
#include "runtime/timer_queue.h"
#include "runtime/trace.h"

static _Atomic(uint64_t) last_id;

/* On fibers numbers are drawn by the block, one for each task that starts others: one shared number
 * for all would be a cache line that every start fights for. So the tasks that one task starts are
 * numbered in their order, wherever it runs. What is left of a block goes to the next task with the
 * same record, unless that one has a higher number. `block` is a power of two. */
static inline uint64_t next_id(struct conc_task *starter, uint64_t block)
{
    uint64_t id = starter->next_id;
    if (id <= starter->id)
        id = atomic_fetch_add_explicit(&last_id, block, memory_order_relaxed) + 1;
    starter->next_id = (id & (block - 1)) == 0 ? 0 : id + 1;
    return id;
}

/* What every task begins with, whatever carries it. */
static inline void enroll(struct conc_task *task, struct conc_task *starter, const char *name,
    const struct conc_site *site)
{
    task->started = site;
    task->id = next_id(starter, task->engine == &conc_engine_fibers ? 64 : 1);
    atomic_store_explicit(&task->name, name, memory_order_relaxed);
    conc_lock_init(&task->end_lock);
}

/* `handle` is set before the task runs, for fn may look at it; NULL: there is an owner. */
static inline __attribute__((always_inline)) int start(
    const struct conc_task_order *order, struct conc_task **handle, bool service)
{
    if (!order->fn)
        return EINVAL;
    conc_self(); /* the starter is a task itself, and has the lower number */
    if (conc_fault_start_now())
        return EAGAIN;
    const struct conc_engine *engine = conc_engine();
    struct conc_task *made;
    int rc = engine->create(&made);
    if (rc != 0)
        return rc;
    made->engine = engine;
    made->body = order->body;
    made->fn = order->fn;
    made->arg = order->arg;
    made->service = service;
    made->on_end = order->on_end;
    made->owner = order->owner;
    enroll(made, conc_task_current_get(), order->name, order->site);
    if (!engine->tasks) {
        conc_census_add(made);
        conc_census_awake();
    }
    conc_trace(CONC_TRACE_START, made, NULL);
    struct conc_task *before = handle ? *handle : NULL;
    if (handle) {
        made->joiner = NULL;
        *handle = made;
    }
    rc = engine->start(made);
    if (rc != 0) {
        if (handle)
            *handle = before;
        if (!engine->tasks) {
            conc_census_remove(made);
            conc_census_ends();
        }
        conc_lock_destroy(&made->end_lock);
        engine->destroy(made);
    }
    return rc;
}

int conc_task_start_at(struct conc_task **task, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site)
{
    if (!task)
        return EINVAL;
    return start(
        &(struct conc_task_order){.fn = fn, .arg = arg, .name = name, .site = site}, task, false);
}

int conc_task_start_owned(const struct conc_task_order *order)
{
    return start(order, NULL, false);
}

int conc_task_start_service(
    struct conc_task **task, void (*fn)(void *), void *arg, const struct conc_site *site)
{
    return start(
        &(struct conc_task_order){.fn = fn, .arg = arg, .name = "conc service", .site = site}, task,
        true);
}

/* Tells whoever holds the handle. */
static void wake_joiner(struct conc_task *task)
{
    if (!conc_lock_acquire_quick(&task->end_lock))
        conc_lock_acquire(&task->end_lock);
    task->ended = true;
    struct conc_task *joiner = task->joiner;
    conc_lock_release(&task->end_lock);
    if (joiner)
        conc_unpark_sole(joiner);
}

void conc_task_finish_slowly(struct conc_task *task)
{
    conc_trace(CONC_TRACE_END, task, NULL);
    bool counted = !task->engine->tasks;
    if (counted)
        conc_census_remove(task);
    if (task->on_end)
        task->on_end(task);
    else
        wake_joiner(task);
    if (counted)
        conc_census_ends(); /* last: whoever waits has been counted as awake by now */
}

void conc_task_release(struct conc_task *task)
{
    const struct conc_engine *engine = task->engine;
    if (engine->reap)
        engine->reap(task);
    conc_lock_destroy(&task->end_lock);
    engine->destroy(task);
}

void conc_task_join_at(struct conc_task *task, const struct conc_site *site)
{
    if (!task)
        return;
    struct conc_task *self = conc_self();
    if (task == self)
        conc_panic(site, "task %llu joins itself", (unsigned long long)task->id);
    conc_lock_acquire(&task->end_lock);
    if (!task->ended) {
        struct conc_wait_info info = {"for the end of task", task, site};
        task->joiner = self;
        conc_park_sole(&task->end_lock, &info);
    } else {
        conc_lock_release(&task->end_lock);
    }
    conc_task_release(task);
}

void conc_task_exit(void)
{
    struct conc_task *self = conc_task_self();
    if (!self->started)
        conc_panic(CONC_HERE, "conc_task_exit in a thread that conc did not start");
    while (self->cleanups) {
        struct conc_cleanup *newest = self->cleanups;
        self->cleanups = newest->next;
        newest->fn(newest->arg);
    }
    self->engine->exit(self);
    abort(); /* exit does not return */
}

struct conc_task *conc_task_self(void)
{
    struct conc_task *self = conc_task_current_get();
    if (__builtin_expect(self != NULL, 1))
        return self;
    conc_runtime_init();
    bool main_thread = atomic_load_explicit(&last_id, memory_order_relaxed) == 0;
    const struct conc_engine *engine = conc_engine();
    bool is_main = gettid() == getpid();
    self = NULL;
    if (is_main) {
        if (engine == &conc_engine_sim)
            self = conc_sim_adopt_main();
        else if (engine == &conc_engine_fibers)
            self = conc_fibers_adopt_main();
    }
    if (!self) {
        /* Counted as awake before it is known as a thread of ours: in between, the others might all
         * fall asleep and find no stranger left who could wake them. */
        conc_census_awake();
        self = conc_thread_adopt();
    }
    self->is_main = is_main;
    enroll(self, self, main_thread ? "main" : "thread", NULL);
    conc_census_add(self);
    conc_task_current_set(self);
    return self;
}

uint64_t conc_task_id(const struct conc_task *task)
{
    return task->id;
}

void conc_task_set_name(const char *format, ...)
{
    char name[sizeof((struct conc_task *)0)->own_name];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    conc_census_rename(conc_task_self(), name);
}

void conc_cleanup_push(struct conc_cleanup *cleanup, void (*fn)(void *), void *arg)
{
    conc_cleanup_push_of(conc_self(), cleanup, fn, arg);
}

void conc_cleanup_pop(struct conc_cleanup *cleanup, bool run)
{
    conc_cleanup_pop_of(conc_self(), cleanup);
    if (run)
        cleanup->fn(cleanup->arg);
}
