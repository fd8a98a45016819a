/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_FLAG_H
#define BENCH_BASELINES_PTHREAD_FLAG_H

/* How a textbook tells threads to stop: a flag, a mutex around it, and a condition for those who
 * wait. */

#include <pthread.h>
#include <stdbool.h>

struct textbook_flag {
    pthread_mutex_t mutex; /* protects set */
    pthread_cond_t changed;
    bool set;
};

void textbook_flag_init(struct textbook_flag *flag);
void textbook_flag_destroy(struct textbook_flag *flag);

void textbook_flag_raise(struct textbook_flag *flag);
bool textbook_flag_raised(struct textbook_flag *flag);
void textbook_flag_wait(struct textbook_flag *flag);

#endif
