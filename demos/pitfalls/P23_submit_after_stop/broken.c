/* SPDX-License-Identifier: MIT */
/*
 * P23: A task is handed to a pool that has been stopped
 *
 * @family own
 * @kind lifetime
 * @from Go 1.25.3 in practice, 1.1 and 1.2, Stop and Submit; In-depth guide to Go's concurrency
 *     patterns, 3.2 and 3.3: close(p.tasks), while others may still be sending to it
 * @weakness CWE-416, CWE-672
 * @rule A pool ends while others still know it, so submit has to ask, under the lock that stop
 *     takes, whether there is still a pool. In Go the late send is a panic; in C it writes into
 *     what stop has freed, and as a rule nothing happens: the task is lost, and whatever has the
 *     memory by then is changed.
 * @detect native:wrong memcheck:invalid-access tsan:use-after-free asan:use-after-free
 */
#include <errno.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct gate has_begun;
static struct gate is_stopped;
static int *tasks; /* under mutex, as the three below */
static int submitted;
static int run;
static int stopped;
static int refused;

static int submit(int task)
{
    conc_mutex_lock(&mutex, NULL);
    /* place 1: does not ask whether there is still a pool */
    tasks[submitted++] = task;
    conc_mutex_unlock(&mutex);
    return 0;
}

static void stop(void)
{
    conc_mutex_lock(&mutex, NULL);
    run = submitted;
    stopped = 1;
    /* place 2: what is not run by now never will be */
    free(tasks);
    conc_mutex_unlock(&mutex);
}

static void client(void *arg)
{
    (void)arg;
    for (int i = 0; i < 8; i++) {
        if (i == 7) {
            gate_open(&has_begun);
            gate_wait_as_task(&is_stopped);
        }
        if (submit(i) != 0)
            refused++;
    }
}

int main(void)
{
    struct conc_wait_group clients = CONC_WAIT_GROUP_INIT;
    tasks = calloc(8, sizeof *tasks);
    conc_wait_group_go(&clients, client, NULL);
    gate_wait_as_task(&has_begun);
    stop();
    gate_open(&is_stopped);
    conc_wait_group_wait(&clients, NULL);
    conc_wait_group_destroy(&clients);
    conc_mutex_destroy(&mutex);
    return verdict(run + refused == 8, "of 8 tasks %d were run, %d refused", run, refused);
}
