/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_pipes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int textbook_pipes_init(struct textbook_pipes *pipes, size_t n)
{
    *pipes = (struct textbook_pipes){
        .readers = calloc(n, sizeof *pipes->readers), .writers = calloc(n, sizeof *pipes->writers)};
    int rc = pipes->readers && pipes->writers ? 0 : ENOMEM;
    for (; rc == 0 && pipes->n < n; pipes->n++) {
        int ends[2];
        if (pipe(ends) != 0) {
            rc = errno;
            break;
        }
        pipes->readers[pipes->n] = (struct pollfd){.fd = ends[0], .events = POLLIN};
        pipes->writers[pipes->n] = ends[1];
    }
    if (rc != 0)
        textbook_pipes_destroy(pipes);
    return rc;
}

void textbook_pipes_destroy(struct textbook_pipes *pipes)
{
    for (size_t i = 0; i < pipes->n; i++) {
        close(pipes->readers[i].fd);
        close(pipes->writers[i]);
    }
    free(pipes->readers);
    free(pipes->writers);
    *pipes = (struct textbook_pipes){0};
}

/* So few bytes are written, and read, whole or not at all. */

int textbook_pipes_send(struct textbook_pipes *pipes, size_t at, uint64_t value)
{
    return write(pipes->writers[at], &value, sizeof value) < 0 ? errno : 0;
}

int textbook_pipes_recv(struct textbook_pipes *pipes, uint64_t *value)
{
    if (pipes->remaining == 0) {
        do
            pipes->remaining = poll(pipes->readers, pipes->n, -1);
        while (pipes->remaining < 0 && errno == EINTR);
        pipes->next = 0;
    }
    if (pipes->remaining < 0)
        return errno;
    while (pipes->readers[pipes->next].revents == 0)
        pipes->next++;
    pipes->remaining--;
    return read(pipes->readers[pipes->next++].fd, value, sizeof *value) < 0 ? errno : 0;
}
