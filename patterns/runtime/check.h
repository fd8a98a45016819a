/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_CHECK_H
#define CONC_RUNTIME_CHECK_H

/*
 * Checks of how a program uses conc: what is wrong though it may have gone well this time. Chosen
 * by CONC_CHECK in the environment:
 *
 *   0        off; what happens without it in a library built for release
 *   errors   what is wrong in any program; without it in the dev, asan and tsan presets
 *   1        these, and what is legal but seldom meant
 *   warn     as 1, but the program's exit code stays as it is
 *
 *   errors   lock order      two locks are taken in one order here and in the other there
 *            deadlock        tasks wait for each other's locks: exit code 3, at once
 *            (relock, foreign unlock … end the program with or without; a relock then says where
 *            the lock was taken first, and the list of tasks says what each holds)
 *   1        held long       a mutex was held for longer than CONC_HELD_MS (100) milliseconds
 *            waits with a lock held: for a channel, a wait group or a semaphore
 *            closed twice, send after close, closed by its receiver: legal in conc, where they
 *            return EPIPE, but the last two lose elements unless every sender looks
 *            counted after the wait: a wait for a wait group found nothing that had been counted,
 *            and then another task counted; it should have been counted before it was started
 *
 * A finding is printed on stderr once and makes a program exit with code 1 that would have exited
 * with 0. docs/checks.md shows each, with what it cannot see.
 *
 * Lock order. An edge A→B is noted where a task that holds A asks for B; a cycle of edges means
 * that an unlucky schedule hangs, whether or not this one did. As with Helgrind and TSan, a third
 * lock which is always held around both orders, so that they never meet, does not count as an
 * excuse. A try_lock does not wait, so no edge leads to its lock. Destroying a lock, or
 * initialising it anew, forgets it: one whose memory is used for another without that is taken for
 * the same lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"
#include "runtime/watch.h"

struct conc_task;

/* Whether they are on. */
static inline bool conc_check_on(void)
{
    return conc_is_watched() &&
           atomic_load_explicit(&conc_watched, memory_order_relaxed) & CONC_WATCH_CHECK;
}

/* Whether those of channels and wait groups are. In the tests of the library they are not, and the
 * common way of a send, a receive and a select is taken. */
static inline bool conc_check_misuse_on(void)
{
    return conc_is_watched() &&
           atomic_load_explicit(&conc_watched, memory_order_relaxed) & CONC_WATCH_MISUSE;
}

/* For the runtime: reads CONC_CHECK, the first time; and whether a program that ends well has to
 * fail after all. */
void conc_check_init(void);
bool conc_check_failed(void);

/* For sync/, while they are on. All are about the calling task. */

enum conc_check_kind { CONC_CHECK_MUTEX, CONC_CHECK_READ, CONC_CHECK_WRITE };

/* It is about to lock, and would wait. */
void conc_check_asks(const void *lock, enum conc_check_kind kind, const struct conc_site *site);

/* It begins to wait, under the lock's internal lock; `for_ever`: only an unlock will wake it. True:
 * none ever will, and conc_check_deadlock is to be called with no lock held. */
bool conc_check_waits(
    const void *lock, enum conc_check_kind kind, bool for_ever, const struct conc_site *site);
_Noreturn void conc_check_deadlock(void);

/* It no longer waits in the lock's queue, and has not got it. */
void conc_check_gave_up(const void *lock);

/* It holds the lock now; and will give it back now. */
void conc_check_took(const void *lock, enum conc_check_kind kind, const struct conc_site *site);
void conc_check_gives(const void *lock, enum conc_check_kind kind);

/* It is about to sleep, for what its record says. Maybe with an internal lock held: what there is
 * to say is said under it, once. */
void conc_check_sleeps(struct conc_task *self);

/* A lock of libconc's own which is held across a wait on purpose, on behalf of a caller whose place
 * is given for it. */
void conc_check_own(const void *lock);

/* There is no such lock any more, or a new one at its address. */
void conc_check_forget(const void *lock);

/* Writes ", taken at FILE:LINE in FUNCTION" of a lock that is held, or nothing; returns text. */
const char *conc_check_taken(const void *lock, char *text, size_t size);

/* Of a channel: it sends with this outcome (EAGAIN: it waits), has received or waits to, closes.
 * Some are said with the channel's internal lock held. NULL or a place of libconc's: not to be
 * said. */
void conc_check_sends(const void *chan, int rc, const struct conc_site *site);
void conc_check_receives(const void *chan);
void conc_check_closes(const void *chan, int rc, const struct conc_site *site);
void conc_check_forget_chan(const void *chan);

/* Of a wait group, under its internal lock: it is waited for, and counts something now or nothing;
 * its count rises from 0. */
void conc_check_waits_for_group(const void *group, bool counts_now, const struct conc_site *site);
void conc_check_counts(const void *group, const struct conc_site *site);
void conc_check_forget_group(const void *group);

/* For the census: copies what a task holds, at most `max`; returns how many. Async-signal-safe. */
struct conc_check_held {
    const void *lock;
    enum conc_check_kind kind;
    const struct conc_site *site; /* NULL: not known */
};
size_t conc_check_holds(uint64_t task, struct conc_check_held *held, size_t max);

#endif
