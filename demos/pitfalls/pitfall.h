/* SPDX-License-Identifier: MIT */
#ifndef DEMOS_PITFALLS_PITFALL_H
#define DEMOS_PITFALLS_PITFALL_H

/*
 * What the programs of the pitfall laboratory share: gates, which force the unlucky schedule, and
 * the verdict that a program gives on its own result.
 *
 *   static struct gate has_read;
 *
 *   one thread                    the other
 *   ----------                    ---------
 *   seen = counter;
 *   gate_open(&has_read);         gate_wait(&has_read);
 *
 * A gate orders what happens and is no synchronisation: no tool takes it for one. What a program
 * does wrong stays as wrong as it is without the gate, and is only made to happen each time.
 */

#include <stdatomic.h>

/* Zero is shut. */
struct gate {
    atomic_int open;
};

void gate_open(struct gate *gate);

/* Waits until it is open. The first is for threads, the second for tasks of conc: it lets others
 * run meanwhile. */
void gate_wait(struct gate *gate);
void gate_wait_as_task(struct gate *gate);

/* Sleeps until every other thread of the process sleeps, in the kernel: then whatever they wait
 * for, they wait. For the schedule in which somebody waits already, where no line of the program
 * comes after the beginning of a wait. */
void wait_until_others_sleep(void);

/* What main returns: prints "right: …" for 0, "wrong: …" for 1. */
int verdict(int right, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
