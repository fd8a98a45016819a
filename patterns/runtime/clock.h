/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_CLOCK_H
#define CONC_RUNTIME_CLOCK_H

/*
 * Time: signed 64-bit nanoseconds on a monotonic clock that belongs to the engine. Deadlines are
 * absolute, so that a wait which is woken early and sleeps again does not start its time anew.
 * Sums saturate: "now plus a very long time" is CONC_FOREVER and never a moment in the past.
 */

#include <stdint.h>

#define CONC_FOREVER INT64_MAX /* the deadline that never comes */

#define CONC_US(n) ((int64_t)(n)*1000)
#define CONC_MS(n) ((int64_t)(n)*1000000)
#define CONC_S(n) ((int64_t)(n)*1000000000)

/* The engine's clock now, in nanoseconds. Its zero means nothing; differences do. Never waits. */
int64_t conc_now_ns(void);

/* The sum of a and b, held at INT64_MIN and INT64_MAX instead of wrapping round. */
static inline int64_t conc_time_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

/* The deadline `ns` nanoseconds from now: already passed for ns <= 0, CONC_FOREVER for a span too
 * long to represent. */
static inline int64_t conc_deadline_after(int64_t ns)
{
    return ns == CONC_FOREVER ? CONC_FOREVER : conc_time_add(conc_now_ns(), ns);
}

#endif
