/* SPDX-License-Identifier: MIT */
/* P20, fixed: the permit goes back when the page is fetched, before the wait for what is below. */
#include <stdint.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/semaphore.h"
#include "sync/wait_group.h"

enum { PERMITS = 2, DEPTH = 3 };

static struct conc_semaphore permits;
static int fetched;

/* Each page has one link, to the page below it. */
static void crawl(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    struct conc_wait_group children = CONC_WAIT_GROUP_INIT;
    conc_semaphore_acquire(&permits, 1, NULL);
    fetched++;
    if (depth < DEPTH)
        conc_wait_group_go(&children, crawl, (void *)(depth + 1));
    conc_semaphore_release(&permits, 1);
    conc_wait_group_wait(&children, NULL);
    conc_wait_group_destroy(&children);
}

int main(void)
{
    conc_semaphore_init(&permits, PERMITS);
    crawl((void *)1);
    conc_semaphore_destroy(&permits);
    return verdict(fetched == DEPTH, "%d of %d pages fetched", fetched, DEPTH);
}
