/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fan_out_fan_in.h"
#include "pipeline.h"
#include "runtime/check.h"
#include "runtime/memory.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

/*
 * A stage with a function is a fan of one or more workers between two channels (fan_out_fan_in.h),
 * which carries order, cancel and close. What is added here: items, batches, errors, lists.
 *
 * What goes through the channels is a message by value, so nothing is allocated while items flow.
 * (Rejected: a heap record per message, made by generate and freed by the receiver: an allocator's
 * lock between two threads for each, and a failure in the middle of the stream.)
 */

struct message {
    size_t count;
    struct conc_pipeline_item items[]; /* room for batch */
};

/* A stage of the flat list. */
struct stage {
    struct conc_pipeline *pipeline;
    struct conc_pipeline_stage how;
    int number;
    char name[32];          /* when it was given none */
    void (*before)(void *); /* drops what the stage before put out */
    struct conc_chan *out;
    struct conc_fan *fan; /* NULL for generate */
};

struct conc_pipeline {
    struct conc_context ctx;
    struct conc_wait_group group; /* generate's task */
    bool pass_errors;             /* fixed */
    size_t batch;                 /* fixed */
    size_t message_size;          /* fixed */
    struct message *made;         /* generate's only */

    struct conc_mutex mutex; /* guards the two fields below; held while one receives for all */
    struct message *received;
    size_t taken; /* of received */

    struct conc_mutex error_mutex; /* guards failed */
    struct conc_pipeline_item failed;
    atomic_bool stopped; /* something did not go through: not complete */

    size_t count;
    struct stage stages[];
};

enum { MAX_DEPTH = 16 };

/* ------------------------------------------------------------------ errors */

/* Records the first reason to stop, and stops. `item` NULL: a cancel from outside. */
static void fail(struct conc_pipeline *p, int error, const struct conc_pipeline_item *item)
{
    conc_mutex_lock(&p->error_mutex, NULL);
    if (p->failed.error == 0) {
        p->failed = item ? *item : (struct conc_pipeline_item){.stage = -1};
        p->failed.error = error;
    }
    conc_mutex_unlock(&p->error_mutex);
    atomic_store(&p->stopped, true);
    conc_context_cancel_cause(&p->ctx, error);
}

/* Stops for a wait that failed. */
static void fail_waiting(struct conc_pipeline *p, int rc)
{
    int cause = conc_context_cause(&p->ctx);
    fail(p, cause != 0 ? cause : rc, NULL);
}

static void drop_value(void (*drop)(void *), const struct conc_pipeline_item *item)
{
    if (drop && item->error == 0)
        drop(item->value);
}

static void drop_items(void (*drop)(void *), const struct message *message, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        drop_value(drop, &message->items[i]);
}

/* ------------------------------------------------------------------ map and filter */

/* A message on its way through a stage. */
struct pass {
    struct stage *stage;
    const struct message *in;
    struct message *out;
    size_t at; /* items of `in` that are done or in the function's hands */
};

/* fn ended its task: what the task leaves behind. The value in hand was fn's. */
static void abandon(void *arg)
{
    struct pass *pass = arg;
    struct conc_pipeline_item item = {
        .index = pass->in->items[pass->at - 1].index, .stage = pass->stage->number};
    fail(pass->stage->pipeline, EOWNERDEAD, &item);
    drop_items(pass->stage->how.drop, pass->out, 0, pass->out->count);
    drop_items(pass->stage->before, pass->in, pass->at, pass->in->count);
}

