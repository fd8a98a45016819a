/* SPDX-License-Identifier: MIT */
/* P08, fixed: the refusal is read, and the letter comes back to its writer. */
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

static struct conc_chan *letters;
static struct gate has_sent;
static struct gate is_closed;
static int delivered;
static int returned;

static void writer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        char *letter = calloc(1, 100);
        if (i == 2) {
            gate_open(&has_sent);
            gate_wait_as_task(&is_closed);
        }
        if (conc_chan_send(letters, &letter, NULL) != 0) {
            free(letter);
            returned++;
        }
    }
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    char *letter;
    conc_chan_create(&letters, sizeof letter, 3, NULL);
    conc_wait_group_go(&tasks, writer, NULL);
    gate_wait_as_task(&has_sent);
    conc_chan_close(letters);
    gate_open(&is_closed);
    while (conc_chan_recv(letters, &letter, NULL) == 0) {
        free(letter);
        delivered++;
    }
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_chan_destroy(letters);
    return verdict(delivered + returned == 3, "of 3 letters %d were delivered, %d came back",
        delivered, returned);
}
