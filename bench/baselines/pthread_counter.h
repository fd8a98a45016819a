/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_COUNTER_H
#define BENCH_BASELINES_PTHREAD_COUNTER_H

#include <stdint.h>

/* The textbook's counter: a number and a mutex. */
struct textbook_counter;

struct textbook_counter *textbook_counter_create(void); /* NULL: no memory */
void textbook_counter_destroy(struct textbook_counter *counter);
void textbook_counter_add(struct textbook_counter *counter, int64_t delta);
int64_t textbook_counter_get(struct textbook_counter *counter);

#endif
