/* SPDX-License-Identifier: MIT */

/* Calls that block in the kernel: threads of the off-load pool make them for fibers. */

#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/fiber_internal.h"

/* A call that a thread of the off-load pool makes for a fiber. On the fiber's stack. */
struct job {
    void (*fn)(void *);
    void *arg;
    struct conc_task *task;
    struct job *next;
};

/* Threads for calls that block in the kernel: one more when all are busy, one less after a second
 * of idleness. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct job *head;
    struct job *tail;
    int idle;
    int waiting; /* jobs in the list */
} offload = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void do_job(struct job *job)
{
    job->fn(job->arg);
    conc_unpark(job->task); /* the job is gone afterwards */
}

static void *offload_main(void *arg)
{
    do_job(arg);
    pthread_mutex_lock(&offload.mutex);
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        int rc = 0;
        offload.idle++;
        while (!offload.head && rc == 0)
            rc = pthread_cond_timedwait(&offload.more, &offload.mutex, &until);
        offload.idle--;
        struct job *job = offload.head;
        if (!job)
            break;
        offload.head = job->next;
        if (!offload.head)
            offload.tail = NULL;
        offload.waiting--;
        pthread_mutex_unlock(&offload.mutex);
        do_job(job);
        pthread_mutex_lock(&offload.mutex);
    }
    pthread_mutex_unlock(&offload.mutex);
    conc_census_thread_removed();
    return NULL;
}

void conc_fiber_blocking(void (*fn)(void *), void *arg)
{
    struct conc_task *self = conc_task_self();
    struct job job = {.fn = fn, .arg = arg, .task = self};
    conc_census_awake(); /* the thread that makes the call */
    pthread_mutex_lock(&offload.mutex);
    bool idle = offload.idle > offload.waiting;
    if (idle) {
        *(offload.tail ? &offload.tail->next : &offload.head) = &job;
        offload.tail = &job;
        offload.waiting++;
        pthread_cond_signal(&offload.more);
    }
    pthread_mutex_unlock(&offload.mutex);
    bool handed = idle;
    if (!idle) {
        pthread_t thread;
        conc_census_thread_added();
        handed = pthread_create(&thread, NULL, offload_main, &job) == 0;
        if (handed)
            pthread_detach(thread);
        else
            conc_census_thread_removed();
    }
    static const struct conc_wait_info info = {"for a blocking call", NULL, NULL};
    if (handed)
        conc_park(NULL, CONC_FOREVER, &info);
    else
        fn(arg); /* no thread to be had: slower for the others, but right */
    (void)conc_census_asleep();
}
