/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_FIBER_STACK_H
#define CONC_RUNTIME_FIBER_STACK_H

/*
 * The memory of fibers: stacks of one size, cut from slabs that are mapped once and never returned.
 * Only pages that are used cost memory; a fresh stack costs one. At the bottom of each lies a guard
 * page. A fault in it is reported as the overflow of that task's stack and not as a bare crash.
 *
 * Guards made by mprotect split a mapping in two, and the kernel allows 65 530 mappings: with them
 * 30 000 tasks would be the end. Linux 6.13 and later mark the guards inside the mapping
 * (MADV_GUARD_INSTALL); on an older kernel the first 16 384 stacks get real guards and the rest
 * none.
 */

#include <stdbool.h>
#include <stddef.h>

/* The usable size of a stack, in bytes: CONC_STACK in the environment (in KiB), else 64 KiB, more
 * under a sanitizer. */
size_t conc_fiber_stack_size(void);

/* How many stacks one slab holds. */
enum { CONC_STACKS_A_SLAB = 64 };

/* Maps a slab and returns its lowest address; NULL: no memory. Stack i occupies the size above from
 * slab + i * size, the guard at its low end included. */
char *conc_fiber_slab_map(void);

/* Makes the low end of a stack a guard. A call for each stack and not one for the slab: it costs as
 * much as a page fault, and most runs of the sim engine need five. */
void conc_fiber_guard(char *stack);

/* The calling thread's own stack. */
void conc_fiber_own_stack(char **bottom, size_t *size);

/* Whether an address lies in the guard of a stack of the slab. */
bool conc_fiber_in_guard(const char *slab, const void *address, size_t *stack);

#endif
