/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_WATCHDOG_H
#define CONC_RUNTIME_WATCHDOG_H

/*
 * The hang watchdog. A deadlock of all tasks is found by the census at once; but where one goes on
 * (a ticker, a server's acceptor) the others may hang for ever, and nothing says so. With
 * CONC_HANG_MS=N in the environment each task is named on stderr, once, that has been in one wait
 * for N milliseconds or longer: what it waits for and, where CONC_CHECK is on, what it holds, and
 * who else holds a lock. Waits that end by themselves do not count: a sleep, a deadline, a
 * descriptor, a blocking call. The program goes on and keeps its exit code, for a long wait may be
 * meant: an idle server has nothing else to do.
 *
 *   conc: waits for 1.0 s or longer:
 *     task 2 reader, started at hub.c:30 in main: waits to receive from channel …, for 1.2 s
 *   conc: others that hold a lock:
 *     task 1 main: runs; holds mutex …
 *
 * Not on sim, whose clock stands still while tasks run, and which finds every deadlock anyway.
 */

/* By the first task of a program: reads CONC_HANG_MS (0 without it: no watchdog) and begins. */
void conc_watchdog_begin(void);

/* Ends it, and waits for the end. Does nothing when it has not begun. */
void conc_watchdog_end(void);

#endif
