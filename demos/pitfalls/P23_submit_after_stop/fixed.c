/* SPDX-License-Identifier: MIT */
/* P23, fixed: submit asks under the lock that stop takes, and refuses. */
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
    if (!stopped)
        tasks[submitted++] = task;
    int rc = stopped ? EPIPE : 0;
    conc_mutex_unlock(&mutex);
    return rc;
}

static void stop(void)
{
    conc_mutex_lock(&mutex, NULL);
    run = submitted;
    stopped = 1;
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
