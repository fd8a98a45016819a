/* SPDX-License-Identifier: MIT */
/* The example of the README. */

/* snippet: squares */
#include <conc/conc.h> /* or just what is used: <conc/sync/chan.h> */
#include <stdio.h>

static void squares(void *arg)
{
    struct conc_chan *out = arg;
    for (int i = 1; i <= 3; i++) {
        int square = i * i;
        conc_chan_send(out, &square, NULL);
    }
    conc_chan_close(out);
}

int main(void)
{
    struct conc_chan *ch;
    struct conc_task *task;
    if (conc_chan_create(&ch, sizeof(int), 0, NULL) != 0)
        return 1;
    if (conc_task_start(&task, squares, ch) != 0)
        return 1;
    int square;
    while (conc_chan_recv(ch, &square, NULL) == 0)
        printf("%d\n", square);
    conc_task_join(task);
    conc_chan_destroy(ch);
    return 0;
}
/* end snippet */
