/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_THREAD_LOCAL_H
#define CONC_RUNTIME_THREAD_LOCAL_H

/*
 * A pointer that each thread has for itself, read anew whenever it is asked for. A plain
 * _Thread_local will not do: a fiber may go on on another thread after a switch, and a compiler is
 * free to keep the address of a thread-local across the call. Nor is TSan to see it: the fibers of
 * one worker share it, one after the other.
 *
 *   CONC_THREAD_LOCAL_DECLARE(struct thing *, conc_thing);       in a header
 *   CONC_THREAD_LOCAL_DEFINE(struct thing *, conc_thing);        in one source file
 *   conc_thing_set(thing);
 *   thing = conc_thing_get();
 *
 * On x86-64 two instructions, inline; elsewhere a call that is never inlined.
 */

#if defined(__x86_64__)

#define CONC_THREAD_LOCAL_DECLARE(type, name)                                                      \
    static inline type name##_get(void)                                                            \
    {                                                                                              \
        type value;                                                                                \
        __asm__ volatile("movq " #name "_tls@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"            \
                         : "=r"(value));                                                           \
        return value;                                                                              \
    }                                                                                              \
    static inline void name##_set(type value)                                                      \
    {                                                                                              \
        void *offset;                                                                              \
        __asm__ volatile("movq " #name "_tls@gottpoff(%%rip), %0\n\tmovq %1, %%fs:(%0)"            \
                         : "=&r"(offset)                                                           \
                         : "r"(value));                                                            \
    }                                                                                              \
    extern _Thread_local type name##_tls

#define CONC_THREAD_LOCAL_DEFINE(type, name)                                                       \
    _Thread_local type name##_tls __attribute__((used, tls_model("initial-exec")))

#else

#define CONC_THREAD_LOCAL_DECLARE(type, name)                                                      \
    type name##_get(void);                                                                         \
    void name##_set(type value)

#define CONC_THREAD_LOCAL_DEFINE(type, name)                                                       \
    static _Thread_local type name##_tls;                                                          \
    __attribute__((noinline, no_sanitize("thread"))) type name##_get(void)                         \
    {                                                                                              \
        __asm__ volatile("");                                                                      \
        return name##_tls;                                                                         \
    }                                                                                              \
    __attribute__((noinline, no_sanitize("thread"))) void name##_set(type value)                   \
    {                                                                                              \
        name##_tls = value;                                                                        \
    }                                                                                              \
    extern int conc_semicolon_follows

#endif

#endif
