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

_Noreturn void trial_failed(int rc, const char *what, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "conc-targets: %s:%d: %s: %s\n", file, line, what, strerror(rc));
    _exit(1);
}

/* ---- one run ---- */

/* The time that counts is divided among this many runs, whose median it is: what disturbs one for
 * some milliseconds is left out. */
enum { SLICES = 5 };

/* The runs of a fixed size before the one that counts. */
enum { WARM_UPS = 3 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_once(struct trial *t, void (*workload)(struct trial *t))
{
    t->elapsed_ns = 0;
    t->has_figures = false;
    workload(t);
    if (!t->has_figures)
        t->figures[0] = (double)t->elapsed_ns / (t->row->fixed ? 1 : (double)t->n);
}

/* The quickest of a few runs of this size, for a start that the system held up says nothing; fewer
 * than a few when one is quick enough to tell. */
static int64_t quickest(struct trial *t, void (*workload)(struct trial *t), int64_t enough_ns)
{
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < SLICES && best_ns >= enough_ns; i++) {
        run_once(t, workload);
        best_ns = t->elapsed_ns < best_ns ? t->elapsed_ns : best_ns;
    }
    return best_ns;
}

/* Doubles the size until a run takes a tenth of the time it is to take: that is the warm-up, and
 * says how many operations the runs that count have to do. */
static void run_for(struct trial *t, void (*workload)(struct trial *t), int64_t ms)
{
    int64_t enough_ns = CONC_MS(ms) / 10;
    int64_t took_ns = 0;
    for (t->n = 64; (took_ns = quickest(t, workload, enough_ns)) < enough_ns; t->n *= 2) {
    }
    /* A workload with figures of its own takes turns itself; they are to be long, for the start of
     * its workers is in them. */
    int slices = t->has_figures ? 1 : SLICES;
    double more = (double)CONC_MS(t->has_figures ? 4 * ms : ms) / slices / (double)took_ns;
    double values[SLICES];
    t->n = (int64_t)((double)t->n * (more < 1 ? 1 : more));
    for (int i = 0; i < slices; i++) {
        run_once(t, workload);
        values[i] = t->figures[0];
    }
    qsort(values, (size_t)slices, sizeof *values, compare);
    t->figures[0] = values[slices / 2];
}

static void run(const struct row *row, struct trial *t, void (*workload)(struct trial *t),
    int64_t ms, double figures[ROW_FIGURES])
{
    if (!row->fixed)
        run_for(t, workload, ms);
    else
        run_once(t, workload);
    for (int i = 0; row->fixed && !row->cold && i < WARM_UPS; i++)
        run_once(t, workload); /* the last of them counts: stacks and caches are warm */
    memcpy(figures, t->figures, sizeof t->figures);
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
