/* SPDX-License-Identifier: MIT */
/*
 * P85: A fork while another thread holds a lock
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-833
 * @rule fork copies the caller alone. A lock that another thread held stays locked in the
 *     child, for the one who would unlock it is not there. Between fork and exec a child of
 *     a program with threads may do nothing that takes a lock: no malloc, no printf.
 * @detect native:hang memcheck:possibly-lost
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gate locked;
static struct gate forked;

static void *logger(void *arg)
{
    pthread_mutex_lock(&log_lock);
    gate_open(&locked);
    /* place 1: in the middle of its section */
    gate_wait(&forked);
    pthread_mutex_unlock(&log_lock);
    return arg;
}

int main(void)
{
    pthread_t thread;
    int status = -1;
    pthread_create(&thread, NULL, logger, NULL);
    gate_wait(&locked);
    pid_t child = fork();
    if (child == 0) {
        /* place 2: nobody in this process holds it, and nobody will unlock it */
        pthread_mutex_lock(&log_lock);
        _exit(0);
    }
    gate_open(&forked);
    pthread_join(thread, NULL);
    waitpid(child, &status, 0);
    return verdict(status == 0, "the child has ended with %d", status);
}
