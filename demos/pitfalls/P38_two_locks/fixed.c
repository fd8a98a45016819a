/* SPDX-License-Identifier: MIT */
/* P38, fixed: the total has a lock of its own. Nobody waits for a gate with it held, for the other
 * could not come to open it. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

struct teller {
    pthread_mutex_t mutex;
    int sold;
};

static struct teller tellers[2] = {{PTHREAD_MUTEX_INITIALIZER, 0}, {PTHREAD_MUTEX_INITIALIZER, 0}};
static pthread_mutex_t total_mutex = PTHREAD_MUTEX_INITIALIZER;
static int total;
static struct gate has_read;
static struct gate has_written;

static void *first(void *arg)
{
    struct teller *self = &tellers[0];
    pthread_mutex_lock(&self->mutex);
    self->sold++;
    pthread_mutex_lock(&total_mutex);
    int seen = total;
    gate_open(&has_read);
    total = seen + 1;
    pthread_mutex_unlock(&total_mutex);
    gate_wait(&has_written);
    pthread_mutex_unlock(&self->mutex);
    return arg;
}

static void *second(void *arg)
{
    struct teller *self = &tellers[1];
    gate_wait(&has_read);
    pthread_mutex_lock(&self->mutex);
    self->sold++;
    pthread_mutex_lock(&total_mutex);
    total++;
    pthread_mutex_unlock(&total_mutex);
    pthread_mutex_unlock(&self->mutex);
    gate_open(&has_written);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, first, NULL);
    pthread_create(&threads[1], NULL, second, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(total == 2, "two have sold one each, together %d", total);
}
