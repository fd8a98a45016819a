/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_MUTEX_INTERNAL_H
#define CONC_SYNC_MUTEX_INTERNAL_H

/*
 * A section of a few instructions inside a mutex, for patterns whose common way is no longer.
 *
 * Who locks a mutex is noted as its owner under the mutex's internal lock, and taken back under it:
 * two lock sections. A section that waits for nothing, calls nobody and allocates nothing needs no
 * owner, for nobody can ask who it is. The internal lock, held from begin to end, does, and costs
 * half.
 *
 *   if (conc_mutex_enter_quick(&queue->mutex)) {
 *       ...
 *       conc_mutex_leave(&queue->mutex);
 *   }
 *
 * What those who held the mutex, or were inside, have written is seen. Whoever wants the mutex
 * meanwhile does not park: its worker looks for the release, then naps (runtime/lock.h). Nothing
 * finds mistakes: to wait inside, or to lock the mutex, hangs.
 */

#include "sync/mutex.h"

/* Inside: true. False: somebody holds the mutex, perhaps the caller; or the checks are on, which
 * want to see an owner. Then it is for conc_mutex_lock. */
bool conc_mutex_enter(struct conc_mutex *mutex);

/* The same, but gives up where it would have to wait for the internal lock, and where somebody
 * looks on (sim, a trace, the checks). A function that does what is common behind this one, and
 * calls another last of all for the rest, saves no registers. */
static inline __attribute__((always_inline)) bool conc_mutex_enter_quick(struct conc_mutex *mutex)
{
    if (conc_is_watched() || !conc_lock_acquire_quick(&mutex->lock))
        return false;
    if (__builtin_expect(mutex->owner == NULL, 1))
        return true;
    conc_lock_release(&mutex->lock);
    return false;
}

static inline void conc_mutex_leave(struct conc_mutex *mutex)
{
    conc_lock_release(&mutex->lock);
}

#endif
