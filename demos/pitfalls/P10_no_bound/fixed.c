/* SPDX-License-Identifier: MIT */
/* P10, fixed: as many workers as are allowed, and each takes one item after the other. */
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

enum { ITEMS = 100, ALLOWED = 8 };

static struct conc_chan *answers;
static atomic_int next;

static void fetch(void *arg)
{
    (void)arg;
    for (int item; (item = atomic_fetch_add(&next, 1)) < ITEMS;)
        conc_chan_send(answers, &item, NULL);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    int item;
    conc_chan_create(&answers, sizeof(int), 0, NULL);
    for (int i = 0; i < ALLOWED; i++)
        conc_wait_group_go(&tasks, fetch, NULL);
    int at_once = (int)conc_wait_group_count(&tasks);
    for (int i = 0; i < ITEMS; i++)
        conc_chan_recv(answers, &item, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(answers);
    return verdict(at_once <= ALLOWED, "%d tasks at once, %d are allowed", at_once, ALLOWED);
}
