/* SPDX-License-Identifier: MIT */
/* P15, fixed: room for every answer, so that all can end, and are waited for. */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *answers;
static struct conc_wait_group servers = CONC_WAIT_GROUP_INIT;

static void server(void *arg)
{
    int answer = 42;
    (void)arg;
    conc_chan_send(answers, &answer, NULL);
}

int main(void)
{
    int answer = 0;
    conc_chan_create(&answers, sizeof answer, 3, NULL);
    for (int i = 0; i < 3; i++)
        conc_wait_group_go(&servers, server, NULL);
    conc_chan_recv(answers, &answer, NULL);
    wait_until_others_sleep(); /* the program goes on for long */
    conc_wait_group_wait(&servers, NULL);
    conc_wait_group_destroy(&servers);
    conc_chan_destroy(answers);
    return verdict(answer == 42, "the first answer is %d", answer);
}
