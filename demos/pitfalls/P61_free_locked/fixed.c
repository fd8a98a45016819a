/* SPDX-License-Identifier: MIT */
/* P61, fixed: given back, destroyed, freed. */
#include <pthread.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct account {
    pthread_mutex_t mutex;
    int balance;
};

static int close_account(struct account *account)
{
    pthread_mutex_lock(&account->mutex);
    int last = account->balance;
    pthread_mutex_unlock(&account->mutex);
    pthread_mutex_destroy(&account->mutex);
    free(account);
    return last;
}

int main(void)
{
    struct account *account = calloc(1, sizeof *account);
    pthread_mutex_init(&account->mutex, NULL);
    account->balance = 7;
    int last = close_account(account);
    return verdict(last == 7, "the last balance is %d", last);
}
