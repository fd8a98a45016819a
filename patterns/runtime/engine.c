/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/lock.h"
#include "runtime/sim.h"
#include "runtime/trace.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static const struct conc_engine *const engines[] = {
    &conc_engine_fibers, &conc_engine_threads, &conc_engine_sim};

enum { ENGINES = sizeof engines / sizeof *engines };

_Atomic(const struct conc_engine *) conc_engine_chosen;

static const struct conc_engine *find(const char *name)
{
    for (size_t i = 0; i < ENGINES; i++)
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    return NULL;
}

/* The first choice holds: which that was. */
static const struct conc_engine *choose(const struct conc_engine *wanted)
{
    const struct conc_engine *chosen = NULL;
    if (!atomic_compare_exchange_strong(&conc_engine_chosen, &chosen, wanted))
        return chosen;
    if (wanted != &conc_engine_fibers)
        atomic_store(&conc_lock_biased, false);
    return wanted;
}

int conc_engine_select(const char *name)
{
    const struct conc_engine *wanted = name ? find(name) : NULL;
    if (!wanted)
        return EINVAL;
    return choose(wanted) == wanted ? 0 : EBUSY;
}

/* Valgrind's tools see threads, and take fibers for one thread that jumps about. */
static const struct conc_engine *by_itself(void)
{
    return CONC_LOCK_PTHREAD || RUNNING_ON_VALGRIND ? &conc_engine_threads : &conc_engine_fibers;
}

const struct conc_engine *conc_engine_choose(void)
{
    const struct conc_engine *wanted = by_itself();
    const char *name = getenv("CONC_ENGINE");
    if (name && *name) {
        wanted = find(name);
        if (!wanted) {
            fprintf(stderr, "conc: CONC_ENGINE: unknown engine '%s': one of %s\n", name,
                conc_engine_names());
            _Exit(2);
        }
    }
    return choose(wanted);
}

const char *conc_engine_name(void)
{
    return conc_engine()->name;
}

const char *conc_engine_names(void)
{
    return "fibers, threads, sim";
}

int64_t conc_now_ns(void)
{
    const struct conc_engine *engine = conc_engine();
    if (engine == &conc_engine_sim)
        conc_sim_looked();
    return engine->now_ns();
}

void conc_yield(void)
{
    conc_self()->engine->yield();
}

bool conc_checkpoint_asked;

void conc_checkpoint_now(void)
{
    struct conc_task *self = conc_self();
    if (self->engine->checkpoint)
        self->engine->checkpoint();
}

void conc_blocking(void (*fn)(void *), void *arg)
{
    conc_self()->engine->blocking(fn, arg);
}

void conc_watch_asleep(struct conc_task *self)
{
    if (conc_check_on())
        conc_check_sleeps(self);
    if (!atomic_load_explicit(&conc_trace_on, memory_order_relaxed))
        return;
    struct conc_wait_info info = {
        .what = atomic_load_explicit(&self->wait_what, memory_order_relaxed),
        .object = atomic_load_explicit(&self->wait_object, memory_order_relaxed),
        .site = atomic_load_explicit(&self->wait_site, memory_order_relaxed),
    };
    conc_trace_record(CONC_TRACE_BLOCK, self, &info);
}

void conc_trace_awake(void)
{
    conc_trace_record(CONC_TRACE_RUN, conc_task_current_get(), NULL);
}

void conc_trace_begun(struct conc_task *task)
{
    conc_trace_record(CONC_TRACE_BEGIN, task, NULL);
}

void conc_trace_woken(struct conc_task *task)
{
    conc_trace_record(CONC_TRACE_WAKE, task, NULL);
}

/* Before the task says that it waits, and after. */
static void note_ends_itself(bool does)
{
    CONC_NOTE(&conc_self()->wait_ends_itself, does, memory_order_relaxed);
}

int conc_park(struct conc_lock *held, int64_t deadline_ns, const struct conc_wait_info *info)
{
    bool timed = deadline_ns != CONC_FOREVER;
    if (timed)
        note_ends_itself(true);
    struct conc_task *self = conc_self();
    conc_fall_asleep(self, info);
    int rc = self->engine->park(self, held, deadline_ns);
    conc_wake_up();
    if (timed)
        note_ends_itself(false);
    return rc;
}

int conc_park_fd(struct conc_lock *held, int fd, short events, short *revents, int64_t deadline_ns,
    const struct conc_wait_info *info)
{
    note_ends_itself(true);
    struct conc_task *self = conc_self();
    conc_fall_asleep(self, info);
    int rc = self->engine->park_fd(self, held, fd, events, revents, deadline_ns);
    conc_wake_up();
    note_ends_itself(false);
    return rc;
}

void conc_panic(const struct conc_site *site, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "conc: %s:%d: %s, in %s\n", site->file, site->line, message, site->function);
    abort();
}
