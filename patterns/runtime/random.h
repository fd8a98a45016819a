/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_RANDOM_H
#define CONC_RUNTIME_RANDOM_H

#include <stdint.h>

/*
 * Random numbers for choices: which ready case of a select, how much jitter. Not for secrets.
 *
 * Each task draws from a sequence of its own, which starts from the program's seed (CONC_SEED or
 * conc_random_seed) and the task's number: the same seed gives the task of a number the same draws,
 * whatever the other tasks do. (On fibers, which number a task gets depends on the worker that
 * starts it; on sim, CONC_SCHEDULE decides the draws as well.) The generator is SplitMix64 (G.
 * Steele, D. Lea, C. Flood, 2014).
 */

/* Sets the seed for the tasks that have not drawn yet. To be called before the first task starts.
 */
void conc_random_seed(uint64_t seed);

/* What it was set to; 0 when it was not. */
uint64_t conc_random_program_seed(void);

/* The next number of the calling task, uniform over 64 bits. */
uint64_t conc_random_u64(void);

/* A number from 0 to bound - 1, uniform; 0 for bound 0. */
uint64_t conc_random_below(uint64_t bound);

/* One step of SplitMix64 on a state of the caller's own: for code that needs a sequence which is
 * independent of the task that runs it. */
static inline uint64_t conc_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

#endif
