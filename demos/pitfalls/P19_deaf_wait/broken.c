/* SPDX-License-Identifier: MIT */
/*
 * P19: A wait on a condition that does not hear the cancel
 *
 * @family own
 * @kind lost-wakeup
 * @from Go 1.25.3 in practice, 6.2 "producer-consumer queue": ctx is looked at before the wait, and
 *     sync.Cond knows nothing of it
 * @weakness CWE-833
 * @rule To look at the context before each wait is not enough: the cancel comes while the task
 *     waits, and nobody signals. What ends a wait must be able to wake it: the context is given to
 *     the wait itself, or the cancel broadcasts.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
#include <errno.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/wait_group.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct conc_cond not_empty = CONC_COND_INIT;
static struct gate has_looked;
static struct conc_context ctx;
static int items;
static int rc;

static void pop(void *arg)
{
    (void)arg;
    conc_mutex_lock(&mutex, NULL);
    /* place 1: looks at the context, which is not done yet */
    while (items == 0 && (rc = conc_context_error(&ctx)) == 0) {
        gate_open(&has_looked);
        /* place 2: and from here on does not hear of it */
        conc_cond_wait(&not_empty, &mutex, NULL);
    }
    conc_mutex_unlock(&mutex);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_context_with_cancel(&ctx, NULL);
    conc_wait_group_go(&tasks, pop, NULL);
    gate_wait_as_task(&has_looked);
    conc_context_cancel(&ctx);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_context_destroy(&ctx);
    conc_cond_destroy(&not_empty);
    conc_mutex_destroy(&mutex);
    return verdict(rc == ECANCELED, "the wait was called off");
}
