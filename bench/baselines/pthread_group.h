/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_GROUP_H
#define BENCH_BASELINES_PTHREAD_GROUP_H

#include <stddef.h>
#include <stdint.h>

/*
 * The textbook's group of tasks: a thread each, all joined, the first error kept. With a limit, a
 * counter under a mutex and a condition hold the next start back. Nothing is cancelled when one
 * fails.
 *
 * Calls fn(arg, i) for i from 0 to n - 1, at most `limit` at once (0: any number). Returns the
 * first error of a call, or that of pthread_create; else 0.
 */
int textbook_group(size_t n, size_t limit, int (*fn)(void *arg, size_t i), void *arg);

#endif
