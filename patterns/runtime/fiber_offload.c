/* SPDX-License-Identifier: MIT */

/*
 * Calls that block in the kernel: threads of the off-load pool make them for fibers. One more when
 * all are busy, one less when one has been idle for a second.
 *
 * The idle ones are a stack: the one idle last, whose memory is warm, gets the next call, and those
 * that are too many stay idle until they end. Each waits on a parker of its own. Whoever takes one
 * off the stack owes it a call; one that finds itself still there when its second is over takes
 * itself off, under the same mutex, and then nobody will give it anything.
 */

#define _GNU_SOURCE
#include <pthread.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/errno.h"
#include "runtime/fiber_internal.h"
#include "runtime/parker.h"

/* A call for a fiber. On the fiber's stack. */
struct job {
    void (*fn)(void *);
    void *arg;
    struct conc_task *task;
    int error; /* errno: the fiber's before the call, the call's afterwards */
};

/* A thread of the pool. On its own stack. */
struct helper {
    struct conc_parker parker;
    struct job *job;      /* whoever took it off the stack gives it, then the token */
    struct helper *below; /* under the mutex */
};

static struct {
    pthread_mutex_t mutex;
    struct helper *top; /* of the idle */
} offload = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void push(struct helper *me)
{
    pthread_mutex_lock(&offload.mutex);
    me->below = offload.top;
    offload.top = me;
    pthread_mutex_unlock(&offload.mutex);
}

static struct helper *pop(void)
{
    pthread_mutex_lock(&offload.mutex);
    struct helper *top = offload.top;
    if (top)
        offload.top = top->below;
    pthread_mutex_unlock(&offload.mutex);
    return top;
}

/* False: somebody has taken it off already. */
static bool step_down(struct helper *me)
{
    pthread_mutex_lock(&offload.mutex);
    struct helper **at = &offload.top;
    while (*at && *at != me)
        at = &(*at)->below;
    bool found = *at;
    if (found)
        *at = me->below;
    pthread_mutex_unlock(&offload.mutex);
    return found;
}

/* NULL: none came for a second, and none will. */
static struct job *next_job(struct helper *me)
{
    int64_t until_ns = conc_time_add(conc_now_ns(), CONC_S(1));
    push(me);
    if (conc_parker_look(&me->parker, until_ns))
        return me->job;
    if (conc_parker_enter(&me->parker, CONC_PARKER_ASLEEP)) {
        if (conc_parker_sleep(&me->parker, CONC_PARKER_ASLEEP, until_ns) != 0 && step_down(me))
            return NULL;
        conc_parker_sleep(&me->parker, CONC_PARKER_ASLEEP, CONC_FOREVER);
    }
    conc_parker_take(&me->parker);
    return me->job;
}

static void *helper_main(void *arg)
{
    struct helper me;
    conc_parker_init(&me.parker);
    for (struct job *job = arg; job; job = next_job(&me)) {
        errno = job->error;
        job->fn(job->arg);
        job->error = errno;
        conc_unpark(job->task); /* the job is gone afterwards */
    }
    conc_parker_destroy(&me.parker);
    conc_census_thread_removed();
    return NULL;
}

static bool start_helper(struct job *job)
{
    pthread_t thread;
    conc_census_thread_added();
    bool started = pthread_create(&thread, NULL, helper_main, job) == 0;
    if (started)
        pthread_detach(thread);
    else
        conc_census_thread_removed();
    return started;
}

void conc_fiber_blocking(void (*fn)(void *), void *arg)
{
    struct job job = {.fn = fn, .arg = arg, .task = conc_task_self(), .error = conc_errno};
    conc_census_awake(); /* the thread that makes the call */
    struct helper *idle = pop();
    bool handed = true;
    if (idle) {
        idle->job = &job;
        conc_parker_put(&idle->parker);
    } else {
        handed = start_helper(&job);
    }
    static const struct conc_wait_info info = {"for a blocking call", NULL, NULL};
    if (handed) {
        conc_park(NULL, CONC_FOREVER, &info);
        conc_errno = job.error;
    } else { /* no thread to be had: slower for the others, but right */
        conc_errno = job.error;
        fn(arg);
    }
    (void)conc_census_asleep();
}
