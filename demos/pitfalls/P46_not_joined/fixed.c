/* SPDX-License-Identifier: MIT */
/* P46, fixed: joined. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static void *request(void *arg)
{
    return arg;
}

int main(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, request, NULL);
    wait_until_others_sleep();
    error |= pthread_join(thread, NULL);
    return verdict(error == 0, "the request was served");
}
