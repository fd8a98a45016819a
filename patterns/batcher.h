/* SPDX-License-Identifier: MIT */
#ifndef CONC_BATCHER_H
#define CONC_BATCHER_H

/*
 * A batcher: collects items one by one and hands them on by the batch, when a batch is full or when
 * its first item has waited long enough, whichever comes first. For work whose cost is per call and
 * not per item: inserts into a database, writes to a log, requests to a server.
 *
 *   static int save(void *arg, const void *items, size_t n, struct conc_context *ctx)
 *   {
 *       return db_insert(arg, items, n);          // 0 or an error code
 *   }
 *
 *   struct conc_batcher *batcher;
 *   conc_batcher_create(&batcher, &(struct conc_batcher_options){.size = sizeof(struct entry),
 *                                     .max_items = 100, .max_age_ns = CONC_S(1),
 *                                     .flush = save, .arg = db});
 *   conc_batcher_add(batcher, &entry, ctx);       // any number of tasks
 *   ...
 *   int rc = conc_batcher_close(batcher, NULL);   // flushes the rest; the first error of save
 *   conc_batcher_destroy(batcher);
 *
 * Two buffers: one fills while the other is being flushed, by one task of the batcher's own. So
 * flush runs outside every lock and one at a time, batches and the items in them keep the order of
 * the adds, and an adder waits only when it is a whole batch ahead. The items belong to flush while
 * it runs, then the batch is over, whether it failed or not: retrying is flush's business (retry.h
 * can stand in it). What was written before add is visible to flush.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_batcher; /* opaque */
struct conc_context;

/* Gets n items, one after the other in memory, 1 <= n <= max_items. `ctx` is that of the options.
 * Returns 0 or an error code. Leaving through conc_task_exit counts as EOWNERDEAD. */
typedef int conc_batcher_fn(void *arg, const void *items, size_t n, struct conc_context *ctx);

struct conc_batcher_options {
    size_t size;              /* of an item, in bytes, at least 1 */
    size_t max_items;         /* of a batch, at least 1 */
    int64_t max_age_ns;       /* of the first item of a batch; 0: no limit */
    conc_batcher_fn *flush;   /* not NULL */
    void *arg;                /* for flush */
    struct conc_context *ctx; /* handed to flush, which may look at it; or NULL. Outlives the
                                 batcher */
};

/* Everything at one moment: added = flushed + pending, flushed counting failed batches too. */
struct conc_batcher_stats {
    uint64_t added;
    uint64_t flushed;        /* items for which flush has returned */
    uint64_t pending;        /* items that wait, or are with flush */
    uint64_t batches;        /* flush has returned so often */
    uint64_t by_size;        /* of the batches: those that were full, */
    uint64_t by_age;         /* those whose first item was old enough, */
    uint64_t by_close;       /* and those that close cut short */
    uint64_t failed_batches; /* flush returned an error */
    uint64_t failed_items;   /* items in these */
    int first_error;         /* that of the first of these, or 0 */
};

/* Makes a batcher and starts its task. The caller owns *batcher, closes and destroys it. 0; EINVAL:
 * an argument is NULL or an option out of range; ENOMEM, EAGAIN: no memory or no thread. After a
 * failure nothing is left behind and *batcher is untouched. */
int conc_batcher_create(struct conc_batcher **batcher, const struct conc_batcher_options *options);

/*
 * int conc_batcher_add(struct conc_batcher *batcher, const void *item, struct conc_context *ctx)
 *
 * Adds a copy of *item. Waits while the batch is full and the one before is still being flushed;
 * woken by the end of that flush, a close, a cancel or the deadline. Room that is there wins over a
 * context that is done. What becomes of the batch is told by close and the counters.
 *
 * 0: added, and will be flushed. Otherwise the item stays the caller's: EPIPE: the batcher is
 * closed, or was closed while waiting; ECANCELED, ETIMEDOUT: the context's end; EINVAL: an argument
 * is NULL (ctx may be).
 */
#define conc_batcher_add(batcher, item, ctx)                                                       \
    conc_batcher_add_at((batcher), (item), (ctx), CONC_HERE)
int conc_batcher_add_at(struct conc_batcher *batcher, const void *item, struct conc_context *ctx,
    const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_batcher_try_add(struct conc_batcher *batcher, const void *item);

/* The counters, all of one moment. */
struct conc_batcher_stats conc_batcher_stats(struct conc_batcher *batcher);

/*
 * int conc_batcher_close(struct conc_batcher *batcher, struct conc_context *ctx)
 *
 * Refuses further items, has the rest flushed and waits until that is done; woken by the end of the
 * last flush, a cancel or the deadline. May be called again, by several tasks too: all wait for the
 * same and get the same. Must not be called by flush, which would wait for itself.
 *
 * 0: everything added has been flushed. The first error of flush, if there was one: the same, but
 * some batches failed. ECANCELED, ETIMEDOUT: the context's end; the rest is still being flushed
 * (pending tells; it is 0 if this was the error of flush). EINVAL: batcher is NULL.
 */
#define conc_batcher_close(batcher, ctx) conc_batcher_close_at((batcher), (ctx), CONC_HERE)
int conc_batcher_close_at(
    struct conc_batcher *batcher, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while items are pending. */
int conc_batcher_try_close(struct conc_batcher *batcher);

/* Ends its life; one that was not closed is closed first, and that flushes what is left. Nobody may
 * be using it any more. NULL is allowed. */
void conc_batcher_destroy(struct conc_batcher *batcher);

#endif
