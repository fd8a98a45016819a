/* SPDX-License-Identifier: MIT */
/*
 * P35: Checked under the lock, done under the lock, and the lock let go in between
 *
 * @family classic
 * @kind logic
 * @weakness CWE-367, CWE-362
 * @rule What was true under a lock is true until the lock is let go, and no longer. Here each
 *     access is locked, so there is no data race and no tool complains; but two customers both see
 *     enough money before either takes it. The check and what depends on it belong into one
 *     critical section.
 * @detect native:wrong
 */
#include <pthread.h>
#include <stdbool.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int balance = 100;
static struct gate has_checked[2];

static bool has(int amount)
{
    pthread_mutex_lock(&mutex);
    bool enough = balance >= amount;
    pthread_mutex_unlock(&mutex);
    return enough;
}

static void take(int amount)
{
    pthread_mutex_lock(&mutex);
    balance -= amount;
    pthread_mutex_unlock(&mutex);
}

static void *customer(void *arg)
{
    int self = *(int *)arg;
    /* place 1: the lock is let go, and the answer is old */
    if (has(80)) {
        gate_open(&has_checked[self]);
        gate_wait(&has_checked[1 - self]);
        /* place 2: relies on it */
        take(80);
    }
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
