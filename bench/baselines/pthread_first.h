/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_FIRST_H
#define BENCH_BASELINES_PTHREAD_FIRST_H

#include <stddef.h>
#include <stdint.h>

/*
 * The first answer of several, by the textbook: n threads call ask(arg, i), the first to return
 * leaves its answer under a mutex. Nobody can call off the others, so all are waited for. 0, or the
 * error of pthread_create: then no answer.
 */
int textbook_first(size_t n, uint64_t (*ask)(void *arg, size_t i), void *arg, uint64_t *answer);

#endif
