/* SPDX-License-Identifier: MIT */
/*
 * P45: A signal handler that allocates
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-479, CERT SIG30-C
 * @rule A handler runs in the middle of whatever its thread does, and that may be malloc, with its
 *     lock held: then the handler waits for its own thread. Only what the manual page signal-safety
 *     lists may be called there. A handler sets a flag, or writes a byte into a pipe, and the
 *     program does the work.
 * @detect tsan:signal-unsafe
 */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

static char *volatile report;

static void on_signal(int number)
{
    (void)number;
    /* place 2: malloc, wherever the thread may be just now */
    report = malloc(100);
}

int main(void)
{
    /* place 1: from now on it may come at any line */
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    int reported = report != NULL;
    free(report);
    return verdict(reported, "one signal, one report");
}
