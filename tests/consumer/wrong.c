/* SPDX-License-Identifier: MIT */
/* A program outside the tree that is wrong in the way its argument says: conc tells its author as
 * it tells us. */
#include <conc/conc.h>

#include <string.h>

static struct conc_mutex a = CONC_MUTEX_INIT;
static struct conc_mutex b = CONC_MUTEX_INIT;
static struct conc_chan *ch;

static void receiver(void *arg)
{
    (void)arg;
    conc_chan_recv(ch, NULL, NULL);
}

static void lock_both(struct conc_mutex *first, struct conc_mutex *second)
{
    conc_mutex_lock(first, NULL);
    conc_mutex_lock(second, NULL);
    conc_mutex_unlock(second);
    conc_mutex_unlock(first);
}

int main(int argc, char **argv)
{
    struct conc_task *task;
    const char *how = argc > 1 ? argv[1] : "";
    if (conc_chan_create(&ch, 0, 0, NULL) != 0)
        return 2;
    if (strcmp(how, "deadlock") == 0)
        conc_chan_recv(ch, NULL, NULL);
    if (strcmp(how, "leak") == 0 && conc_task_start(&task, receiver, NULL) == 0)
        return 0;
    if (strcmp(how, "lock-order") == 0) {
        lock_both(&a, &b);
        lock_both(&b, &a);
    }
    conc_chan_destroy(ch);
    return 0;
}
