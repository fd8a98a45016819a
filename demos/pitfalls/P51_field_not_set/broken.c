/* SPDX-License-Identifier: MIT */
/*
 * P51: A message goes out with a field that nobody has set
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-457, CWE-908, CERT EXP33-C
 * @rule malloc gives memory as it was left, often by the message before: a field that is not set
 *     has some value all the same. The sender sets the whole struct, by one compound literal,
 *     which makes what is not named zero. It shows in another thread, far from where it
 *     was left out.
 * @detect native:wrong memcheck:uninitialised
 */
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
        /* place 2: decides by a field that was never set */
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
    /* place 1: sets the text, and not whether it is urgent */
    letter->text[0] = '\0';
    send_letter(letter);
    pthread_join(thread, NULL);
    return verdict(urgent == 1, "one of two letters was urgent, taken so: %d", urgent);
}