/* Puts one item through. False: the pipeline stops, and the item has been dropped. */
static bool pass_item(struct pass *pass, struct conc_pipeline_item item)
{
    struct stage *stage = pass->stage;
    struct conc_pipeline *p = stage->pipeline;
    const struct conc_pipeline_stage *how = &stage->how;
    if (item.error == 0 && how->filter && !how->filter(item.value, how->arg)) {
        drop_value(stage->before, &item);
        return true;
    }
    int rc = item.error == 0 && how->map ? how->map(&item.value, how->arg, &p->ctx) : 0;
    if (rc != 0) {
        drop_value(stage->before, &item);
        item =
            (struct conc_pipeline_item){.index = item.index, .error = rc, .stage = stage->number};
        /* A function that gives up because the pipeline stops is no failed item. */
        int cause = conc_context_cause(&p->ctx);
        if (cause != 0 || !p->pass_errors) {
            fail(p, cause != 0 ? cause : rc, cause != 0 ? NULL : &item);
            return false;
        }
    }
    pass->out->items[pass->out->count++] = item;
    return true;
}

static int pass_message(void *in, void *out, void *arg, struct conc_context *ctx)
{
    struct pass pass = {.stage = arg, .in = in, .out = out};
    struct conc_cleanup cleanup;
    (void)ctx;
    pass.out->count = 0;
    conc_cleanup_push(&cleanup, abandon, &pass);
    bool going = true;
    while (going && pass.at < pass.in->count)
        going = pass_item(&pass, pass.in->items[pass.at++]);
    conc_cleanup_pop(&cleanup, false);
    if (going)
        return pass.out->count > 0 ? 0 : CONC_FAN_SKIP;
    drop_items(pass.stage->how.drop, pass.out, 0, pass.out->count);
    drop_items(pass.stage->before, pass.in, pass.at, pass.in->count);
    return ECANCELED;
}

/* The fan could not send a message: the pipeline stops. */
static void drop_message(void *message, void *arg)
{
    const struct message *lost = message;
    struct stage *stage = arg;
    fail_waiting(stage->pipeline, ECANCELED);
    drop_items(stage->how.drop, lost, 0, lost->count);
}

/* ------------------------------------------------------------------ generate */

/* Fills one message. False: it is the last. */
static bool fill(struct stage *stage)
{
    struct conc_pipeline *p = stage->pipeline;
    const struct conc_pipeline_stage *how = &stage->how;
    struct message *message = p->made;
    uint64_t index = message->count > 0 ? message->items[message->count - 1].index + 1 : 0;
    message->count = 0;
    while (message->count < p->batch) {
        struct conc_pipeline_item item = {.index = index++};
        int rc = conc_context_error(&p->ctx);
        if (rc == 0)
            rc = how->generate(&item.value, how->arg, &p->ctx);
        if (rc == EPIPE)
            return false;
        if (rc != 0) {
            item.value = NULL;
            item.error = rc;
            int cause = conc_context_cause(&p->ctx);
            if (cause != 0 || !p->pass_errors) {
                fail(p, cause != 0 ? cause : rc, cause != 0 ? NULL : &item);
                return false;
            }
        }
        message->items[message->count++] = item;
    }
    return true;
}

static void generate_leaves(void *arg)
{
    struct stage *stage = arg;
    drop_items(stage->how.drop, stage->pipeline->made, 0, stage->pipeline->made->count);
    conc_chan_close(stage->out);
}

static void generate_was_ended(void *arg)
{
    struct stage *stage = arg;
    fail(stage->pipeline, EOWNERDEAD, NULL);
    generate_leaves(stage);
}

static void generate_main(void *arg)
{
    struct stage *stage = arg;
    struct conc_pipeline *p = stage->pipeline;
    struct conc_cleanup cleanup;
    conc_task_set_name("%s", stage->how.name);
    conc_cleanup_push(&cleanup, generate_was_ended, stage);
    for (bool more = true; more;) {
        more = fill(stage);
        if (p->made->count == 0 || atomic_load(&p->stopped))
            break;
        int rc = conc_chan_send(stage->out, p->made, &p->ctx);
        if (rc != 0) {
            fail_waiting(p, rc);
            break;
        }
        if (!more)
            p->made->count = 0; /* sent: not ours to drop */
    }
    conc_cleanup_pop(&cleanup, false);
    generate_leaves(stage);
}

/* ------------------------------------------------------------------ making */

