/* SPDX-License-Identifier: MIT */
#ifndef CONC_PIPELINE_H
#define CONC_PIPELINE_H

/*
 * A pipeline: stages joined by channels, each with tasks of its own, all at work at the same time
 * on different items. In Go each stage is a function from channel to channel; here a stage is a
 * record, a list of them is a pipeline, and a list is itself a stage of a longer list.
 *
 *   static int square(void **value, void *arg, struct conc_context *ctx)
 *   {
 *       intptr_t n = (intptr_t)*value;
 *       *value = (void *)(n * n);
 *       return 0;
 *   }
 *
 *   const struct conc_pipeline_stage stages[] = {
 *       {.name = "numbers", .generate = next_number, .arg = &numbers},
 *       {.name = "square", .map = square, .workers = 4},
 *       {.name = "even", .filter = is_even},
 *   };
 *   struct conc_pipeline *pipeline;
 *   conc_pipeline_create(&pipeline, stages, 3, NULL, ctx);
 *   struct conc_pipeline_item item;
 *   while ((rc = conc_pipeline_recv(pipeline, &item, ctx)) == 0)
 *       use(item.value);
 *   // rc EPIPE: that was all; ECANCELED: stopped, conc_pipeline_error says why
 *   conc_pipeline_destroy(pipeline);
 *
 * Its law: throughput is that of the slowest stage (workers / time per item, the least of all),
 * latency is the sum of all stages. A stage that does less than a message costs makes the pipeline
 * slower than a plain loop: send batches, or merge the stages.
 *
 * Values are pointers, as an interface{} is in Go; a small number travels in the pointer itself. A
 * value belongs to the stage that works on it, then to who receives it. Values that do not arrive –
 * filtered, failed, or under way when the pipeline stops – go to `drop` of the stage they came
 * from. No value is lost or doubled. All memory is taken by create; a running pipeline allocates
 * nothing. A function that ends its task (conc_task_exit) stops the pipeline with EOWNERDEAD, and
 * has taken the value along.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_context;
struct conc_pipeline; /* opaque */

/* A stage. Exactly one of generate, map, filter and stages is set; generate comes first in the list
 * and nowhere else. The record is copied by create; names and args must outlive the pipeline. */
struct conc_pipeline_stage {
    const char *name; /* of its tasks, in reports and traces; NULL: "stage 2" */

    /* Makes the next value. 0; EPIPE: there is no more; else an error (see pass_errors). Called by
     * one task. `ctx` is done when the pipeline stops. */
    int (*generate)(void **value, void *arg, struct conc_context *ctx);

    /* Turns *value into the next stage's. 0; else an error, and *value is still what it was. */
    int (*map)(void **value, void *arg, struct conc_context *ctx);

    /* True keeps the value. That one is not wanted is no error. */
    bool (*filter)(void *value, void *arg);

    /* A list of stages as one; of the fields below it none counts. */
    const struct conc_pipeline_stage *stages;
    size_t count;

    void *arg;                 /* the functions' own; may be NULL */
    size_t workers;            /* how many tasks; 0 is 1; more than 1: fn must stand that */
    bool unordered;            /* true: with several workers items may overtake each other */
    size_t capacity;           /* messages that wait behind this stage; 0: a rendezvous */
    void (*drop)(void *value); /* ends a value this stage put out; a filter without one has that
                                  of the stage before; NULL: values own nothing */
};

struct conc_pipeline_options {
    size_t batch; /* items per message; 0 is 1. A message leaves generate when it is full and at the
                     end: a slow source makes its first item wait for the last */
    bool pass_errors; /* false: the first error stops the pipeline; true: a failed item goes past
                         the remaining stages to the receiver, and the pipeline goes on */
};

/* What comes out. */
struct conc_pipeline_item {
    void *value;    /* of the last stage; NULL when error is set */
    uint64_t index; /* the item's number, counted by generate from 0 */
    int error;      /* 0, or the code its stage returned (pass_errors only) */
    int stage;      /* with error: the number of that stage, from 0, lists counted through */
};

/*
 * Starts the pipeline. It stops when `parent` (may be NULL) is done. The caller owns *pipeline and
 * destroys it. options may be NULL.
 *
 * 0; EINVAL: pipeline or stages is NULL, a list is empty, a stage is not of exactly one kind,
 * generate is missing, not first or has several workers, or lists contain themselves deeper than
 * 16; ENOMEM, EAGAIN: no memory, no task: generate has not been called.
 */
int conc_pipeline_create(struct conc_pipeline **pipeline, const struct conc_pipeline_stage *stages,
    size_t count, const struct conc_pipeline_options *options, struct conc_context *parent);

/*
 * int conc_pipeline_recv(struct conc_pipeline *p, struct conc_pipeline_item *item,
 *                        struct conc_context *ctx)
 *
 * Receives the next item, with its value. Waits for one; woken by that, by the end of the pipeline,
 * a cancel or the deadline of ctx. Any task may call it. What the stages wrote is visible
 * afterwards.
 *
 * 0: *item is filled. Otherwise it is untouched: EPIPE: every item has been delivered; ECANCELED:
 * the pipeline was stopped (conc_pipeline_error) or ctx cancelled; ETIMEDOUT: ctx's deadline;
 * EINVAL: an argument is NULL.
 */
#define conc_pipeline_recv(p, item, ctx) conc_pipeline_recv_at((p), (item), (ctx), CONC_HERE)
int conc_pipeline_recv_at(struct conc_pipeline *p, struct conc_pipeline_item *item,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_pipeline_try_recv(struct conc_pipeline *p, struct conc_pipeline_item *item);

/* Why the pipeline stopped: the error of the first item that failed, or the cause of the cancel; 0:
 * it has not stopped, and if recv has returned EPIPE it was complete. `where` (may be NULL)
 * receives that item: its stage and index; stage -1 for a cancel. Visible once recv has returned
 * ECANCELED. */
int conc_pipeline_error(struct conc_pipeline *p, struct conc_pipeline_item *where);

/* Stops the pipeline with ECANCELED. Does not wait: tasks leave at their next item or wait. */
void conc_pipeline_cancel(struct conc_pipeline *p);

/* Stops the pipeline if it still runs, joins its tasks, drops what was under way and frees it.
 * Nobody may be receiving. NULL is allowed. */
void conc_pipeline_destroy(struct conc_pipeline *p);

/*
 * int conc_pipeline_run(const struct conc_pipeline_stage *stages, size_t count,
 *                       const struct conc_pipeline_options *options,
 *                       int (*sink)(const struct conc_pipeline_item *item, void *arg), void *arg,
 *                       struct conc_context *ctx)
 *
 * All of it in one call: creates the pipeline below ctx, calls sink (NULL: drops them) with each
 * item on the caller's task, destroys it. The sink owns the value; a code other than 0 stops the
 * pipeline.
 *
 * 0: every item has come. Else the code of create, the sink's, or that of conc_pipeline_error.
 */
#define conc_pipeline_run(stages, count, options, sink, arg, ctx)                                  \
    conc_pipeline_run_at((stages), (count), (options), (sink), (arg), (ctx), CONC_HERE)
int conc_pipeline_run_at(const struct conc_pipeline_stage *stages, size_t count,
    const struct conc_pipeline_options *options,
    int (*sink)(const struct conc_pipeline_item *item, void *arg), void *arg,
    struct conc_context *ctx, const struct conc_site *site);

/* A ready-made generate: receives pointers from the channel `arg` (elements of size sizeof(void *))
 * until it is closed. */
int conc_pipeline_from_chan(void **value, void *arg, struct conc_context *ctx);

#endif
