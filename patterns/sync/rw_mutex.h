/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_RW_MUTEX_H
#define CONC_SYNC_RW_MUTEX_H

/*
 * A mutex with many readers or one writer: Go's sync.RWMutex. Granted strictly first come, first
 * served: a reader that comes after a waiting writer waits behind it, so neither side starves.
 * Hence a task must not take a read lock twice: a writer that comes in between would make it wait
 * for itself.
 *
 *   conc_rw_mutex_read_lock(&rw, NULL);          conc_rw_mutex_lock(&rw, NULL);
 *   v = table[k];                                table[k] = v;
 *   conc_rw_mutex_read_unlock(&rw);              conc_rw_mutex_unlock(&rw);
 */

#include <stddef.h>

#include "sync/waiter.h"

struct conc_rw_mutex {
    struct conc_lock lock;   /* guards the fields below */
    size_t readers;          /* how many hold it for reading */
    struct conc_task *owner; /* who holds it for writing */
    struct conc_wait_queue waiters;
};

#define CONC_RW_MUTEX_INIT                                                                         \
    {                                                                                              \
        .lock = CONC_LOCK_INIT                                                                     \
    }

void conc_rw_mutex_init(struct conc_rw_mutex *rw);

/* Ends its life. One that is held or waited for ends the program with a message. */
void conc_rw_mutex_destroy(struct conc_rw_mutex *rw);

/*
 * int conc_rw_mutex_lock(struct conc_rw_mutex *rw, struct conc_context *ctx)
 * int conc_rw_mutex_read_lock(struct conc_rw_mutex *rw, struct conc_context *ctx)
 *
 * Take it for writing, or for reading. Wait for their turn; woken by an unlock, a cancel or the
 * deadline. A turn that is there wins over a context that is done. What was written under the write
 * lock before is visible afterwards. A writer that gives up lets the readers behind it go ahead.
 *
 * 0: held. ECANCELED, ETIMEDOUT: not held. With ctx NULL they always succeed.
 */
#define conc_rw_mutex_lock(rw, ctx) conc_rw_mutex_lock_at((rw), (ctx), CONC_HERE)
int conc_rw_mutex_lock_at(
    struct conc_rw_mutex *rw, struct conc_context *ctx, const struct conc_site *site);
#define conc_rw_mutex_read_lock(rw, ctx) conc_rw_mutex_read_lock_at((rw), (ctx), CONC_HERE)
int conc_rw_mutex_read_lock_at(
    struct conc_rw_mutex *rw, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when they would wait. */
#define conc_rw_mutex_try_lock(rw) conc_rw_mutex_try_lock_at((rw), CONC_HERE)
int conc_rw_mutex_try_lock_at(struct conc_rw_mutex *rw, const struct conc_site *site);
#define conc_rw_mutex_try_read_lock(rw) conc_rw_mutex_try_read_lock_at((rw), CONC_HERE)
int conc_rw_mutex_try_read_lock_at(struct conc_rw_mutex *rw, const struct conc_site *site);

/* Give it back and grant it to whoever is next. Giving back what is not held ends the program with
 * a message. Never wait. */
#define conc_rw_mutex_unlock(rw) conc_rw_mutex_unlock_at((rw), CONC_HERE)
void conc_rw_mutex_unlock_at(struct conc_rw_mutex *rw, const struct conc_site *site);
#define conc_rw_mutex_read_unlock(rw) conc_rw_mutex_read_unlock_at((rw), CONC_HERE)
void conc_rw_mutex_read_unlock_at(struct conc_rw_mutex *rw, const struct conc_site *site);

#endif
