/* SPDX-License-Identifier: MIT */

/* A stack that was too small: a fault in its guard is said to be what it is, and whose stack it
 * was. Any other fault is left to the system. */

#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/fiber_stack.h"

static bool (*hit_stack)(const void *address);

static void fault(int signo, siginfo_t *info, void *context)
{
    (void)context;
    const struct conc_task *task = conc_task_current_get();
    if (hit_stack(info->si_addr)) {
        static const char message[] =
            "conc: a task has overflowed its stack; CONC_STACK=KIB gives every task more\n";
        ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
        (void)ignored;
        if (task)
            conc_census_print_task(task, STDERR_FILENO);
    }
    signal(signo, SIG_DFL); /* the instruction faults again when we return */
}

void conc_fiber_signal_stack(void)
{
    enum { SIZE = 32768 };
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE))
        return;
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    stack = (stack_t){.ss_sp = memory, .ss_size = SIZE};
    sigaltstack(&stack, NULL);
}

void conc_fiber_catch_overflow(bool (*hit)(const void *address))
{
    struct sigaction old;
    if (sigaction(SIGSEGV, NULL, &old) != 0 || old.sa_handler != SIG_DFL)
        return; /* a sanitizer's, or the program's own */
    hit_stack = hit;
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
}
