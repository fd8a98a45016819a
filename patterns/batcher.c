/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "batcher.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/task.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

struct conc_batcher {
    struct conc_batcher_options options; /* fixed */
    struct conc_wait_group flusher;      /* the task that flushes */

    struct conc_mutex mutex; /* guards what follows, but for the batch in flush */
    struct conc_cond due;    /* the flusher waits: a first item, a full batch, or closed */
    struct conc_cond room;   /* adders wait: the batch that fills has room, or closed */
    bool closed;
    size_t adders;     /* that wait for room */
    char *filling;     /* max_items places */
    size_t n;          /* items in it */
    int64_t first_ns;  /* when the first of them was added */
    char *flushing;    /* the flusher's while flush runs */
    size_t n_flushing; /* items in it */
    struct conc_batcher_stats now;
};

/* --- the flusher --------------------------------------------------------------------------------
 */

/*
 * Waits until a batch is due and takes it: false when there will be none. Under the mutex.
 *
 * The age counts from the first item and nothing restarts it. (Rejected: a timer reset by each add.
 * A steady trickle, always a little faster than the timer, would never be flushed.) There is no
 * timer at all: this task waits until the deadline itself, so a full batch and an old one cannot
 * both be flushed at once.
 */
/* snippet: due */
static bool take_batch(struct conc_batcher *batcher)
{
    const struct conc_batcher_options *options = &batcher->options;
    while (batcher->n == 0 && !batcher->closed)
        conc_cond_wait(&batcher->due, &batcher->mutex, NULL);
    if (batcher->n == 0)
        return false;

    struct conc_context age;
    conc_context_with_deadline(&age, NULL,
        options->max_age_ns ? conc_time_add(batcher->first_ns, options->max_age_ns) : CONC_FOREVER);
    int rc = 0;
    while (batcher->n < options->max_items && !batcher->closed && rc == 0)
        rc = conc_cond_wait(&batcher->due, &batcher->mutex, &age);
    conc_context_destroy(&age);
    /* end snippet */

    if (batcher->n == options->max_items)
        batcher->now.by_size++;
    else if (batcher->closed)
        batcher->now.by_close++;
    else
        batcher->now.by_age++;
    char *full = batcher->filling;
    batcher->filling = batcher->flushing;
    batcher->flushing = full;
    batcher->n_flushing = batcher->n;
    batcher->n = 0;
    if (batcher->adders > 0)
        conc_cond_broadcast(&batcher->room);
    return true;
}

static void end_batch(struct conc_batcher *batcher, int rc)
{
    conc_mutex_lock(&batcher->mutex, NULL);
    struct conc_batcher_stats *now = &batcher->now;
    now->batches++;
    now->flushed += batcher->n_flushing;
    now->pending -= batcher->n_flushing;
    if (rc != 0) {
        if (now->failed_batches++ == 0)
            now->first_error = rc;
        now->failed_items += batcher->n_flushing;
    }
    conc_mutex_unlock(&batcher->mutex);
}

static void flush_all(void *arg);

/* Runs when flush has ended its thread (conc_task_exit): another takes over or, where none is to be
 * had, this one goes on from inside its exit. */
static void left_by_exit(void *arg)
{
    struct conc_batcher *batcher = arg;
    end_batch(batcher, EOWNERDEAD);
    if (conc_wait_group_go(&batcher->flusher, flush_all, batcher) != 0)
        flush_all(batcher);
}

static void flush_all(void *arg)
{
    struct conc_batcher *batcher = arg;
    const struct conc_batcher_options *options = &batcher->options;
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, left_by_exit, batcher);
    for (;;) {
        conc_mutex_lock(&batcher->mutex, NULL);
        bool taken = take_batch(batcher);
        conc_mutex_unlock(&batcher->mutex);
        if (!taken)
            break;
        end_batch(batcher,
            options->flush(options->arg, batcher->flushing, batcher->n_flushing, options->ctx));
    }
    conc_cleanup_pop(&cleanup, false);
}

