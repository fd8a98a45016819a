/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_TRACE_H
#define CONC_RUNTIME_TRACE_H

/*
 * The trace: who ran and who waited, when. Started by conc_trace_start or by CONC_TRACE=file.json
 * in the environment, written by conc_trace_finish or at exit in Chrome's trace-event format, which
 * Perfetto and chrome://tracing open. One row a task; slices "run" and "blocked: what" with the
 * place of the waiting call; an instant for each wake-up, drawn on the row of the task that wakes.
 *
 * Events go to a buffer of the thread that records them, so recording contends for no lock. While
 * no trace is being made, every hook is one predictable branch. A buffer grows by blocks; when no
 * memory is left events are dropped and the trace says how many.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/engine.h"

/* Begins a trace that will be written to `path`. 0; EINVAL: path is NULL; EBUSY: one is being made;
 * ENOMEM; or the error of creating the file. */
int conc_trace_start(const char *path);

/* Ends the trace and writes the file, whole or not at all. Events of tasks that still run are cut
 * at this moment. 0; EINVAL: no trace is being made; or the error of writing. */
int conc_trace_finish(void);

/* For the runtime. */

enum conc_trace_kind {
    CONC_TRACE_START, /* `task` was started by the caller */
    CONC_TRACE_BEGIN, /* `task` begins to run */
    CONC_TRACE_BLOCK, /* `task` goes to sleep on `info` */
    CONC_TRACE_RUN,   /* `task` runs again */
    CONC_TRACE_WAKE,  /* `task` is woken by the caller */
    CONC_TRACE_END,   /* `task` has ended */
};

extern atomic_bool conc_trace_on;

void conc_trace_record(
    enum conc_trace_kind kind, const struct conc_task *task, const struct conc_wait_info *info);

static inline void conc_trace(
    enum conc_trace_kind kind, const struct conc_task *task, const struct conc_wait_info *info)
{
    if (__builtin_expect(atomic_load_explicit(&conc_trace_on, memory_order_relaxed), 0))
        conc_trace_record(kind, task, info);
}

#endif
