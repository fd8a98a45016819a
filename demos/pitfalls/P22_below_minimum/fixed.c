/* SPDX-License-Identifier: MIT */
/* P22, fixed: the count is taken down only from the value on which the decision was made. */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "demos/pitfalls/pitfall.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

enum { MINIMUM = 1, STARTED = 2 };

static struct conc_chan *tasks;
static struct gate has_looked[STARTED];
static struct gate has_decided[STARTED];
static atomic_int workers = STARTED;

static int leaves(int me)
{
    int seen = atomic_load(&workers);
    int leave = seen > MINIMUM && atomic_compare_exchange_strong(&workers, &seen, seen - 1);
    gate_open(&has_looked[me]);
    gate_wait_as_task(&has_looked[!me]);
    gate_open(&has_decided[me]);
    return leave;
}

static void worker(void *me)
{
    int task, rc;
    while ((rc = conc_chan_try_recv(tasks, &task)) != EPIPE) {
        if (rc == EAGAIN && leaves((int)(intptr_t)me)) /* there is nothing to do */
            return;
        conc_yield();
    }
}

int main(void)
{
    struct conc_wait_group pool = CONC_WAIT_GROUP_INIT;
    conc_chan_create(&tasks, sizeof(int), 1, NULL);
    for (intptr_t i = 0; i < STARTED; i++)
        conc_wait_group_go(&pool, worker, (void *)i);
    for (int i = 0; i < STARTED; i++)
        gate_wait_as_task(&has_decided[i]);
    int left = atomic_load(&workers);
    conc_chan_close(tasks);
    conc_wait_group_wait(&pool, NULL);
    conc_wait_group_destroy(&pool);
    conc_chan_destroy(tasks);
    return verdict(left >= MINIMUM, "%d workers are left, %d to keep", left, MINIMUM);
}
