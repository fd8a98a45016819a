/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_SIGNAL_H
#define BENCH_BASELINES_PTHREAD_SIGNAL_H

/*
 * The textbook's way to learn of a signal outside the handler: the handler writes a byte into a
 * pipe, whoever wants to know reads it. One at a time in a process.
 */

/* Begins to catch `signal`. 0, or the error of pipe or sigaction. */
int textbook_signal_catch(int signal);

/* Waits until it has come. */
void textbook_signal_wait(void);

/* Puts the old handler back. */
void textbook_signal_release(void);

#endif
