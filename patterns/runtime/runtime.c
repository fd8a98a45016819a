/* SPDX-License-Identifier: MIT */

/* What the first task of a program sets up, and what is looked at when the program ends. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/check.h"
#include "runtime/engine.h"
#include "runtime/random.h"
#include "runtime/timer_queue.h"
#include "runtime/trace.h"
#include "runtime/watchdog.h"

static pid_t process; /* also the number of its first thread */

/* Whether it is main that runs here: on the fibers engine that may be any worker's thread. */
static bool in_main(void)
{
    const struct conc_task *self = conc_task_current_get();
    return self ? self->is_main : gettid() == process;
}

static void list_tasks(int signal)
{
    (void)signal;
    int saved_errno = errno;
    conc_census_print(STDERR_FILENO);
    errno = saved_errno;
}

/* At exit, in the thread that exits. A program that fails has said why; it is not told of leaks. */
static void at_exit(int status, void *unused)
{
    (void)unused;
    if (getpid() != process)
        return; /* a child made by fork: the tasks, and the trace, are its parent's */
    int rc = conc_trace_finish();
    if (rc != 0 && rc != EINVAL)
        fprintf(stderr, "conc: the trace could not be written: %s\n", strerror(rc));
    if (!in_main())
        return;
    conc_watchdog_end();
    if (status == 0)
        conc_census_check_leaks();
    /* Not while somebody else may still use it; and only a task can wait for it. Main is none if it
     * has never called conc, or has left by pthread_exit. */
    bool main_alone = conc_task_current_get() && conc_census_count() <= 1;
    if (main_alone)
        conc_timer_queue_stop();
    if (main_alone && conc_engine() == &conc_engine_fibers)
        conc_fibers_stop();
    /* Once more, with another code: glibc goes on with the handlers that are left. */
    if (status == 0 && conc_check_failed())
        exit(EXIT_FAILURE);
}

/* False: none is given. */
static bool seed_given(uint64_t *seed)
{
    const char *text = getenv("CONC_SEED");
    if (!text || !*text)
        return false;
    char *end;
    int saved_errno = errno;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
        fprintf(stderr, "conc: CONC_SEED: '%s' is not a number of 64 bits\n", text);
        _Exit(2);
    }
    errno = saved_errno;
    return true;
}

static void init(void)
{
    process = getpid();
    conc_check_init();
    if (conc_engine() == &conc_engine_fibers) /* chosen now: the list on SIGQUIT must not do it */
        conc_fibers_init();
    on_exit(at_exit, NULL);
    conc_watchdog_begin();

    struct sigaction old;
    if (sigaction(SIGQUIT, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
        struct sigaction list = {.sa_handler = list_tasks, .sa_flags = SA_RESTART};
        sigemptyset(&list.sa_mask);
        sigaction(SIGQUIT, &list, NULL);
    }

    const char *trace = getenv("CONC_TRACE");
    if (trace && *trace) {
        int rc = conc_trace_start(trace);
        if (rc != 0)
            fprintf(stderr, "conc: CONC_TRACE: cannot write '%s': %s\n", trace, strerror(rc));
    }
}

void conc_runtime_init(void)
{
    /* Before the lock: what is wrong ends the program, and locks must be free then. */
    uint64_t seed = 0;
    conc_engine();
    bool seeded = seed_given(&seed);
    /* Not pthread_once: Helgrind does not see the order that it makes. */
    static struct conc_lock lock = CONC_LOCK_INIT;
    static bool begun;
    conc_lock_acquire_runtime(&lock); /* across it all: nobody may go on before it is done */
    if (!begun && seeded)
        conc_random_seed(seed);
    if (!begun)
        init();
    begun = true;
    conc_lock_release(&lock);
}
