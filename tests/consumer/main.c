/* SPDX-License-Identifier: MIT */
/* A program outside the tree: what it includes and links is the installed conc alone. Its own
 * directory has a sync/chan.h too, which conc's headers must not pick up. */
#include <conc/conc.h>
#include <conc/sync/chan.h>

#include <stdio.h>

#include "sync/chan.h"

static void answer(void *arg)
{
    int value = CONSUMER_ANSWER;
    if (conc_chan_send(arg, &value, NULL) == 0)
        conc_chan_close(arg);
}

int main(void)
{
    struct conc_chan *ch = NULL;
    struct conc_task *task = NULL;
    int value = 0;
    if (conc_chan_create(&ch, sizeof(value), 0, NULL) != 0)
        return 1;
    if (conc_task_start(&task, answer, ch) != 0)
        return 1;
    int rc = conc_chan_recv(ch, &value, NULL);
    conc_task_join(task);
    conc_chan_destroy(ch);
    printf("conc %s: %d\n", CONC_VERSION, value);
    return rc == 0 && value == CONSUMER_ANSWER ? 0 : 1;
}
