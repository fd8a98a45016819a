/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_TIMER_QUEUE_H
#define CONC_RUNTIME_TIMER_QUEUE_H

/*
 * Callbacks at a time: the one queue behind sync/timer.h and the after-callbacks of contexts. A
 * binary heap ordered by time, and one service task that sleeps until the earliest. It is started
 * by the first timer and is the runtime's own: it never shows as a leak.
 *
 * Waits with a deadline do not come here: a task that waits parks until its own deadline.
 *
 * Rejected: a sorted list (arming n timers costs n²), a timing wheel (cheap, but coarse or large),
 * a thread per timer (the mistake this library exists to avoid).
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/engine.h"

struct conc_timer_entry {
    int64_t when_ns;      /* under the queue's lock */
    int64_t period_ns;    /* fixed while armed: 0, or fire again after this long */
    void (*fire)(void *); /* fixed while armed: runs on the service task, must not wait */
    void *arg;            /* fixed while armed */
    size_t place;         /* under the queue's lock: index in the heap + 1, 0: not armed */
};

#define CONC_TIMER_ENTRY_INIT                                                                      \
    {                                                                                              \
        .place = 0                                                                                 \
    }

/* Arms the entry for when_ns (one that is armed is moved), and with a period above 0 again every
 * period_ns after that; periods missed altogether are skipped. The entry must stay valid until it
 * has fired or been disarmed. 0; ENOMEM or EAGAIN: not armed. */
int conc_timer_arm(struct conc_timer_entry *entry, int64_t when_ns, int64_t period_ns,
    void (*fire)(void *), void *arg);

/* Disarms the entry: true when it was armed and now will not fire. When it returns, fire is not
 * running either, unless the caller is that very callback. */
bool conc_timer_disarm(struct conc_timer_entry *entry);

/* Ends the service task, at exit. */
void conc_timer_queue_stop(void);

#endif
