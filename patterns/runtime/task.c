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
#include "runtime/launch_internal.h"
#include "runtime/memory.h"
#include "runtime/random.h"
#include "runtime/timer_queue.h"
#include "runtime/trace.h"

_Atomic(uint64_t) conc_task_last_id;

const struct conc_task_kind conc_task_plain = {.body = NULL};

/* The same for the first of a thread, or of all. */
static __attribute__((noinline)) int start_first(void *owner, void (*fn)(void *), void *arg,
    const char *name, const struct conc_site *site, const struct conc_task_kind *kind)
{
    conc_self(); /* the starter has the lower number */
    return conc_engine()->launch(owner, fn, arg, name, site, kind);
}

int conc_task_start_kind(void *owner, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site, const struct conc_task_kind *kind)
{
    if (!fn || !owner)
        return EINVAL;
    if (conc_fault_start_now())
        return EAGAIN;
    if (!conc_task_current_get())
        return start_first(owner, fn, arg, name, site, kind);
    /* There is a task, so an engine has been chosen. */
    return atomic_load_explicit(&conc_engine_chosen, memory_order_acquire)
        ->launch(owner, fn, arg, name, site, kind);
}

int conc_task_start_at(struct conc_task **task, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site)
{
    return conc_task_start_kind(task, fn, arg, name, site, &conc_task_plain);
}

int conc_task_start_service(
    struct conc_task **task, void (*fn)(void *), void *arg, const struct conc_site *site)
{
    static const struct conc_task_kind service = {.service = true};
    return conc_task_start_kind(task, fn, arg, "conc service", site, &service);
}

/* Without a trace fibers have a version of their own: tell_end in engine_fibers.c. */
void conc_task_finish(struct conc_task *task)
{
    conc_trace(CONC_TRACE_END, task, NULL);
    if (!task->engine->tasks)
        conc_census_remove(task);
    if (task->kind->on_end) {
        task->kind->on_end(task);
    } else {
        struct conc_task *joiner = conc_task_end(task);
        if (joiner)
            conc_unpark_sole(joiner);
    }
}

static __attribute__((noinline)) void reap_and_release(struct conc_task *task)
{
    task->engine->reap(task);
    conc_lock_destroy(&task->end_lock);
    task->engine->destroy(task);
}

void conc_task_release(struct conc_task *task)
{
    if (task->engine->reap) {
        reap_and_release(task);
        return;
    }
    conc_lock_destroy(&task->end_lock);
    task->engine->destroy(task);
}

/* With the end lock held. */
static inline __attribute__((always_inline)) void join_held(struct conc_task *task,
    struct conc_task *self, const struct conc_site *site,
    void (*park)(struct conc_task *, struct conc_lock *, const struct conc_wait_info *))
{
    if (!task->ended) {
        struct conc_wait_info info = {"for the end of task", task, site};
        task->joiner = self;
        park(self, &task->end_lock, &info);
    } else {
        conc_lock_release(&task->end_lock);
    }
    conc_task_release(task);
}

static __attribute__((noinline)) void join_slowly(
    struct conc_task *task, const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    if (task == self)
        conc_panic(site, "task %llu joins itself", (unsigned long long)task->id);
    conc_lock_acquire(&task->end_lock);
    join_held(task, self, site, conc_park_sole);
}

void conc_task_join_at(struct conc_task *task, const struct conc_site *site)
{
    struct conc_task *self = conc_task_current_get();
    if (!task)
        return;
    if (!self || task == self || conc_is_watched() || !conc_lock_acquire_quick(&task->end_lock))
        join_slowly(task, site);
    else
        join_held(task, self, site, conc_park_sole_unwatched);
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
    bool main_thread = atomic_load_explicit(&conc_task_last_id, memory_order_relaxed) == 0;
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
    self->kind = &conc_task_plain;
    self->is_main = is_main;
    conc_lock_init(&self->end_lock);
    conc_task_enroll(self, self, main_thread ? "main" : "thread", NULL, self->engine);
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
