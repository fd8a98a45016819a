/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/lock.h"
#include "runtime/memory.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "timeout.h"

struct conc_timeout {
    struct conc_context ctx;      /* above the contexts of all calls */
    struct conc_wait_group group; /* owns the tasks */
    size_t limit;                 /* fixed */
    struct conc_lock lock;        /* guards who holds which record; outlives them all */
    atomic_size_t running;
    atomic_uint_least64_t late;
};

/* One call. Its context is not the caller's child: it may outlive the caller. */
struct record {
    struct conc_timeout *runner;
    struct conc_context ctx;
    struct conc_timeout_call call;
    struct conc_chan *done; /* element: fn's code; capacity 1, so that the sender never waits */
    int holders;            /* under the runner's lock: the caller and the task */
    int rc;                 /* the task's, until sent */
    char *arg;              /* both inside the same block, aligned for any type */
    char *result;
};

static size_t aligned(size_t size)
{
    size_t unit = _Alignof(max_align_t);
    return (size + unit - 1) / unit * unit;
}

static int record_new(struct record **made, struct conc_timeout *runner,
    const struct conc_timeout_call *call, int64_t deadline_ns)
{
    size_t head = aligned(sizeof(struct record)), body;
    if (call->arg_size > SIZE_MAX / 4 || call->result_size > SIZE_MAX / 4)
        return ENOMEM;
    body = aligned(call->arg_size) + call->result_size;
    struct record *record = conc_calloc(1, head + body);
    if (!record)
        return ENOMEM;
    int rc = conc_chan_create(&record->done, sizeof(int), 1, NULL);
    if (rc != 0) {
        conc_free(record);
        return rc;
    }
    record->runner = runner;
    record->call = *call;
    record->arg = (char *)record + head;
    record->result = record->arg + aligned(call->arg_size);
    record->rc = EOWNERDEAD;
    if (call->arg_size > 0)
        memcpy(record->arg, call->arg, call->arg_size);
    record->holders = 2;
    conc_context_with_deadline(&record->ctx, &runner->ctx, deadline_ns);
    *made = record;
    return 0;
}

/* The last one to let go finds a result that nobody has taken, and ends it. */
static void record_release(struct record *record)
{
    struct conc_timeout *runner = record->runner;
    conc_lock_acquire(&runner->lock);
    int others = --record->holders;
    conc_lock_release(&runner->lock);
    if (others > 0)
        return;
    int rc;
    if (conc_chan_try_recv(record->done, &rc) == 0 && rc == 0 && record->call.drop)
        record->call.drop(record->result);
    conc_chan_destroy(record->done);
    conc_context_destroy(&record->ctx);
    conc_free(record);
}

/* Also after a conc_task_exit in fn. */
static void call_ended(void *arg)
{
    struct record *record = arg;
    /* Counted out before the caller can know: its next call finds the place free. */
    atomic_fetch_sub(&record->runner->running, 1);
    conc_chan_try_send(record->done, &record->rc);
    record_release(record);
}

static void call_main(void *arg)
{
    struct record *record = arg;
    const struct conc_timeout_call *call = &record->call;
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, call_ended, record);
    void *argument = call->arg_size > 0 ? record->arg : (void *)(uintptr_t)call->arg;
    record->rc = call->fn(argument, call->result_size > 0 ? record->result : NULL, &record->ctx);
    conc_cleanup_pop(&cleanup, true);
}

int conc_timeout_create(struct conc_timeout **runner, size_t limit)
{
    if (!runner)
        return EINVAL;
    struct conc_timeout *made = conc_calloc(1, sizeof(*made));
    if (!made)
        return ENOMEM;
    conc_context_with_cancel(&made->ctx, NULL);
    conc_wait_group_init(&made->group);
    conc_lock_init(&made->lock);
    made->limit = limit;
    *runner = made;
    return 0;
}

/* Counts one more, unless that is one too many. */
static bool admit(struct conc_timeout *runner)
{
    /* In one step: a refused call must not hold a place, be it for a moment. */
    size_t running = atomic_load(&runner->running);
    do {
        if (runner->limit > 0 && running >= runner->limit)
            return false;
    } while (!atomic_compare_exchange_weak(&runner->running, &running, running + 1));
    return true;
}

static int start(struct record **record, struct conc_timeout *runner,
    const struct conc_timeout_call *call, int64_t deadline_ns)
{
    if (!admit(runner))
        return EBUSY;
    int rc = record_new(record, runner, call, deadline_ns);
    if (rc == 0) {
        rc = conc_wait_group_go_at(&runner->group, call_main, *record, "timeout call", CONC_HERE);
        if (rc != 0) {
            record_release(*record);
            record_release(*record);
        }
    }
    if (rc != 0)
        atomic_fetch_sub(&runner->running, 1);
    return rc;
}

int conc_timeout_run_at(struct conc_timeout *runner, const struct conc_timeout_call *call,
    void *result, int64_t timeout_ns, struct conc_context *ctx, const struct conc_site *site)
{
    if (!runner || !call || !call->fn || (!call->arg && call->arg_size > 0))
        return EINVAL;
    int rc = timeout_ns <= 0 ? ETIMEDOUT : conc_context_error(ctx);
    if (rc != 0)
        return rc;
    struct conc_context limit;
    conc_context_with_timeout(&limit, ctx, timeout_ns);
    struct record *record;
    rc = start(&record, runner, call, conc_context_deadline(&limit));
    if (rc == 0) {
        int answer = 0;
        rc = conc_chan_recv_at(record->done, &answer, &limit, site);
        if (rc != 0) {
            atomic_fetch_add(&runner->late, 1);
            conc_context_cancel_cause(&record->ctx, rc);
        } else if (answer != 0) {
            rc = answer;
        } else if (result && call->result_size > 0) {
            memcpy(result, record->result, call->result_size);
        } else if (call->drop) {
            call->drop(record->result);
        }
        record_release(record);
    }
    conc_context_destroy(&limit);
    return rc;
}

size_t conc_timeout_running(struct conc_timeout *runner)
{
    return runner ? atomic_load(&runner->running) : 0;
}

uint64_t conc_timeout_late(struct conc_timeout *runner)
{
    return runner ? atomic_load(&runner->late) : 0;
}

int conc_timeout_wait_at(
    struct conc_timeout *runner, struct conc_context *ctx, const struct conc_site *site)
{
    return runner ? conc_wait_group_wait_at(&runner->group, ctx, site) : EINVAL;
}

int conc_timeout_try_wait(struct conc_timeout *runner)
{
    return runner ? conc_wait_group_try_wait(&runner->group) : EINVAL;
}

void conc_timeout_destroy(struct conc_timeout *runner)
{
    if (!runner)
        return;
    conc_context_cancel(&runner->ctx);
    conc_wait_group_wait(&runner->group, NULL);
    conc_wait_group_destroy(&runner->group);
    conc_lock_destroy(&runner->lock);
    conc_context_destroy(&runner->ctx);
    conc_free(runner);
}
