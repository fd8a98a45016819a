/* SPDX-License-Identifier: MIT */
/* P35, fixed: checks and takes in one critical section. */
#include <pthread.h>
#include <stdbool.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int balance = 100;
static struct gate has_checked[2];

static bool take(int amount)
{
    pthread_mutex_lock(&mutex);
    bool enough = balance >= amount;
    if (enough)
        balance -= amount;
    pthread_mutex_unlock(&mutex);
    return enough;
}

static void *customer(void *arg)
{
    int self = *(int *)arg;
    take(80);
    gate_open(&has_checked[self]);
    gate_wait(&has_checked[1 - self]);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    int numbers[2] = {0, 1};
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, customer, &numbers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(balance >= 0, "the balance is %d", balance);
}
