/* SPDX-License-Identifier: MIT */
/*
 * P49: A thread whose stack is too small for what it calls
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-674, CERT MEM05-C
 * @rule A thread has the stack that it was started with, and it does not grow as that of main does.
 *     Below it lies a page that cannot be touched, so that it crashes rather than writes into
 *     another's memory. A stack size is measured before it is set; big arrays belong on the heap,
 *     and the depth of a recursion has a limit.
 * @detect native:crash helgrind:crash drd:crash memcheck:crash,possibly-lost
 *     asan:stack-overflow
 */
#include <pthread.h>
#include <string.h>

#include "demos/pitfalls/pitfall.h"

enum { STACK = 256 * 1024, DEPTH = 2000, PATH_SIZE = 1024 };

static __attribute__((noinline)) void enter(char *path)
{
    memset(path, '/', PATH_SIZE);
}

/* Goes down a tree of directories. */
static __attribute__((noinline)) int walk(int depth)
{
    /* place 2: so much for each level */
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
    /* place 1: 256 KiB for all */
    pthread_attr_setstacksize(&attr, STACK);
    pthread_create(&thread, &attr, worker, &levels);
    pthread_attr_destroy(&attr);
    pthread_join(thread, NULL);
    return verdict(levels == DEPTH, "%d levels", levels);
}
