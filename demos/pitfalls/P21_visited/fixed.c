/* SPDX-License-Identifier: MIT */
/* P21, fixed: one step asks and enters: of several tasks one stores, and the others learn that it
 * was there. */
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
    bool seen;
    conc_safe_map_load_or_store(visited, PAGE, NULL, NULL, &seen);
    gate_open(mine);
    gate_wait_as_task(other);
    if (seen)
        return;
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
