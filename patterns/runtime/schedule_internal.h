/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_SCHEDULE_INTERNAL_H
#define CONC_RUNTIME_SCHEDULE_INTERNAL_H

/*
 * What the sim engine draws its choices from: one seed, the numbers that follow from it, and the
 * log of the turns. All on the sim thread. sim.h says what a schedule is.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_site;
struct conc_task;

/* Begins the schedule that the program asked for, if it has not begun: true, and the caller gives
 * the running task a priority. */
bool conc_schedule_begin(void);

bool conc_schedule_by_priority(void);

/* A number below `bound`. */
size_t conc_schedule_draw(size_t bound);

/* The priority of a task that starts. */
int64_t conc_schedule_priority(void);

/* What a task that starts draws its random numbers from; 0: from the program's seed. */
uint64_t conc_schedule_task_seed(void);

/* Counts a step of the task that runs. The priority it has from now on: its old one, or, at the few
 * steps that the schedule says, one below all others but those that have yielded. */
int64_t conc_schedule_step(int64_t priority);

/* A priority below all that there are: for a task that yields. */
int64_t conc_schedule_lowest(void);

/* The line that says how to repeat this run. */
void conc_schedule_note(char *text, size_t size);

/* The log, if CONC_SCHEDULE_LOG names a file: a line for each change of turn. */
void conc_schedule_open_log(void);
bool conc_schedule_logs(void);
void conc_schedule_log(const struct conc_task *from, const char *why, const struct conc_site *site,
    const struct conc_task *to);

#endif
