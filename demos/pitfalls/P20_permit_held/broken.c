/* SPDX-License-Identifier: MIT */
/*
 * P20: A crawler keeps its permit while it waits for its children
 *
 * @family own
 * @kind deadlock
 * @from Go 1.25.3 in practice, 6.1 "concurrent web crawler": defer sem.Release(), and wg.Wait() for
 *     the children before it
 * @weakness CWE-833, CWE-667
 * @rule A permit is held while one works, not while one waits for others who need one. Here every
 *     page waits, with its permit, for the page below; when the pages stand deeper than there are
 *     permits, all the permits are with those who wait. A flat site never shows it.
 * @detect native:deadlock conc:deadlock memcheck:possibly-lost
 */
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
    /* place 1: the third page waits for a permit */
    conc_semaphore_acquire(&permits, 1, NULL);
    fetched++;
    if (depth < DEPTH)
        conc_wait_group_go(&children, crawl, (void *)(depth + 1));
    /* place 2: and the two above wait for it, each with a permit */
    conc_wait_group_wait(&children, NULL);
    conc_semaphore_release(&permits, 1);
    conc_wait_group_destroy(&children);
}

int main(void)
{
    conc_semaphore_init(&permits, PERMITS);
    crawl((void *)1);
    conc_semaphore_destroy(&permits);
    return verdict(fetched == DEPTH, "%d of %d pages fetched", fetched, DEPTH);
}
