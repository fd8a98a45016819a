/* SPDX-License-Identifier: MIT */
/*
 * P03: A task sends to itself on a channel without room
 *
 * @family documents
 * @kind deadlock
 * @from In-depth guide to Go's concurrency patterns, 7.2 trap 2 "channel deadlock"
 * @weakness CWE-833
 * @rule A channel of capacity 0 stores nothing: a send ends when a receive takes its element. So
 *     sender and receiver are two tasks, or the channel has room. The line after the send is not
 *     reached, however soon it would receive.
 * @detect native:deadlock conc:deadlock
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"

int main(void)
{
    struct conc_chan *letters;
    int letter = 42;
    int read = 0;
    /* place 1: room for none */
    conc_chan_create(&letters, sizeof letter, 0, NULL);
    /* place 2: waits for the receiver, who is the sender, one line below */
    conc_chan_send(letters, &letter, NULL);
    conc_chan_recv(letters, &read, NULL);
    conc_chan_destroy(letters);
    return verdict(read == 42, "the letter says %d", read);
}
