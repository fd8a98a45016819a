/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/errno.h"
#include "runtime/fiber_stack.h"
#include "runtime/fiber_tools.h"
#include "runtime/setting.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD -10000
#endif

/* Stacks that get guards by mprotect: two mappings each, and half of the kernel's limit for others.
 */
enum { GUARDS = 32768 / 2 };

#if CONC_TSAN || CONC_ASAN
enum { DEFAULT_KIB = 256 };
#else
enum { DEFAULT_KIB = 64 };
#endif

static size_t page_size(void)
{
    static atomic_size_t size;
    size_t n = atomic_load_explicit(&size, memory_order_relaxed);
    if (n == 0) {
        n = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&size, n, memory_order_relaxed);
    }
    return n;
}

/* Four pages, so that a frame with a large array does not step over it. */
static size_t guard_size(void)
{
    return 4 * page_size();
}

size_t conc_fiber_stack_size(void)
{
    static atomic_size_t size;
    size_t n = atomic_load_explicit(&size, memory_order_relaxed);
    if (n == 0) {
        size_t kib = (size_t)conc_setting("CONC_STACK", 16, 1024 * 1024, DEFAULT_KIB);
        n = (kib * 1024 + page_size() - 1) / page_size() * page_size() + guard_size();
        atomic_store_explicit(&size, n, memory_order_relaxed);
    }
    return n;
}

size_t conc_fiber_slab_size(void)
{
    return conc_fiber_stack_size() * CONC_STACKS_A_SLAB;
}

char *conc_fiber_slabs_map(size_t count)
{
    size_t size = count * conc_fiber_slab_size();
    char *slabs = mmap(NULL, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slabs == MAP_FAILED)
        return NULL;
    madvise(slabs, size, MADV_NOHUGEPAGE); /* a huge page would make every stack cost 2 MiB */
    return slabs;
}

void conc_fiber_slabs_unmap(char *slabs, size_t count)
{
    munmap(slabs, count * conc_fiber_slab_size());
}

void conc_fiber_guard(char *stack)
{
    static atomic_bool no_markers;
    static atomic_int mappings;
    if (!atomic_load(&no_markers) && madvise(stack, guard_size(), MADV_GUARD_INSTALL) == 0)
        return;
    atomic_store(&no_markers, true);
    if (atomic_fetch_add(&mappings, 1) < GUARDS)
        mprotect(stack, guard_size(), PROT_NONE);
}

/* One piece of advice on the same part of all stacks of a slab, in a single call where the kernel
 * takes many for the caller's own memory, and a number for the caller in the place of a descriptor
 * (6.18 does both). False: it does not take this one. */
static bool advise_all(char *slab, size_t offset, size_t len, int advice)
{
    struct iovec pages[CONC_STACKS_A_SLAB];
    for (size_t i = 0; i < CONC_STACKS_A_SLAB; i++)
        pages[i] = (struct iovec){slab + i * conc_fiber_stack_size() + offset, len};
    long done =
        syscall(SYS_process_madvise, PIDFD_SELF_THREAD, pages, CONC_STACKS_A_SLAB, advice, 0);
    size_t first = done > 0 ? (size_t)done / len : 0;
    for (size_t i = first; i < CONC_STACKS_A_SLAB; i++)
        if (madvise(pages[i].iov_base, len, advice) != 0)
            return false;
    return true;
}

void conc_fiber_slab_prepare(char *slab)
{
    size_t stack = conc_fiber_stack_size();
    int saved_errno = conc_errno;
    if (!advise_all(slab, 0, guard_size(), MADV_GUARD_INSTALL))
        for (size_t i = 0; i < CONC_STACKS_A_SLAB; i++)
            conc_fiber_guard(slab + i * stack);
    advise_all(slab, stack - page_size(), page_size(), MADV_POPULATE_WRITE);
    conc_errno = saved_errno;
}

bool conc_fiber_in_guard(const char *slab, const void *address, size_t *stack)
{
    size_t size = conc_fiber_stack_size();
    uintptr_t offset = (uintptr_t)address - (uintptr_t)slab;
    if (offset >= conc_fiber_slab_size() || offset % size >= guard_size())
        return false;
    *stack = offset / size;
    return true;
}

void conc_fiber_own_stack(char **bottom, size_t *size)
{
    pthread_attr_t attr;
    void *address = NULL;
    *size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &address, size);
        pthread_attr_destroy(&attr);
    }
    *bottom = address;
}
