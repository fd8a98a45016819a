/* SPDX-License-Identifier: MIT */
/* P45, fixed: the handler sets a flag, and the program allocates. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

static char *volatile report;
static volatile sig_atomic_t came;

static void on_signal(int number)
{
    (void)number;
    came = 1;
}

int main(void)
{
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    if (came)
        report = malloc(100);
    int reported = report != NULL;
    free(report);
    return verdict(reported, "one signal, one report");
}
