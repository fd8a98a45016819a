/* SPDX-License-Identifier: MIT */
/* P44, fixed: closed after the reader has been joined. */
#include <pthread.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"

static struct gate is_opened_anew;

static void *reader(void *arg)
{
    int *mail = arg;
    char letter = 0;
    gate_wait(&is_opened_anew);
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
    if (pipe(diary) != 0 || write(diary[1], "d", 1) != 1)
        return 2;
    gate_open(&is_opened_anew);
    pthread_join(thread, &right);
    close(mail[0]);
    close(mail[1]);
    close(diary[0]);
    close(diary[1]);
    return verdict(right != NULL, "has read the %s", right ? "mail" : "diary");
}
