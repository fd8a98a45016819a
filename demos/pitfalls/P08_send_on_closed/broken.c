/* SPDX-License-Identifier: MIT */
/*
 * P08: A send on a closed channel, whose refusal nobody reads
 *
 * @family documents
 * @kind misuse
 * @from In-depth guide to Go's concurrency patterns, 7.1 DON'T 1, where it is a panic;
 *     Producer-consumer, "errors and traps": items lost
 * @weakness CWE-252, CWE-401, CERT ERR33-C
 * @rule In Go a send on a closed channel ends the program. conc returns EPIPE instead, and the
 *     element is still the sender's: to deliver otherwise, or to free. A send whose result nobody
 *     reads loses the element without a sound, and the memory with it.
 * @detect native:wrong conc:send-closed memcheck:leak asan:leak
 * @fixed conc:send-closed
 */
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
        /* place 1: the third is refused, and nobody reads that */
        conc_chan_send(letters, &letter, NULL);
    }
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    char *letter;
    conc_chan_create(&letters, sizeof letter, 3, NULL);
    conc_wait_group_go(&tasks, writer, NULL);
    gate_wait_as_task(&has_sent);
    /* place 2: the post closes, while somebody still writes */
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
