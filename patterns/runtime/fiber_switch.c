/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "runtime/fiber_switch.h"

#if defined(__x86_64__) && !CONC_UCONTEXT

/* conc_fiber_prepare has left arg and entry on the stack. */
__asm__(".text\n"
        ".globl conc_fiber_begin\n"
        ".hidden conc_fiber_begin\n"
        ".type conc_fiber_begin,@function\n"
        "conc_fiber_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    popq %rdi\n"
        "    popq %rax\n"
        "    movq %rdx, %rsi\n"
        "    xorl %ebp, %ebp\n" /* the end of the chain of frames */
        "    jmpq *%rax\n" /* no call: what the processor predicts of returns stays as it was */
        "    .cfi_endproc\n"
        ".size conc_fiber_begin,.-conc_fiber_begin\n");

#elif defined(__aarch64__) && !CONC_UCONTEXT

/* AAPCS64: x19 to x29, the link register and d8 to d15 belong to the caller. */
__asm__(".text\n"
        ".globl conc_fiber_switch\n"
        ".type conc_fiber_switch,%function\n"
        ".p2align 4\n"
        "conc_fiber_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov x0, x1\n"
        "    mov x1, x2\n" /* the word, from here on where a jump has it */
        ".globl conc_fiber_jump\n"
        ".type conc_fiber_jump,%function\n"
        "conc_fiber_jump:\n"
        "    ldr x9, [x0]\n"
        "    mov sp, x9\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    mov x0, x1\n" /* the word: what the switch over there returns */
        "    ret\n"
        ".size conc_fiber_switch,.-conc_fiber_switch\n"
        ".size conc_fiber_jump,.-conc_fiber_jump\n"
        /* Global: GNU ld takes the address of a local label, by way of the global offset table, for
         * that of the section. */
        ".globl conc_fiber_begin\n"
        ".hidden conc_fiber_begin\n"
        ".type conc_fiber_begin,%function\n"
        "conc_fiber_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n" /* the end of the chain of frames */
        "    sub sp, sp, #160\n"   /* what runs here may prepare its own stack for the next */
        "    mov x1, x0\n"         /* the word */
        "    mov x0, x20\n"
        "    blr x19\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size conc_fiber_begin,.-conc_fiber_begin\n");

void conc_fiber_begin(void);

void conc_fiber_prepare(struct conc_fiber_context *context, void *bottom, void *top,
    void (*entry)(void *arg, void *word), void *arg)
{
    (void)bottom;
    uintptr_t *sp = (uintptr_t *)top - 20;
    for (int i = 0; i < 20; i++)
        sp[i] = 0;
    sp[0] = (uintptr_t)entry;             /* x19 */
    sp[1] = (uintptr_t)arg;               /* x20 */
    sp[11] = (uintptr_t)conc_fiber_begin; /* x30, the link register */
    context->sp = sp;
}

#else

/* Anywhere else: ucontext, which swaps the signal mask by a system call at every switch. The
 * records live at the top of the stacks. */

#include <stdlib.h>
#include <ucontext.h>

/* A context, and what it is given when it is continued. */
struct record {
    ucontext_t context;
    void *word;
    void (*entry)(void *arg, void *word);
    void *arg;
};

static void begin(unsigned high, unsigned low)
{
    const struct record *record = (struct record *)(uintptr_t)(((uint64_t)high << 32) | low);
    record->entry(record->arg, record->word);
    abort();
}

void conc_fiber_prepare(struct conc_fiber_context *context, void *bottom, void *top,
    void (*entry)(void *arg, void *word), void *arg)
{
    struct record *record = (struct record *)top - 1;
    getcontext(&record->context);
    record->context.uc_stack.ss_sp = bottom;
    record->context.uc_stack.ss_size = (size_t)((char *)record - (char *)bottom);
    record->context.uc_link = NULL;
    record->entry = entry;
    record->arg = arg;
    uint64_t address = (uintptr_t)record;
    makecontext(
        &record->context, (void (*)(void))begin, 2, (unsigned)(address >> 32), (unsigned)address);
    context->sp = record;
}

void *conc_fiber_switch(
    struct conc_fiber_context *from, const struct conc_fiber_context *to, void *word)
{
    struct record here;
    struct record *there = to->sp;
    there->word = word;
    from->sp = &here;
    swapcontext(&here.context, &there->context);
    return here.word;
}

void conc_fiber_jump(const struct conc_fiber_context *to, void *word)
{
    struct record *there = to->sp;
    there->word = word;
    setcontext(&there->context);
    abort(); /* it returns only after a failure */
}

#endif
