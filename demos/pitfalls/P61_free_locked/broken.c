/* SPDX-License-Identifier: MIT */
/*
 * P61: Memory is freed with a locked mutex in it
 *
 * @family classic
 * @kind lifetime
 * @weakness CERT CON31-C, CWE-416
 * @rule An object with a lock in it is freed by its last user, and after its lock is given
 *     back and destroyed. Freeing is not destroying: a tool that counts locks is left with
 *     one that exists no more.
 * @detect drd:destroy-locked helgrind:exit-holding-lock?
 */
#include <pthread.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct account {
    pthread_mutex_t mutex;
    int balance;
};

static int close_account(struct account *account)
{
    /* place 1: locked, to read the last balance */
    pthread_mutex_lock(&account->mutex);
    int last = account->balance;
    /* place 2: freed, with the lock in it */
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
