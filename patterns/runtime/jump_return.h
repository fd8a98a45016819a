/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_JUMP_RETURN_H
#define CONC_RUNTIME_JUMP_RETURN_H

/*
 * A function that returns by a jump. The processor predicts where a return goes by a stack of its
 * own, onto which every call pushes. When stacks are switched in a function, that of the processor
 * is not: the return afterwards belongs to another caller, is mispredicted, and costs as much as
 * everything else in a hand-over of messages. A jump is predicted by where it went at such a
 * moment before, which with two partners is nearly always right.
 *
 *   CONC_JUMP_RETURN(conc_wait_in, conc_wait_in_body);
 *
 * makes conc_wait_in a function that calls conc_wait_in_body, with the same arguments (in
 * registers: six at most) and the same result, and returns by a jump. The body's own returns are
 * well predicted, as long as whoever sleeps there is followed by one who slept there, too. Declare
 * both; let the body be CONC_JUMP_RETURN_BODY.
 *
 * On processors other than x86-64 there is no such function; the name is to be the body's.
 */

#if defined(__x86_64__)

#define CONC_JUMP_RETURN_BODY __attribute__((used, noinline, visibility("hidden")))

/* At the begin of a function the stack is 8 bytes off a multiple of 16. */
#define CONC_JUMP_RETURN(name, body)                                                               \
    __asm__(".pushsection .text\n"                                                                 \
            ".p2align 4\n"                                                                         \
            ".globl " #name "\n"                                                                   \
            ".type " #name ",@function\n" #name ":\n"                                              \
            "    .cfi_startproc\n"                                                                 \
            "    subq $8, %rsp\n"                                                                  \
            "    .cfi_adjust_cfa_offset 8\n"                                                       \
            "    call " #body "\n"                                                                 \
            "    addq $8, %rsp\n"                                                                  \
            "    .cfi_adjust_cfa_offset -8\n"                                                      \
            "    popq %rcx\n"                                                                      \
            "    .cfi_adjust_cfa_offset -8\n"                                                      \
            "    .cfi_register %rip, %rcx\n"                                                       \
            "    jmp *%rcx\n"                                                                      \
            "    .cfi_endproc\n"                                                                   \
            ".size " #name ",.-" #name "\n"                                                        \
            ".popsection\n")

#endif

#endif
