/* SPDX-License-Identifier: MIT */
/*
 * P21: Looked up, not there, put in: two tasks visit one page, through a map that is safe
 *
 * @family own
 * @kind logic
 * @from Go 1.25.3 in practice, 6.1 "concurrent web crawler": visited.Get(url), then
 *     visited.Set(url, true)
 * @weakness CWE-367, CWE-362
 * @rule Two calls that are safe each are not one step together. Between the look and the entry
 *     another task may look, too, and both go on. There is no data race in it, so no race detector
 *     sees it. What is decided by a look is decided in one step with it.
 * @detect native:wrong
 * @explore 20
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "demos/pitfalls/pitfall.h"
#include "safe_map.h"
#include "sync/wait_group.h"

#define PAGE CONC_SAFE_MAP_STR("/index.html")

static struct conc_safe_map *visited;
static struct gate has_looked[2];
static atomic_int fetched;

static void visit(struct gate *mine, struct gate *other)
{
    /* place 1: asks whether somebody was here */
    bool seen = conc_safe_map_get(visited, PAGE, NULL) == 0;
    gate_open(mine);
    gate_wait_as_task(other);
    if (seen)
        return;
    /* place 2: and says so later */
    conc_safe_map_set(visited, PAGE, NULL);
    fetched++;
}

static void first(void *arg)
{
    (void)arg;
    visit(&has_looked[0], &has_looked[1]);
}

static void second(void *arg)
{
    (void)arg;
    visit(&has_looked[1], &has_looked[0]);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_safe_map_create(&visited, NULL);
    conc_wait_group_go(&tasks, first, NULL);
    conc_wait_group_go(&tasks, second, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_safe_map_destroy(visited);
    return verdict(fetched == 1, "the page was fetched %d times", fetched);
}
