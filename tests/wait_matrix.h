/* SPDX-License-Identifier: MIT */
#ifndef TESTS_WAIT_MATRIX_H
#define TESTS_WAIT_MATRIX_H

/*
 * Every waiting call of the library meets the same events: what it waits for is there, comes later,
 * never comes; its object is closed; its context is cancelled or its deadline passes, before the
 * call or during it. The table below is that matrix, once. A test describes a call by a struct
 * wait_call and gives it to wait_matrix_check, which runs every row on a fresh object.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "sync/context.h"
#include "tests/unit.h"

struct wait_call {
    const char *name;
    size_t size;       /* of the state */
    const void *param; /* for init; left alone by the matrix */

    /* Makes an object on which the call has to wait. Runs on the test's own task. */
    void (*init)(void *state, const void *param);
    int asleep; /* how many tasks init leaves asleep */

    /* The waiting call, on a task of its own; undoes what it took (unlocks, releases). Checks that
     * results are as the header promises for the code it returns. */
    int (*call)(void *state, struct conc_context *ctx);

    /* Its twin that never waits; NULL: there is none. */
    int (*try_call)(void *state);

    /* What the call waits for happens. On the test's own task; while nobody waits yet, unless
     * `waiting`. NULL: it can not happen. */
    void (*ready)(void *state, bool waiting);
    bool ready_is_kept; /* it can happen before the call, and the call finds it */

    /* The object is closed, and what the call returns then. NULL: it cannot be closed. */
    int (*close)(void *state);
    int closed_rc;

    /* Checks that nothing was lost, doubled or delivered late, and destroys the object. */
    void (*fini)(void *state, int rc);
};

enum {
    WAIT_READY = 1,          /* what it waits for happens */
    WAIT_CLOSE = 2,          /* the object is closed */
    WAIT_CANCEL = 4,         /* its context is cancelled */
    WAIT_CANCEL_PARENT = 8,  /* a context two levels up is cancelled */
    WAIT_EXPIRED = 16,       /* the deadline has passed */
    WAIT_DEADLINE = 32,      /* a deadline passes during the call */
    WAIT_PARENT_EXPIRES = 64 /* the same, of a context two levels up */
};

struct wait_row {
    const char *name;
    int before; /* what happens before the call */
    int during; /* what happens while it waits; deadlines are set before */
    int rc;     /* what it returns */
    bool no_context;
};

static const struct wait_row wait_rows[] = {
    /* clang-format off */
    {"ready",                           WAIT_READY,                0,                   0,          false},
    {"ready, no context",               WAIT_READY,                0,                   0,          true},
    {"ready later",                     0,                         WAIT_READY,          0,          false},
    {"ready later, no context",         0,                         WAIT_READY,          0,          true},
    {"closed before",                   WAIT_CLOSE,                0,                   EPIPE,      false},
    {"closed before, no context",       WAIT_CLOSE,                0,                   EPIPE,      true},
    {"closed during",                   0,                         WAIT_CLOSE,          EPIPE,      false},
    {"closed during, no context",       0,                         WAIT_CLOSE,          EPIPE,      true},
    {"cancelled before",                WAIT_CANCEL,               0,                   ECANCELED,  false},
    {"cancelled during",                0,                         WAIT_CANCEL,         ECANCELED,  false},
    {"parent cancelled before",         WAIT_CANCEL_PARENT,        0,                   ECANCELED,  false},
    {"parent cancelled during",         0,                         WAIT_CANCEL_PARENT,  ECANCELED,  false},
    {"deadline passed before",          WAIT_EXPIRED,              0,                   ETIMEDOUT,  false},
    {"deadline passes during",          0,                         WAIT_DEADLINE,       ETIMEDOUT,  false},
    {"parent's deadline passes during", 0,                         WAIT_PARENT_EXPIRES, ETIMEDOUT,  false},
    {"ready beats a cancel",            WAIT_READY | WAIT_CANCEL,  0,                   0,          false},
    {"ready beats a parent's cancel",   WAIT_READY | WAIT_CANCEL_PARENT, 0,             0,          false},
    {"ready beats a passed deadline",   WAIT_READY | WAIT_EXPIRED, 0,                   0,          false},
    {"close beats a cancel",            WAIT_CLOSE | WAIT_CANCEL,  0,                   EPIPE,      false},
    {"close beats a passed deadline",   WAIT_CLOSE | WAIT_EXPIRED, 0,                   EPIPE,      false},
    /* clang-format on */
};

