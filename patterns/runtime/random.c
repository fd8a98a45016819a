/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/engine.h"
#include "runtime/random.h"

static _Atomic(uint64_t) program_seed;

void conc_random_seed(uint64_t seed)
{
    atomic_store(&program_seed, seed);
}

uint64_t conc_random_program_seed(void)
{
    return atomic_load_explicit(&program_seed, memory_order_relaxed);
}

uint64_t conc_random_u64(void)
{
    struct conc_task *self = conc_self();
    if (self->random == 0) {
        /* Two steps, so that neighbouring seeds and neighbouring tasks start far apart. */
        uint64_t state = conc_random_program_seed();
        state = conc_splitmix64(&state) ^ self->id;
        self->random = conc_splitmix64(&state) | 1;
    }
    return conc_splitmix64(&self->random);
}

uint64_t conc_random_below(uint64_t bound)
{
    if (bound == 0)
        return 0;
    /* Draws from the incomplete last block are thrown away, else small results would be likelier.
     */
    uint64_t excess = (0 - bound) % bound;
    uint64_t drawn;
    do
        drawn = conc_random_u64();
    while (drawn < excess);
    return drawn % bound;
}
