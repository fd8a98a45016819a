/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/baselines/pthread_flag.h"
#include "bench/baselines/pthread_team.h"
#include "bench/targets/row.h"
#include "runtime/engine.h"
#include "runtime/task.h"
#include "sync/context.h"

_Noreturn void trial_wrong(const char *what, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "conc-targets: %s:%d: wrong: %s\n", file, line, what);
    _exit(1);
}

void trial_ok(int rc, const char *what, const char *file, int line)
{
    if (rc == 0)
        return;
    fflush(stdout);
    fprintf(stderr, "conc-targets: %s:%d: %s: %s\n", file, line, what, strerror(rc));
    _exit(1);
}

/* ---- one run ---- */

static void run_once(struct trial *t, void (*workload)(struct trial *t))
{
    t->elapsed_ns = 0;
    t->has_figures = false;
    workload(t);
}

/* Doubles the size until a run takes a fifth of the time it is to take: that is the warm-up, and
 * says how many operations the run that counts has to do. */
static void run_for(struct trial *t, void (*workload)(struct trial *t), int64_t ms)
{
    int64_t wanted_ns = CONC_MS(ms);
    for (t->n = 64;; t->n *= 2) {
        run_once(t, workload);
        if (t->elapsed_ns >= wanted_ns / 5 || t->n > INT64_C(1) << 40)
            break;
    }
    double more = (double)wanted_ns / (double)(t->elapsed_ns > 0 ? t->elapsed_ns : 1);
    t->n = (int64_t)((double)t->n * (more < 1 ? 1 : more));
    run_once(t, workload);
}

static void run(const struct row *row, struct trial *t, void (*workload)(struct trial *t),
    int64_t ms, double figures[ROW_FIGURES])
{
    if (row->fixed)
        run_once(t, workload);
    else
        run_for(t, workload, ms);
    memcpy(figures, t->figures, sizeof t->figures);
    if (!t->has_figures)
        figures[0] = (double)t->elapsed_ns / (row->fixed ? 1 : (double)t->n);
}

/* ---- a second thread, so that nothing is measured that only a process of one thread can do ----
 */

static void *wait_flag(void *flag)
{
    textbook_flag_wait(flag);
    return NULL;
}

static void wait_context(void *ctx)
{
    conc_context_wait(ctx);
}

void trial_run(const struct row *row, const char *engine, int64_t ms, double figures[ROW_FIGURES])
{
    struct trial t = {.row = row, .spread = strcmp(engine, "fibers") != 0};
    if (strcmp(engine, "pthread") == 0) {
        struct textbook_flag done;
        struct textbook_team second;
        textbook_flag_init(&done);
        OK(textbook_team_start(&second, 1, wait_flag, &done));
        run(row, &t, row->textbook, ms, figures);
        textbook_flag_raise(&done);
        textbook_team_join(&second);
        textbook_flag_destroy(&done);
        return;
    }
    struct conc_context done;
    struct conc_task *second;
    conc_context_with_cancel(&done, NULL);
    OK(conc_task_start(&second, wait_context, &done));
    run(row, &t, row->conc, ms, figures);
    conc_context_cancel(&done);
    conc_task_join(second);
    conc_context_destroy(&done);
}