/* --- adding -------------------------------------------------------------------------------------
 */

/* Waits when `site` is given. */
int conc_batcher_add_at(struct conc_batcher *batcher, const void *item, struct conc_context *ctx,
    const struct conc_site *site)
{
    if (!batcher || !item)
        return EINVAL;
    size_t size = batcher->options.size;
    size_t max = batcher->options.max_items;
    int rc = 0;
    conc_mutex_lock(&batcher->mutex, NULL);
    while (batcher->n == max && !batcher->closed && rc == 0) {
        batcher->adders++;
        rc = site ? conc_cond_wait_at(&batcher->room, &batcher->mutex, ctx, site) : EAGAIN;
        batcher->adders--;
    }
    if (batcher->closed) {
        rc = EPIPE;
    } else if (batcher->n < max) {
        rc = 0;
        memcpy(batcher->filling + batcher->n * size, item, size);
        if (batcher->n++ == 0)
            batcher->first_ns = conc_now_ns();
        batcher->now.added++;
        batcher->now.pending++;
        if (batcher->n == 1 || batcher->n == max)
            conc_cond_signal(&batcher->due);
    }
    conc_mutex_unlock(&batcher->mutex);
    return rc;
}

int conc_batcher_try_add(struct conc_batcher *batcher, const void *item)
{
    return conc_batcher_add_at(batcher, item, NULL, NULL);
}

struct conc_batcher_stats conc_batcher_stats(struct conc_batcher *batcher)
{
    struct conc_batcher_stats now = {0};
    if (!batcher)
        return now;
    conc_mutex_lock(&batcher->mutex, NULL);
    now = batcher->now;
    conc_mutex_unlock(&batcher->mutex);
    return now;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void free_batcher(struct conc_batcher *batcher)
{
    conc_wait_group_destroy(&batcher->flusher);
    conc_cond_destroy(&batcher->room);
    conc_cond_destroy(&batcher->due);
    conc_mutex_destroy(&batcher->mutex);
    conc_free(batcher->filling);
    conc_free(batcher->flushing);
    conc_free(batcher);
}

int conc_batcher_create(struct conc_batcher **batcher, const struct conc_batcher_options *options)
{
    if (!batcher || !options || options->size == 0 || options->max_items == 0 ||
        options->max_age_ns < 0 || !options->flush)
        return EINVAL;
    struct conc_batcher *made = conc_calloc(1, sizeof *made);
    if (!made)
        return ENOMEM;
    made->options = *options;
    conc_mutex_init(&made->mutex);
    conc_cond_init(&made->due);
    conc_cond_init(&made->room);
    conc_wait_group_init(&made->flusher);
    made->filling = conc_calloc(options->max_items, options->size);
    made->flushing = conc_calloc(options->max_items, options->size);
    int rc = made->filling && made->flushing ? 0 : ENOMEM;
    if (rc == 0)
        rc = conc_wait_group_go(&made->flusher, flush_all, made);
    if (rc != 0) {
        free_batcher(made);
        return rc;
    }
    *batcher = made;
    return 0;
}

/* Waits when `site` is given. */
int conc_batcher_close_at(
    struct conc_batcher *batcher, struct conc_context *ctx, const struct conc_site *site)
{
    if (!batcher)
        return EINVAL;
    conc_mutex_lock(&batcher->mutex, NULL);
    batcher->closed = true;
    conc_cond_signal(&batcher->due);
    conc_cond_broadcast(&batcher->room);
    conc_mutex_unlock(&batcher->mutex);
    int rc = conc_wait_group_wait_at(&batcher->flusher, ctx, site);
    return rc != 0 ? rc : conc_batcher_stats(batcher).first_error;
}

int conc_batcher_try_close(struct conc_batcher *batcher)
{
    return conc_batcher_close_at(batcher, NULL, NULL);
}

void conc_batcher_destroy(struct conc_batcher *batcher)
{
    if (!batcher)
        return;
    conc_batcher_close(batcher, NULL);
    free_batcher(batcher);
}