struct wait_caller {
    const struct wait_call *call;
    void *state;
    struct conc_context *ctx;
    int rc;
};

static inline void wait_caller_main(void *arg)
{
    struct wait_caller *caller = arg;
    caller->rc = caller->call->call(caller->state, caller->ctx);
}

static inline void wait_do(const struct wait_call *call, void *state, struct conc_context *top,
    struct conc_context *ctx, int what, bool waiting)
{
    if (what & WAIT_READY)
        call->ready(state, waiting);
    if (what & WAIT_CLOSE)
        unit_ok(call->close(state));
    if (what & WAIT_CANCEL)
        conc_context_cancel(ctx);
    if (what & WAIT_CANCEL_PARENT)
        conc_context_cancel(top);
}

static inline void wait_row_check(const struct wait_call *call, const struct wait_row *row)
{
    int all = row->before | row->during;
    void *state = calloc(1, call->size);
    ck_assert_ptr_nonnull(state);
    call->init(state, call->param);

    /* A tree of three, so that a cancel or a deadline has a way to go. */
    struct conc_context top;
    struct conc_context middle;
    struct conc_context ctx;
    conc_context_with_timeout(
        &top, NULL, row->during & WAIT_PARENT_EXPIRES ? CONC_MS(20) : CONC_S(3600));
    conc_context_with_cancel(&middle, &top);
    conc_context_with_timeout(&ctx, &middle,
        all & WAIT_EXPIRED            ? 0
        : row->during & WAIT_DEADLINE ? CONC_MS(20)
                                      : CONC_S(1800));

    wait_do(call, state, &top, &ctx, row->before, false);
    struct wait_caller caller = {.call = call, .state = state, .rc = -1};
    caller.ctx = row->no_context ? NULL : &ctx;
    struct conc_task *task;
    unit_ok(conc_task_start(&task, wait_caller_main, &caller));
    if (row->during & (WAIT_READY | WAIT_CLOSE | WAIT_CANCEL | WAIT_CANCEL_PARENT)) {
        unit_wait_parked(call->asleep + 1);
        wait_do(call, state, &top, &ctx, row->during, true);
    }
    conc_task_join(task);

    int want = row->rc == EPIPE ? call->closed_rc : row->rc;
    ck_assert_msg(caller.rc == want, "%s, %s: %d (%s), not %d (%s)", call->name, row->name,
        caller.rc, strerror(caller.rc), want, strerror(want));
    if (row->rc == ETIMEDOUT)
        ck_assert_msg(conc_now_ns() >= conc_context_deadline(&ctx), "%s, %s: woken too early",
            call->name, row->name);
    call->fini(state, caller.rc);
    free(state);
    conc_context_destroy(&ctx);
    conc_context_destroy(&middle);
    conc_context_destroy(&top);
}

/* Runs the call through every row that applies to it, then its try twin: never waiting, ready,
 * closed. */
static inline void wait_matrix_check(const struct wait_call *call)
{
    size_t checked = 0;
    for (size_t i = 0; i < sizeof wait_rows / sizeof *wait_rows; i++) {
        const struct wait_row *row = &wait_rows[i];
        int all = row->before | row->during;
        if ((all & WAIT_CLOSE && !call->close) || (all & WAIT_READY && !call->ready) ||
            (row->before & WAIT_READY && !call->ready_is_kept))
            continue;
        wait_row_check(call, row);
        checked++;
    }
    ck_assert_uint_ge(checked, 7);
    if (!call->try_call)
        return;

    const struct {
        const char *name;
        int before;
        int rc;
    } tries[] = {
        {"try", 0, EAGAIN},
        {"try, ready", WAIT_READY, 0},
        {"try, closed", WAIT_CLOSE, call->closed_rc},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        if ((tries[i].before & WAIT_CLOSE && !call->close) ||
            (tries[i].before & WAIT_READY && !call->ready_is_kept))
            continue;
        void *state = calloc(1, call->size);
        ck_assert_ptr_nonnull(state);
        call->init(state, call->param);
        wait_do(call, state, NULL, NULL, tries[i].before, false);
        int rc = call->try_call(state);
        ck_assert_msg(rc == tries[i].rc, "%s, %s: %d (%s), not %d", call->name, tries[i].name, rc,
            strerror(rc), tries[i].rc);
        call->fini(state, rc);
        free(state);
    }
}

#endif
