/* SPDX-License-Identifier: MIT */
/* P85, fixed: the child takes no lock. */
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
        _exit(0);
    }
    gate_open(&forked);
    pthread_join(thread, NULL);
    waitpid(child, &status, 0);
    return verdict(status == 0, "the child has ended with %d", status);
}