/* How many stages the list has, nested ones counted through; 0: it is not a good list. */
static size_t count_stages(const struct conc_pipeline_stage *stages, size_t n, int depth)
{
    size_t total = 0;
    if (!stages || depth > MAX_DEPTH)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const struct conc_pipeline_stage *s = &stages[i];
        if (!!s->generate + !!s->map + !!s->filter + !!s->stages != 1)
            return 0;
        size_t inner = s->stages ? count_stages(s->stages, s->count, depth + 1) : 1;
        if (inner == 0)
            return 0;
        total += inner;
    }
    return total;
}

static size_t flatten(struct conc_pipeline *p, const struct conc_pipeline_stage *stages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (stages[i].stages)
            flatten(p, stages[i].stages, stages[i].count);
        else
            p->stages[p->count++].how = stages[i];
    }
    return p->count;
}

static int prepare_stages(struct conc_pipeline *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct stage *stage = &p->stages[i];
        struct conc_pipeline_stage *how = &stage->how;
        if ((i == 0) != (how->generate != NULL) || (i == 0 && how->workers > 1))
            return EINVAL;
        stage->pipeline = p;
        stage->number = (int)i;
        stage->before = i > 0 ? stage[-1].how.drop : NULL;
        if (how->filter && !how->drop)
            how->drop = stage->before;
        if (!how->name) {
            snprintf(stage->name, sizeof(stage->name), "stage %zu", i);
            how->name = stage->name;
        }
        int rc = conc_chan_create(&stage->out, p->message_size, how->capacity, NULL);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* From the last to the first: nothing flows before generate starts, so a start that fails finds no
 * item on its way. */
static int start_stages(struct conc_pipeline *p)
{
    for (size_t i = p->count; i-- > 1;) {
        struct stage *stage = &p->stages[i];
        struct conc_fan_work work = {
            .in = stage[-1].out,
            .out = stage->out,
            .workers = stage->how.workers,
            .ordered = !stage->how.unordered,
            .fn = pass_message,
            .drop = drop_message,
            .arg = stage,
            .name = stage->how.name,
        };
        int rc = conc_fan_map(&stage->fan, &work, &p->ctx);
        if (rc != 0)
            return rc;
    }
    return conc_wait_group_go(&p->group, generate_main, &p->stages[0]);
}

int conc_pipeline_create(struct conc_pipeline **pipeline, const struct conc_pipeline_stage *stages,
    size_t count, const struct conc_pipeline_options *options, struct conc_context *parent)
{
    size_t flat = count_stages(stages, count, 1);
    if (!pipeline || flat == 0)
        return EINVAL;
    struct conc_pipeline *p = conc_calloc(1, sizeof(*p) + flat * sizeof(struct stage));
    if (!p)
        return ENOMEM;
    conc_context_with_cancel(&p->ctx, parent);
    conc_wait_group_init(&p->group);
    conc_mutex_init(&p->mutex);
    conc_check_own(&p->mutex);
    conc_mutex_init(&p->error_mutex);
    p->pass_errors = options && options->pass_errors;
    p->batch = options && options->batch > 0 ? options->batch : 1;
    flatten(p, stages, count);
    int rc = ENOMEM;
    size_t items;
    if (!__builtin_mul_overflow(p->batch, sizeof(struct conc_pipeline_item), &items) &&
        !__builtin_add_overflow(items, sizeof(struct message), &p->message_size)) {
        p->made = conc_calloc(1, p->message_size);
        p->received = conc_calloc(1, p->message_size);
        rc = p->made && p->received ? prepare_stages(p) : ENOMEM;
    }
    if (rc == 0)
        rc = start_stages(p);
    if (rc == 0)
        *pipeline = p;
    else
        conc_pipeline_destroy(p);
    return rc;
}

/* ------------------------------------------------------------------ the receiver's side */

/* The next message has come in p->received, or none will. Waits when `site` is given. */
static int receive(struct conc_pipeline *p, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_chan *last = p->stages[p->count - 1].out;
    p->taken = 0;
    p->received->count = 0;
    int rc = site ? conc_chan_recv_at(last, p->received, ctx, site)
                  : conc_chan_try_recv(last, p->received);
    if (rc != EPIPE)
        return rc;
    /* Was that all? A stage that found nothing to do when it was stopped has told its fan only. */
    for (size_t i = 1; i < p->count; i++)
        if (conc_fan_error(p->stages[i].fan) != 0)
            fail(p, conc_fan_error(p->stages[i].fan), NULL);
    return atomic_load(&p->stopped) ? ECANCELED : EPIPE;
}

static int take(struct conc_pipeline *p, struct conc_pipeline_item *item, struct conc_context *ctx,
    const struct conc_site *site)
{
    int rc = 0;
    if (p->taken == p->received->count)
        rc = receive(p, ctx, site);
    if (rc == 0)
        *item = p->received->items[p->taken++];
    conc_mutex_unlock(&p->mutex);
    return rc;
}

int conc_pipeline_recv_at(struct conc_pipeline *p, struct conc_pipeline_item *item,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!p || !item)
        return EINVAL;
    int rc = conc_mutex_lock_at(&p->mutex, ctx, site);
    return rc == 0 ? take(p, item, ctx, site) : rc;
}

