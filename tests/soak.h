/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

/*
 * The soak: loads of every kind at once, for as long as one likes, each of which checks itself.
 * soak_loads.c has the loads, soak.c runs them and watches the memory.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/random.h"

/* A load: makes what it is about, uses it from several tasks with cancels, closes and time-outs at
 * random moments, checks that nothing was lost, and leaves nothing behind. Takes some milliseconds.
 * `random` is the state of a sequence of its own. */
struct soak_load {
    const char *name;
    void (*run)(uint64_t *random);
};

extern const struct soak_load soak_loads[];
extern const size_t soak_n_loads;

/* A number from 0 to bound - 1. */
static inline uint64_t soak_draw(uint64_t *random, uint64_t bound)
{
    return conc_splitmix64(random) % bound;
}

/* The condition holds, in every build. */
#define soak_check(condition)                                                                      \
    ((condition) ? (void)0 : soak_fail(__FILE__, __LINE__, "not so: " #condition))
#define soak_ok(call) soak_check((call) == 0)
static inline void soak_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

#endif
