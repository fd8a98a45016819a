/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_CENSUS_H
#define CONC_RUNTIME_CENSUS_H

/*
 * The census: the list of all live tasks, who started each and what it waits for. Three reports
 * come from it, on every engine:
 *
 *   all asleep   every task waits and nothing is left that could wake one (no timer, no descriptor,
 *                no thread outside conc): the list, exit code 3
 *   leak         main returned 0, or called exit(0), and tasks are still there: exit code 4
 *   SIGQUIT      the list, then the program goes on (unless the program handles SIGQUIT itself)
 *
 * The list goes to stderr and looks like this:
 *
 *   conc: all tasks are asleep – deadlock!
 *     task 1 main: waits to receive from channel 0x5581…, at lonely.c:8 in main, for 0.1 s
 *     task 2 worker, started at lonely.c:20 in main: waits …
 */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/engine.h"

/* How many tasks are alive, the calling one included, those of the runtime left out. */
size_t conc_census_count(void);

/* Calls visit for each live task, or a copy of its record: those of the runtime included. Holds a
 * lock meanwhile, so visit must not start or end a task. */
void conc_census_visit(void (*visit)(const struct conc_task *task, void *arg), void *arg);

/* Prints the list to a file descriptor. Async-signal-safe; says so when the list is busy. */
void conc_census_print(int fd);

/* Prints the line of one task. Async-signal-safe. */
void conc_census_print_task(const struct conc_task *task, int fd);

enum { CONC_EXIT_DEADLOCK = 3, CONC_EXIT_LEAK = 4 };

/* Ends the process with a report instead of the list. */
_Noreturn void conc_census_die(const char *report, int exit_code);

/* For engines. */

void conc_census_add(struct conc_task *task);
void conc_census_remove(struct conc_task *task);
void conc_census_rename(struct conc_task *task, const char *name);

/* One task more, or fewer, that is awake or will wake by itself (a deadline, a descriptor). True:
 * it was the last, and the caller must look for a deadlock, without any lock held. */
void conc_census_awake(void);
bool conc_census_asleep(void);

/* Looks whether anything can still wake a task. If not, reports the deadlock and ends the process.
 * False: all are asleep, but the process has threads that conc does not know, or that have just
 * ended; look again later. True: somebody is awake, or there are no tasks. */
bool conc_census_check_deadlock(void);

/* Both for a task that does not fall asleep but ends. Does not wait: where one has to look again, a
 * thread does it. */
void conc_census_ends(void);

/* Main has left by pthread_exit: the process ends with its last task and the last thread that conc
 * does not know, though threads of the runtime are still there. */
void conc_census_main_left(void);

/* One thread more, or fewer, of which the census knows: to tell threads outside conc from ours. */
void conc_census_thread_added(void);
void conc_census_thread_removed(void);

/* Starts a thread of the runtime's own, of which the census knows and which no signal reaches.
 * False: it could not be started. */
bool conc_census_start_thread(pthread_t *thread, void *(*fn)(void *));

/* At exit: ends the process with code 4 when tasks are left. A task that is just about to end is
 * given a moment to do so. */
void conc_census_check_leaks(void);

#endif
