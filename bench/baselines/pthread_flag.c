/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_flag.h"

void textbook_flag_init(struct textbook_flag *flag)
{
    pthread_mutex_init(&flag->mutex, NULL);
    pthread_cond_init(&flag->changed, NULL);
    flag->set = false;
}

void textbook_flag_destroy(struct textbook_flag *flag)
{
    pthread_cond_destroy(&flag->changed);
    pthread_mutex_destroy(&flag->mutex);
}

void textbook_flag_raise(struct textbook_flag *flag)
{
    pthread_mutex_lock(&flag->mutex);
    flag->set = true;
    pthread_cond_broadcast(&flag->changed);
    pthread_mutex_unlock(&flag->mutex);
}

bool textbook_flag_raised(struct textbook_flag *flag)
{
    pthread_mutex_lock(&flag->mutex);
    bool set = flag->set;
    pthread_mutex_unlock(&flag->mutex);
    return set;
}

void textbook_flag_wait(struct textbook_flag *flag)
{
    pthread_mutex_lock(&flag->mutex);
    while (!flag->set)
        pthread_cond_wait(&flag->changed, &flag->mutex);
    pthread_mutex_unlock(&flag->mutex);
}
