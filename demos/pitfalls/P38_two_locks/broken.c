/* SPDX-License-Identifier: MIT */
/*
 * P38: Each has a lock, and each another one
 *
 * @family classic
 * @kind race
 * @weakness CWE-821
 * @rule A lock guards against those who take the same lock. Each teller's mutex guards that
 *     teller's own fields; what all of them share needs one of its own. Beside each datum stands
 *     which lock guards it, and that is one lock.
 * @detect native:wrong helgrind:race drd:race tsan:race
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

struct teller {
    pthread_mutex_t mutex;
    int sold;
};

static struct teller tellers[2] = {{PTHREAD_MUTEX_INITIALIZER, 0}, {PTHREAD_MUTEX_INITIALIZER, 0}};
static int total;
static struct gate has_read;
static struct gate has_written;

static void *first(void *arg)
{
    struct teller *self = &tellers[0];
    pthread_mutex_lock(&self->mutex);
    self->sold++;
    /* place 1: the total of all, under the lock of one */
    int seen = total;
    gate_open(&has_read);
    gate_wait(&has_written);
    total = seen + 1;
    pthread_mutex_unlock(&self->mutex);
    return arg;
}

static void *second(void *arg)
{
    struct teller *self = &tellers[1];
    gate_wait(&has_read);
    pthread_mutex_lock(&self->mutex);
    self->sold++;
    /* place 2: the same total, under the lock of another */
    total++;
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
