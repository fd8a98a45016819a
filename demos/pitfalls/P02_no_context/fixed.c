/* SPDX-License-Identifier: MIT */
/* P02, fixed: the wait is part of the request, and takes its context. */
#include <errno.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

static struct conc_chan *answers;
static struct conc_context request;
static int end;

static void asker(void *arg)
{
    int answer;
    (void)arg;
    end = conc_chan_recv(answers, &answer, &request);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_chan_create(&answers, sizeof(int), 0, NULL);
    conc_context_with_cancel(&request, NULL);
    conc_wait_group_go(&tasks, asker, NULL);
    conc_context_cancel(&request);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_context_destroy(&request);
    conc_chan_destroy(answers);
    return verdict(end == ECANCELED, "the wait has been called off");
}
