/* SPDX-License-Identifier: MIT */
/* P49, fixed: a stack for that depth, with some to spare. */
#include <pthread.h>
#include <string.h>

#include "demos/pitfalls/pitfall.h"

enum { STACK = 16 * 1024 * 1024, DEPTH = 2000, PATH_SIZE = 1024 };

static __attribute__((noinline)) void enter(char *path)
{
    memset(path, '/', PATH_SIZE);
}

/* Goes down a tree of directories. */
static __attribute__((noinline)) int walk(int depth)
{
    char path[PATH_SIZE];
    enter(path);
    return depth == 0 ? 0 : walk(depth - 1) + (path[0] == '/');
}

static void *worker(void *arg)
{
    *(int *)arg = walk(DEPTH);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    int levels = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    pthread_create(&thread, &attr, worker, &levels);
    pthread_attr_destroy(&attr);
    pthread_join(thread, NULL);
    return verdict(levels == DEPTH, "%d levels", levels);
}
