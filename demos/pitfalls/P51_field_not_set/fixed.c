/* SPDX-License-Identifier: MIT */
/* P51, fixed: the whole struct is set; what is not named is zero. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct letter {
    char text[24];
    int urgent;
};

static struct letter *box;
static sem_t sent;
static sem_t answered;

static void *receiver(void *arg)
{
    for (int i = 0; i < 2; i++) {
        sem_wait(&sent);
        if (box->urgent)
            ++*(int *)arg;
        sem_post(&answered);
    }
    return NULL;
}

static void send_letter(struct letter *letter)
{
    box = letter;
    sem_post(&sent);
    sem_wait(&answered);
    free(letter);
}

int main(void)
{
    pthread_t thread;
    int urgent = 0;
    sem_init(&sent, 0, 0);
    sem_init(&answered, 0, 0);
    pthread_create(&thread, NULL, receiver, &urgent);
    struct letter *letter = malloc(sizeof *letter);
    *letter = (struct letter){"the house is on fire", 1};
    send_letter(letter);
    letter = malloc(sizeof *letter);
    *letter = (struct letter){.text = ""};
    send_letter(letter);
    pthread_join(thread, NULL);
    return verdict(urgent == 1, "one of two letters was urgent, taken so: %d", urgent);
}
