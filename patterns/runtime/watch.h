/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_WATCH_H
#define CONC_RUNTIME_WATCH_H

/*
 * Who looks on, in one word: so that what happens often (a lock, a wait) asks once whether anybody
 * does, and only then who it is. Elsewhere one load and one predictable branch.
 */

#include <stdatomic.h>
#include <stdbool.h>

enum {
    CONC_WATCH_SIM = 1,    /* the sim engine has choice points (sim.h) */
    CONC_WATCH_TRACE = 2,  /* a trace is being made (trace.h) */
    CONC_WATCH_CHECK = 4,  /* the checks are on (check.h), */
    CONC_WATCH_MISUSE = 8, /* those of channels and wait groups, too */
};

extern atomic_int conc_watched; /* the sum of those that do */

static inline bool conc_is_watched(void)
{
    return __builtin_expect(atomic_load_explicit(&conc_watched, memory_order_relaxed) != 0, 0);
}

#endif
