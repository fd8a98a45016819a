/* SPDX-License-Identifier: MIT */
/* P65, fixed: all are woken. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int open_now;
static int passed;

static void *guest(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!open_now)
        pthread_cond_wait(&changed, &mutex);
    passed++;
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, guest, NULL);
    wait_until_others_sleep();
    pthread_mutex_lock(&mutex);
    open_now = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(passed == 2, "%d guests have passed", passed);
}
