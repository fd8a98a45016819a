/* SPDX-License-Identifier: MIT */
/*
 * P22: Two workers leave a pool that is to keep one, and nobody is left
 *
 * @family own
 * @kind logic
 * @from Go 1.25.3 in practice, 1.2 "dynamic worker pool"; In-depth guide to Go's concurrency
 *     patterns, 3.3: curWorkers is loaded, compared, and decremented on the way out
 * @weakness CWE-367, CWE-362
 * @rule A count that is atomic makes each step whole, not the decision made of two. Both workers
 *     read that one too many is there, and both leave. To decide and to count is one step: a
 *     compare-and-swap, or a lock around both.
 * @detect native:wrong
 * @explore 20
 */
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
    /* place 1: reads, and decides */
    int leave = atomic_load(&workers) > MINIMUM;
    gate_open(&has_looked[me]);
    gate_wait_as_task(&has_looked[!me]);
    /* place 2: counts, when another has decided the same */
    if (leave)
        atomic_fetch_sub(&workers, 1);
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