int conc_pipeline_try_recv(struct conc_pipeline *p, struct conc_pipeline_item *item)
{
    if (!p || !item)
        return EINVAL;
    int rc = conc_mutex_try_lock(&p->mutex);
    return rc == 0 ? take(p, item, NULL, NULL) : rc;
}

int conc_pipeline_error(struct conc_pipeline *p, struct conc_pipeline_item *where)
{
    if (!p)
        return 0;
    conc_mutex_lock(&p->error_mutex, NULL);
    int rc = p->failed.error;
    if (rc != 0 && where)
        *where = p->failed;
    conc_mutex_unlock(&p->error_mutex);
    return rc;
}

void conc_pipeline_cancel(struct conc_pipeline *p)
{
    if (p)
        conc_context_cancel(&p->ctx);
}

void conc_pipeline_destroy(struct conc_pipeline *p)
{
    if (!p)
        return;
    conc_context_cancel(&p->ctx);
    conc_wait_group_wait(&p->group, NULL);
    for (size_t i = 0; i < p->count; i++)
        conc_fan_destroy(p->stages[i].fan);
    for (size_t i = 0; i < p->count && p->stages[i].out; i++) {
        void (*drop)(void *) = p->stages[i].how.drop;
        if (i + 1 == p->count)
            drop_items(drop, p->received, p->taken, p->received->count);
        while (conc_chan_try_recv(p->stages[i].out, p->made) == 0)
            drop_items(drop, p->made, 0, p->made->count);
        conc_chan_destroy(p->stages[i].out);
    }
    conc_free(p->made);
    conc_free(p->received);
    conc_mutex_destroy(&p->error_mutex);
    conc_mutex_destroy(&p->mutex);
    conc_wait_group_destroy(&p->group);
    conc_context_destroy(&p->ctx);
    conc_free(p);
}

int conc_pipeline_run_at(const struct conc_pipeline_stage *stages, size_t count,
    const struct conc_pipeline_options *options,
    int (*sink)(const struct conc_pipeline_item *item, void *arg), void *arg,
    struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_pipeline *p;
    int rc = conc_pipeline_create(&p, stages, count, options, ctx);
    if (rc != 0)
        return rc;
    struct conc_pipeline_item item;
    int sunk = 0;
    while (sunk == 0 && (rc = conc_pipeline_recv_at(p, &item, NULL, site)) == 0) {
        if (sink)
            sunk = sink(&item, arg);
        else
            drop_value(p->stages[p->count - 1].how.drop, &item);
    }
    if (sunk != 0)
        rc = sunk;
    else
        rc = rc == EPIPE ? 0 : conc_pipeline_error(p, NULL);
    conc_pipeline_destroy(p);
    return rc;
}

int conc_pipeline_from_chan(void **value, void *arg, struct conc_context *ctx)
{
    return conc_chan_recv(arg, value, ctx);
}
