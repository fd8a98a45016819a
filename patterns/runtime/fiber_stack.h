/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_FIBER_STACK_H
#define CONC_RUNTIME_FIBER_STACK_H

/*
 * The memory of fibers: stacks of one size, cut from slabs that are mapped once and never returned.
 * Only pages that are used cost memory; a fresh stack costs one. At the bottom of each lies a guard
 * of a few pages. A fault in it is reported as the overflow of that task's stack and not as a bare
 * crash.
 *
 * Guards made by mprotect split a mapping in two, and the kernel allows 65 530 mappings: with them
 * 30 000 tasks would be the end. Linux 6.13 and later mark the guards inside the mapping
 * (MADV_GUARD_INSTALL); on an older kernel the first 16 384 stacks get real guards and the rest
 * none.
 */

#include <stdbool.h>
#include <stddef.h>

/* The size of a stack with its guard, in bytes. What can be used of it is CONC_STACK in the
 * environment (in KiB), else 64 KiB, more under a sanitizer. */
size_t conc_fiber_stack_size(void);

/* How many stacks one slab holds. */
enum { CONC_STACKS_A_SLAB = 64 };

/* The size of a slab, in bytes. */
size_t conc_fiber_slab_size(void);

/* Maps so many slabs, one behind the other, and returns the lowest address; NULL: no memory. In a
 * slab, stack i occupies the size above from slab + i * size, the guard at its low end included. */
char *conc_fiber_slabs_map(size_t count);

/* Gives back slabs that have not been used. */
void conc_fiber_slabs_unmap(char *slabs, size_t count);

/* Makes the low end of a stack a guard. It costs as much as a page fault, and most runs of the sim
 * engine need five: so for each stack by itself. */
void conc_fiber_guard(char *stack);

/* Guards all stacks of a slab and makes the first page of each, by a call for all where the kernel
 * has it: two thirds of what as many guards and page faults cost. */
void conc_fiber_slab_prepare(char *slab);

/* The calling thread's own stack. */
void conc_fiber_own_stack(char **bottom, size_t *size);

/* Whether an address lies in the guard of a stack of the slab. */
bool conc_fiber_in_guard(const char *slab, const void *address, size_t *stack);

/* fiber_overflow.c: from now on a fault at an address that `hit` knows, as one in a guard, is said
 * to be an overflow. `hit` must be async-signal-safe. Does nothing where the program, or a
 * sanitizer, handles faults itself. */
void conc_fiber_catch_overflow(bool (*hit)(const void *address));

/* The handler cannot run on the stack that has overflowed: each thread that runs fibers calls this
 * for one of its own. */
void conc_fiber_signal_stack(void);

#endif
