/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_CORES_H
#define CONC_RUNTIME_CORES_H

#include <stdint.h>

/* The machine's cores and its clock, for those that look again and again until another core has
 * written something. */

/* How many cores the process may use, as counted at the first call. With one, who looks keeps from
 * running whom it waits for. */
int conc_cores(void);

/* The clock of the engines that live in real time: CLOCK_MONOTONIC. */
int64_t conc_machine_now_ns(void);

/* Does nothing for about so long, without leaving the core. */
void conc_core_wait(int64_t ns);

/* Between two looks: leaves the core's units to its other hardware thread. */
static inline void conc_core_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
