/* SPDX-License-Identifier: MIT */
/*
 * P54: A thread locks a mutex that it holds
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-764, CWE-833
 * @rule A plain mutex does not know that its owner asks again: it waits, for itself. A
 *     function that locks does not call another that locks the same; one of the two takes
 *     the lock, and the other says in its name or comment that it is held.
 * @detect native:hang drd:relock helgrind:exit-holding-lock?
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int balance = 10;

static int read_balance(void)
{
    /* place 1: asks for what its caller holds */
    pthread_mutex_lock(&mutex);
    int seen = balance;
    pthread_mutex_unlock(&mutex);
    return seen;
}

static void withdraw(int amount)
{
    pthread_mutex_lock(&mutex);
    /* place 2: calls it with the lock held */
    if (read_balance() >= amount)
        balance -= amount;
    pthread_mutex_unlock(&mutex);
}

int main(void)
{
    withdraw(3);
    return verdict(balance == 7, "the balance is %d", balance);
}
