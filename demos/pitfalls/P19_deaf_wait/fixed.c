/* SPDX-License-Identifier: MIT */
/* P19, fixed: the wait is given the context, and the cancel wakes it. */
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
    while (items == 0 && (rc = conc_context_error(&ctx)) == 0) {
        gate_open(&has_looked);
        conc_cond_wait(&not_empty, &mutex, &ctx);
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
