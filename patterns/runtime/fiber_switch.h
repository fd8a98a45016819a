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
#include <stdint.h>

#ifndef CONC_UCONTEXT
#define CONC_UCONTEXT 0
#endif

/* A context that is not running. */
struct conc_fiber_context {
    void *sp;
};

/*
 *   conc_fiber_prepare  makes a context that will call entry(arg, word) on the stack which ends at
 *                       `top` (aligned to 16); entry must never return
 *   conc_fiber_switch   saves the running context into *from and continues *to, which is given
 *                       `word`. Returns when somebody continues *from: the word from there
 *   conc_fiber_jump     the same, but nobody will ever continue the one that runs
 */
#if defined(__x86_64__) && !CONC_UCONTEXT

/* Where a new context begins: pops arg and entry. The word is in rdx, as in the two below. */
void conc_fiber_begin(void) __attribute__((visibility("hidden")));

static inline void conc_fiber_prepare(struct conc_fiber_context *context, void *bottom, void *top,
    void (*entry)(void *arg, void *word), void *arg)
{
    (void)bottom;
    uintptr_t *sp = (uintptr_t *)top - 4;
    sp[0] = (uintptr_t)conc_fiber_begin;
    sp[1] = (uintptr_t)arg;
    sp[2] = (uintptr_t)entry;
    sp[3] = 0; /* where a call would have pushed its return: 8 below a multiple of 16 */
    context->sp = sp;
}

/*
 * Inline, so that the compiler saves the registers that are live here and no others, and because
 * every return behind a switch is one that the processor mispredicts: it predicts returns by a
 * stack of its own, which knows nothing of ours. For the same reason a jump and not a ret. The 128
 * bytes below the stack pointer may be in use by a leaf function (the red zone).
 */
static inline __attribute__((always_inline)) void *conc_fiber_switch(
    struct conc_fiber_context *from, const struct conc_fiber_context *to, void *word)
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
                     : "+D"(from), "+S"(to), "+d"(word)
                     :
                     : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                     "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                     "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
    return word;
}

static inline __attribute__((always_inline)) _Noreturn void conc_fiber_jump(
    const struct conc_fiber_context *to, void *word)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmp *%%rax"
                     :
                     : "r"(to->sp), "d"(word)
                     : "memory");
    __builtin_unreachable();
}

#else

void conc_fiber_prepare(struct conc_fiber_context *context, void *bottom, void *top,
    void (*entry)(void *arg, void *word), void *arg);
void *conc_fiber_switch(
    struct conc_fiber_context *from, const struct conc_fiber_context *to, void *word);
_Noreturn void conc_fiber_jump(const struct conc_fiber_context *to, void *word);

#endif

#endif
