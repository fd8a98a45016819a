/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/check.h"
#include "runtime/clock.h"
#include "sync/context.h"
#include "sync/mutex_internal.h"

/* A waiter that has waited this long is handed the mutex by unlock; a younger one is woken and
 * competes with the tasks that run. */
#define HANDOFF_NS CONC_MS(1)

/* What a waker leaves in the node. */
enum { COMPETE, YOURS };

void conc_mutex_init(struct conc_mutex *mutex)
{
    if (conc_check_on())
        conc_check_forget(mutex);
    *mutex = (struct conc_mutex){.owner = NULL};
    conc_lock_init(&mutex->lock);
}

void conc_mutex_destroy(struct conc_mutex *mutex)
{
    conc_lock_acquire(&mutex->lock);
    bool used = mutex->owner || conc_wait_queue_head(&mutex->waiters);
    conc_lock_release(&mutex->lock);
    if (used)
        conc_panic(CONC_HERE, "a mutex is destroyed that is held or waited for");
    if (conc_check_on())
        conc_check_forget(mutex);
    conc_lock_destroy(&mutex->lock);
}

int conc_mutex_try_lock_at(struct conc_mutex *mutex, const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    conc_lock_acquire(&mutex->lock);
    bool taken = !mutex->owner;
    if (taken)
        mutex->owner = self;
    conc_lock_release(&mutex->lock);
    if (taken && conc_check_on())
        conc_check_took(mutex, CONC_CHECK_MUTEX, site);
    return taken ? 0 : EAGAIN;
}

/* With the place where it was taken, if that is known. */
static _Noreturn void panic_held(
    struct conc_mutex *mutex, const struct conc_site *site, const char *message)
{
    char taken[200];
    conc_panic(site, "%s%s", message, conc_check_taken(mutex, taken, sizeof taken));
}

int conc_mutex_lock_held(
    struct conc_mutex *mutex, struct conc_context *ctx, const struct conc_site *site)
{
    struct conc_task *self = conc_self();
    struct conc_wait_info info = {"to lock mutex", mutex, site};
    int64_t since_ns = 0; /* of the first wait */
    bool woken = false;
    while (mutex->owner) {
        if (mutex->owner == self)
            panic_held(mutex, site, "a task locks a mutex that it holds");
        if (conc_check_on() && conc_check_waits(mutex, CONC_CHECK_MUTEX, !ctx, site)) {
            conc_lock_release(&mutex->lock);
            conc_check_deadlock();
        }
        struct conc_waiter shared;
        struct conc_waiter *waiter = ctx ? conc_waiter_init(&shared) : NULL;
        struct conc_wait_node node;
        if (!woken) {
            since_ns = conc_now_ns();
            conc_wait_queue_push(&mutex->waiters, &node, waiter, 0, &since_ns);
        } else {
            conc_wait_queue_push_front(&mutex->waiters, &node, waiter, 0, &since_ns);
        }
        int claimed = conc_wait(waiter, &mutex->lock, ctx, &info);
        if (claimed < 0) {
            conc_lock_acquire(&mutex->lock);
            conc_wait_queue_remove(&node);
            conc_lock_release(&mutex->lock);
            if (conc_check_on())
                conc_check_gave_up(mutex);
            return conc_wait_error(claimed, ctx);
        }
        if (node.result == YOURS)
            return 0;
        /* To compete. If we lose, the winner's unlock wakes us, at the front, again. */
        woken = true;
        conc_lock_acquire(&mutex->lock);
        mutex->waking = false;
    }
    mutex->owner = self;
    conc_lock_release(&mutex->lock);
    return 0;
}

int conc_mutex_lock_slow(
    struct conc_mutex *mutex, struct conc_context *ctx, const struct conc_site *site)
{
    conc_self(); /* the first call of a program sets up the runtime, and turns the checks on */
    if (conc_check_on())
        conc_check_asks(mutex, CONC_CHECK_MUTEX, site);
    conc_lock_acquire(&mutex->lock);
    int rc = conc_mutex_lock_held(mutex, ctx, site);
    if (rc == 0 && conc_check_on())
        conc_check_took(mutex, CONC_CHECK_MUTEX, site);
    return rc;
}

void conc_mutex_unlock_held(struct conc_mutex *mutex, const struct conc_site *site)
{
    if (!mutex->owner)
        conc_panic(site, "a task unlocks a mutex that is not locked");
    if (mutex->owner != conc_self())
        panic_held(mutex, site, "a task unlocks a mutex that another task holds");
    mutex->owner = NULL;
    /* While one is on its way to compete, waking another would only make two lose. */
    struct conc_wait_node *next = mutex->waking ? NULL : conc_wait_queue_claim(&mutex->waiters);
    if (next && conc_now_ns() - *(const int64_t *)next->data >= HANDOFF_NS) {
        next->result = YOURS;
        mutex->owner = next->task;
    } else if (next) {
        next->result = COMPETE;
        mutex->waking = true;
    }
    conc_lock_release(&mutex->lock);
    if (next)
        conc_wait_node_unpark(next);
}

bool conc_mutex_unlock_quick(struct conc_mutex *mutex)
{
    struct conc_task *self = conc_self();
    if (conc_check_on())
        conc_check_gives(mutex, CONC_CHECK_MUTEX);
    conc_lock_acquire(&mutex->lock);
    if (conc_mutex_give(mutex, self))
        return true;
    conc_lock_release(&mutex->lock);
    return false;
}

/* In the same two steps as where nobody looks on, so that sim tries those, too; and as others may
 * come between them, that is one choice more for it. */
void conc_mutex_unlock_slow(struct conc_mutex *mutex, const struct conc_site *site)
{
    if (conc_mutex_unlock_quick(mutex))
        return;
    conc_lock_acquire(&mutex->lock);
    conc_mutex_unlock_held(mutex, site);
}

bool conc_mutex_enter(struct conc_mutex *mutex)
{
    conc_self();
    if (conc_check_on())
        return false;
    conc_lock_acquire(&mutex->lock);
    if (!mutex->owner)
        return true;
    conc_lock_release(&mutex->lock);
    return false;
}
