/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_SIM_H
#define CONC_RUNTIME_SIM_H

/*
 * Schedules: what the sim engine runs differently from one seed to the next. On sim all tasks share
 * one thread, and at every choice point (each operation on a channel, a lock, a context …, each
 * start, wake-up and yield) a number drawn from the seed says who goes on. So a seed is a schedule:
 * the same one gives the same run, step for step, and a thousand of them are a thousand
 * interleavings. (In one build, with the same CONC_CHECK: the checks make more choice points.)
 *
 * A program takes its schedule from CONC_SCHEDULE, else from its seed (CONC_SEED,
 * conc_random_seed). ./conc explore runs a program under many; a test does so by a process for each
 * (tests/sim.h). CONC_SCHEDULE_LOG=FILE writes down every change of turn.
 *
 * The thread is the program's first. What another thread starts runs when main calls conc and waits
 * there; if main never does, it never runs.
 *
 * Time stands still until all are asleep, then jumps to the earliest timer. After a thousand choice
 * points without a jump it moves on, a microsecond for each further one and each look at it, so
 * that a program which never falls asleep reaches its deadlines; and every thousandth the one that
 * runs falls below all others, so that it cannot wait in vain for one below it.
 *
 * What no schedule reaches: a switch between two plain instructions (ThreadSanitizer finds those),
 * and what comes from outside the process: a wait for a descriptor with a deadline does not wait
 * for another process, for its deadline is only a jump away.
 *
 * Two ways to draw, half of the seeds each:
 *   even seeds   uniform: at every choice point each task that can run is as likely as any other
 *   odd seeds    by priority: every task draws one, the highest runs, and at one to three steps of
 *                the run the one that runs falls below all others. Finds what needs few but
 *                precise changes of turn (S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte,
 *                "A randomized scheduler with probabilistic guarantees of finding bugs", 2010).
 */

#include <stdatomic.h>
#include <stdbool.h>

/* For the runtime. A choice point: on sim, another task may run before this returns. Everything
 * that other tasks can see happens between two of them. Elsewhere one predictable branch. */
extern atomic_bool conc_sim_on;
void conc_sim_point_taken(void);
static inline void conc_sim_point(void)
{
    if (__builtin_expect(atomic_load_explicit(&conc_sim_on, memory_order_relaxed), 0))
        conc_sim_point_taken();
}

/* The program has looked at the clock. Who does nothing else for long makes it move. */
void conc_sim_looked(void);

/* Runs the others until a lock that the caller found taken is free: true; false where sim does not
 * run the caller, who must wait by other means. */
struct conc_lock;
bool conc_sim_wait_lock(struct conc_lock *lock);

#endif
