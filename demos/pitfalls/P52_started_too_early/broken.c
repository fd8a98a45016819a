/* SPDX-License-Identifier: MIT */
/*
 * P52: The thread starts before what it works with is complete
 *
 * @family classic
 * @kind logic
 * @weakness CWE-908, CWE-696
 * @rule A lock keeps two apart and does not say who comes first. The thread that is started in the
 *     middle of a constructor may take the lock before the constructor does, and then works with
 *     fields that were never set: no data race, the value was not there yet. A thread is started
 *     last, when all is set that it reads.
 * @detect native:wrong memcheck:uninitialised
 */
#include <pthread.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct server {
    pthread_mutex_t mutex;
    int limit; /* under mutex */
    int served;
    pthread_t thread;
};

static struct gate has_looked;

static void *serve(void *arg)
{
    struct server *server = arg;
    pthread_mutex_lock(&server->mutex);
    /* place 2: comes before the limit */
    if (server->limit == 10)
        server->served = 1;
    pthread_mutex_unlock(&server->mutex);
    gate_open(&has_looked);
    return NULL;
}

static struct server *server_create(void)
{
    struct server *server = malloc(sizeof *server);
    pthread_mutex_init(&server->mutex, NULL);
    server->served = 0;
    /* place 1: started, with two lines to come */
    pthread_create(&server->thread, NULL, serve, server);
    gate_wait(&has_looked);
    pthread_mutex_lock(&server->mutex);
    server->limit = 10;
    pthread_mutex_unlock(&server->mutex);
    return server;
}

int main(void)
{
    struct server *server = server_create();
    pthread_join(server->thread, NULL);
    int served = server->served;
    pthread_mutex_destroy(&server->mutex);
    free(server);
    return verdict(served, "the server has%s seen its limit", served ? "" : " not");
}
