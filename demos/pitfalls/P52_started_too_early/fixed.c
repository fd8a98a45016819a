/* SPDX-License-Identifier: MIT */
/* P52, fixed: started last. */
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
    pthread_mutex_lock(&server->mutex);
    server->limit = 10;
    pthread_mutex_unlock(&server->mutex);
    pthread_create(&server->thread, NULL, serve, server);
    gate_wait(&has_looked);
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
