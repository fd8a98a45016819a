/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "bench/baselines/pthread_queue.h"

/* A thread of the pipeline: the source (no queue in front of it) or a stage. */
struct step {
    const struct textbook_pipeline *pipeline;
    bool (*stage)(void *item, void *arg);
    struct textbook_queue *in;
    struct textbook_queue out;
    pthread_t thread;
};

static void *run_source(void *arg)
{
    struct step *step = arg;
    _Alignas(max_align_t) unsigned char item[step->pipeline->size];
    while (step->pipeline->source(item, step->pipeline->arg))
        textbook_queue_push(&step->out, item);
    textbook_queue_close(&step->out);
    return NULL;
}

static void *run_stage(void *arg)
{
    struct step *step = arg;
    _Alignas(max_align_t) unsigned char item[step->pipeline->size];
    while (textbook_queue_pop(step->in, item) == 0)
        if (step->stage(item, step->pipeline->arg))
            textbook_queue_push(&step->out, item);
    textbook_queue_close(&step->out);
    return NULL;
}

/* Receives what comes out of the last step, and throws it away when the sink is NULL. */
static void drain(const struct textbook_pipeline *pipeline, struct textbook_queue *queue, bool keep)
{
    _Alignas(max_align_t) unsigned char item[pipeline->size];
    while (textbook_queue_pop(queue, item) == 0)
        if (keep)
            pipeline->sink(item, pipeline->arg);
}

int textbook_pipeline_run(const struct textbook_pipeline *pipeline)
{
    size_t steps = pipeline->n_stages + 1;
    size_t started = 0;
    int rc = 0;
    struct step *list = calloc(steps, sizeof *list);
    if (!list)
        return ENOMEM;
    for (; started < steps && rc == 0; started++) {
        struct step *step = &list[started];
        step->pipeline = pipeline;
        step->stage = started > 0 ? pipeline->stages[started - 1] : NULL;
        step->in = started > 0 ? &list[started - 1].out : NULL;
        rc = textbook_queue_init(&step->out, pipeline->size, pipeline->capacity);
        if (rc != 0)
            break;
        rc = pthread_create(&step->thread, NULL, started > 0 ? run_stage : run_source, step);
        if (rc != 0) {
            textbook_queue_destroy(&step->out);
            break;
        }
    }
    if (started > 0)
        drain(pipeline, &list[started - 1].out, rc == 0);
    for (size_t i = 0; i < started; i++) {
        pthread_join(list[i].thread, NULL);
        textbook_queue_destroy(&list[i].out);
    }
    free(list);
    return rc;
}
