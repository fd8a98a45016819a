/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_SEMAPHORE_H
#define CONC_SYNC_SEMAPHORE_H

/*
 * A weighted semaphore: golang.org/x/sync/semaphore. Holds a number of permits; a task acquires as
 * many as its work weighs and releases them after. First come, first served: while a large request
 * waits at the front, smaller ones behind it wait too, so it is not starved.
 *
 *   struct conc_semaphore permits;
 *   conc_semaphore_init(&permits, 10);
 *
 *   int rc = conc_semaphore_acquire(&permits, 3, ctx);
 *   if (rc == 0) {
 *       work();
 *       conc_semaphore_release(&permits, 3);
 *   }
 *
 * Permits belong to nobody: another task may release them. A request that is given up holds none.
 * Where C differs from Go: a request larger than the whole semaphore is refused at once with
 * EMSGSIZE and does not wait for its context.
 */

#include <stdint.h>

#include "sync/waiter.h"

struct conc_semaphore {
    struct conc_lock lock; /* guards the fields below */
    int64_t size;          /* fixed */
    int64_t held;
    struct conc_wait_queue waiters;
};

/* Makes a semaphore with `size` permits, all free. 0; EINVAL: semaphore is NULL or size negative.
 */
int conc_semaphore_init(struct conc_semaphore *semaphore, int64_t size);

/* Ends its life; permits may still be held. One that is waited for ends the program with a message.
 */
void conc_semaphore_destroy(struct conc_semaphore *semaphore);

/*
 * int conc_semaphore_acquire(struct conc_semaphore *semaphore, int64_t n, struct conc_context *ctx)
 *
 * Takes n permits, all or none. Waits until they are free and nobody is in front; woken by a
 * release, a cancel or the deadline. Permits that are there win over a context that is done. n of 0
 * succeeds at once. What was written before the release is visible afterwards.
 *
 * 0: held. Otherwise none is: ECANCELED, ETIMEDOUT: the context's end; EMSGSIZE: n is larger than
 * the semaphore, it could never succeed; EINVAL: n is negative.
 */
#define conc_semaphore_acquire(semaphore, n, ctx)                                                  \
    conc_semaphore_acquire_at((semaphore), (n), (ctx), CONC_HERE)
int conc_semaphore_acquire_at(struct conc_semaphore *semaphore, int64_t n, struct conc_context *ctx,
    const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_semaphore_try_acquire(struct conc_semaphore *semaphore, int64_t n);

/* Gives n permits back and grants them to those in front. More than are held, or a negative n, ends
 * the program with a message. Never waits. */
#define conc_semaphore_release(semaphore, n) conc_semaphore_release_at((semaphore), (n), CONC_HERE)
void conc_semaphore_release_at(
    struct conc_semaphore *semaphore, int64_t n, const struct conc_site *site);

/* How many permits are free at this moment. */
int64_t conc_semaphore_available(struct conc_semaphore *semaphore);

#endif
