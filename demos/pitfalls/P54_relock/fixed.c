/* SPDX-License-Identifier: MIT */
/* P54, fixed: one of the two takes the lock. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int balance = 10;

static void withdraw(int amount)
{
    pthread_mutex_lock(&mutex);
    if (balance >= amount)
        balance -= amount;
    pthread_mutex_unlock(&mutex);
}

int main(void)
{
    withdraw(3);
    return verdict(balance == 7, "the balance is %d", balance);
}
