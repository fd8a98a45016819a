/* SPDX-License-Identifier: MIT */
/*
 * P46: A thread that is neither joined nor detached
 *
 * @family classic
 * @kind leak
 * @weakness CWE-772
 * @rule A thread that has ended keeps its stack and its result until somebody joins it. In a
 *     program that runs for months and starts one for each request, that is all of its memory one
 *     day. Each thread is joined by somebody, or detached.
 * @detect memcheck:possibly-lost tsan:thread-leak
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static void *request(void *arg)
{
    return arg;
}

int main(void)
{
    pthread_t thread;
    /* place 1: started */
    int error = pthread_create(&thread, NULL, request, NULL);
    wait_until_others_sleep();
    /* place 2: and nobody asks what has become of it */
    return verdict(error == 0, "the request was served");
}
