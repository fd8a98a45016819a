/* SPDX-License-Identifier: MIT */
/* P03, fixed: room for the one letter. */
#include "demos/pitfalls/pitfall.h"
#include "sync/chan.h"

int main(void)
{
    struct conc_chan *letters;
    int letter = 42;
    int read = 0;
    conc_chan_create(&letters, sizeof letter, 1, NULL);
    conc_chan_send(letters, &letter, NULL);
    conc_chan_recv(letters, &read, NULL);
    conc_chan_destroy(letters);
    return verdict(read == 42, "the letter says %d", read);
}
