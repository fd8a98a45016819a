/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_FIBER_TOOLS_H
#define CONC_RUNTIME_FIBER_TOOLS_H

/*
 * What the tools have to be told of fibers: that the stack changes, and that the one who runs is
 * another. Nothing in a plain build.
 *
 * ThreadSanitizer sees each fiber as a thread. A switch orders what was before it on this worker
 * and what comes after: without that, errno and every other thread-local would be a race. So it
 * misses races between fibers of one worker; the threads engine shows those. The orders that a
 * start, a wake-up and an end make between workers are told by release and acquire on the fiber's
 * address. The engine and its heap of timers are compiled without instrumentation (CMakeLists.txt):
 * what they keep for a worker is touched by every fiber it runs.
 *
 * A lock that a fiber parks with is released by the next one, for TSan another thread. So the
 * parking fiber says "release" itself, and the store that follows must not replace what it has
 * said.
 */

#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define CONC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONC_TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define CONC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONC_ASAN 1
#endif
#endif

#if CONC_TSAN

void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void __tsan_write8(void *address);

#else

#define __tsan_get_current_fiber() NULL
#define __tsan_create_fiber(flags) NULL
#define __tsan_destroy_fiber(fiber) ((void)(fiber))
#define __tsan_switch_to_fiber(fiber, flags) ((void)(fiber))
#define __tsan_acquire(address) ((void)(address))
#define __tsan_release(address) ((void)(address))
#define __tsan_write8(address) ((void)(address))

#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end))
#endif

#include <stdatomic.h>

#include "runtime/lock.h"

static inline void conc_tsan_lock_release(struct conc_lock *lock)
{
#if CONC_TSAN && !CONC_LOCK_PTHREAD
    atomic_store_explicit(&lock->held, 0, memory_order_relaxed);
#else
    conc_lock_release(lock);
#endif
}

#if CONC_ASAN

void __asan_unpoison_memory_region(const volatile void *address, size_t size);
void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(
    void *fake_stack_save, const void **bottom_old, size_t *size_old);

#else

#define __asan_unpoison_memory_region(address, size) ((void)(address), (void)(size))
#define __sanitizer_start_switch_fiber(save, bottom, size)                                         \
    ((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(save, bottom, size) ((void)(save))

#endif

#endif
