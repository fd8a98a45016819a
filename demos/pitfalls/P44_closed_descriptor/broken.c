/* SPDX-License-Identifier: MIT */
/*
 * P44: A descriptor closed while another thread is about to read from it
 *
 * @family classic
 * @kind lifetime
 * @weakness CWE-910, CWE-362
 * @rule A descriptor is a small number, and the next open gets the smallest that is free. Who
 *     closes it while another still uses the number does not stop the other: it reads from
 *     whatever has been opened since. A descriptor is closed by its owner, after all who use it
 *     have ended; to wake a reader, shut the connection down or write to it.
 * @detect native:wrong tsan:race
 */
#include <pthread.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"

static struct gate is_opened_anew;

static void *reader(void *arg)
{
    int *mail = arg;
    char letter = 0;
    gate_wait(&is_opened_anew);
    /* place 1: reads from the number that it was given */
    return read(*mail, &letter, 1) == 1 && letter == 'm' ? mail : NULL;
}

int main(void)
{
    pthread_t thread;
    int mail[2];
    int diary[2];
    void *right;
    if (pipe(mail) != 0 || write(mail[1], "m", 1) != 1)
        return 2;
    pthread_create(&thread, NULL, reader, &mail[0]);
    /* place 2: closed, and the number is free for the next */
    close(mail[0]);
    if (pipe(diary) != 0 || write(diary[1], "d", 1) != 1)
        return 2;
    gate_open(&is_opened_anew);
    pthread_join(thread, &right);
    close(mail[1]);
    close(diary[0]);
    close(diary[1]);
    return verdict(right != NULL, "has read the %s", right ? "mail" : "diary");
}
