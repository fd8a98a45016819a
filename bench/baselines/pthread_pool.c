/* SPDX-License-Identifier: MIT */
#include "bench/baselines/pthread_pool.h"

struct task {
    void (*fn)(void *);
    void *arg;
};

static void *work(void *arg)
{
    struct textbook_pool *pool = arg;
    struct task task;
    while (textbook_queue_pop(&pool->tasks, &task) == 0)
        task.fn(task.arg);
    return NULL;
}

int textbook_pool_start(struct textbook_pool *pool, size_t workers, size_t capacity)
{
    int rc = textbook_queue_init(&pool->tasks, sizeof(struct task), capacity);
    if (rc != 0)
        return rc;
    rc = textbook_team_start(&pool->workers, workers, work, pool);
    if (rc != 0)
        textbook_pool_stop(pool);
    return rc;
}

int textbook_pool_submit(struct textbook_pool *pool, void (*fn)(void *), void *arg)
{
    struct task task = {.fn = fn, .arg = arg};
    return textbook_queue_push(&pool->tasks, &task);
}

void textbook_pool_stop(struct textbook_pool *pool)
{
    textbook_queue_close(&pool->tasks);
    textbook_team_join(&pool->workers);
    textbook_queue_destroy(&pool->tasks);
}
