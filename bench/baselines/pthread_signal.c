/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_signal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static int ends[2]; /* of the pipe */
static int caught;
static struct sigaction before;

static void handle(int signal)
{
    int saved_errno = errno;
    unsigned char byte = (unsigned char)signal;
    if (write(ends[1], &byte, 1) < 0) {
        /* The pipe is full of signals: one more tells nothing new. */
    }
    errno = saved_errno;
}

int textbook_signal_catch(int signal)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    if (pipe(ends) != 0)
        return errno;
    caught = signal;
    if (sigaction(signal, &action, &before) == 0)
        return 0;
    int rc = errno;
    close(ends[0]);
    close(ends[1]);
    return rc;
}

void textbook_signal_wait(void)
{
    unsigned char byte;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {
    }
}

void textbook_signal_release(void)
{
    sigaction(caught, &before, NULL);
    close(ends[0]);
    close(ends[1]);
}
