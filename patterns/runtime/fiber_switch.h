/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_FIBER_SWITCH_H
#define CONC_RUNTIME_FIBER_SWITCH_H

/*
 * The context switch: two stacks, one thread. Saves what the calling convention says a callee saves
 * (the rest the caller has saved already), moves the stack pointer, and returns on the other stack.
 * No system call, and the signal mask is left alone: that is what makes ucontext a hundred times
 * slower. By hand for x86-64 and aarch64; other processors take ucontext, and so does a build with
 * -DCONC_UCONTEXT=ON, to try it.
 */

#include <stddef.h>

#ifndef CONC_UCONTEXT
#define CONC_UCONTEXT 0
#endif

/* A context that is not running. */
struct conc_fiber_context {
    void *sp;
};

/* Makes a context that will call entry(arg) on the stack which ends at `top` (aligned to 16); entry
 * must never return. */
void conc_fiber_prepare(
    struct conc_fiber_context *context, void *bottom, void *top, void (*entry)(void *), void *arg);

/* Saves the running context into *from and continues *to. Returns when somebody continues *from. */
#if defined(__x86_64__) && !CONC_UCONTEXT

/*
 * Inline, so that the compiler saves the registers that are live here and no others, and because
 * every return behind a switch is one that the processor mispredicts: it predicts returns by a
 * stack of its own, which knows nothing of ours. For the same reason a jump and not a ret. The 128
 * bytes below the stack pointer may be in use by a leaf function (the red zone).
 */
static inline __attribute__((always_inline)) void conc_fiber_switch(
    struct conc_fiber_context *from, const struct conc_fiber_context *to)
{
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "pushq %%rbp\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%%rdi)\n\t"
                     "movq (%%rsi), %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmp *%%rax\n"
                     "1:\n\t"
                     "popq %%rbp\n\t"
                     "leaq 128(%%rsp), %%rsp"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                     "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                     "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
}

#else

void conc_fiber_switch(struct conc_fiber_context *from, const struct conc_fiber_context *to);

#endif

#endif
