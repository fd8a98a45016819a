/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/timer_queue.h"

/* A task that waits in disarm for the callback under way to return. */
struct stopper {
    struct conc_task *task;
    struct stopper *next;
};

static struct {
    struct conc_lock lock; /* guards all below */
    enum { NO_SERVICE, STARTING, RUNNING } state;
    struct conc_task *service;
    bool asleep;   /* the service is parked or about to be; whoever clears it unparks it */
    bool stopping; /* the service is to end */
    struct conc_timer_entry **heap;
    size_t len;
    size_t room;
    struct conc_timer_entry *firing; /* its callback is being called */
    struct stopper *stoppers;
} queue = {.lock = CONC_LOCK_INIT};

/* --- the heap: queue.heap[0] is the earliest; entry->place is its index + 1 ----------------------
 */

static void put(size_t i, struct conc_timer_entry *entry)
{
    queue.heap[i] = entry;
    entry->place = i + 1;
}

static void sift_up(size_t i)
{
    struct conc_timer_entry *entry = queue.heap[i];
    for (; i > 0 && queue.heap[(i - 1) / 2]->when_ns > entry->when_ns; i = (i - 1) / 2)
        put(i, queue.heap[(i - 1) / 2]);
    put(i, entry);
}

static void sift_down(size_t i)
{
    struct conc_timer_entry *entry = queue.heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= queue.len)
            break;
        if (child + 1 < queue.len && queue.heap[child + 1]->when_ns < queue.heap[child]->when_ns)
            child++;
        if (queue.heap[child]->when_ns >= entry->when_ns)
            break;
        put(i, queue.heap[child]);
        i = child;
    }
    put(i, entry);
}

static void remove_at(size_t i)
{
    queue.heap[i]->place = 0;
    struct conc_timer_entry *moved = queue.heap[--queue.len];
    if (i < queue.len) {
        put(i, moved);
        sift_up(i);
        sift_down(moved->place - 1);
    }
}

/* --- the service --------------------------------------------------------------------------------
 */

/* Clears `asleep` and says whether the caller, once it has released the lock, must unpark. */
static bool claim_service(void)
{
    bool was = queue.asleep;
    queue.asleep = false;
    return was;
}

static void service_sleep(int64_t deadline_ns)
{
    static const struct conc_wait_info info = {"for the next timer", NULL, NULL};
    queue.asleep = true;
    int rc = conc_park(&queue.lock, deadline_ns, &info);
    conc_lock_acquire(&queue.lock);
    if (rc == ETIMEDOUT && !claim_service()) {
        conc_lock_release(&queue.lock);
        conc_park(NULL, CONC_FOREVER, &info); /* somebody has claimed us: take the token */
        conc_lock_acquire(&queue.lock);
    }
}

static void fire_earliest(int64_t now_ns)
{
    struct conc_timer_entry *entry = queue.heap[0];
    void (*fire)(void *) = entry->fire;
    void *arg = entry->arg;
    if (entry->period_ns > 0) {
        int64_t missed = (now_ns - entry->when_ns) / entry->period_ns;
        entry->when_ns = conc_time_add(entry->when_ns, (missed + 1) * entry->period_ns);
        sift_down(0);
    } else {
        remove_at(0);
    }
    queue.firing = entry;
    conc_lock_release(&queue.lock);
    fire(arg);    /* the entry may be gone afterwards */
    conc_yield(); /* callbacks without end must not keep the others from running */
    conc_lock_acquire(&queue.lock);
    queue.firing = NULL;
    struct stopper *stoppers = queue.stoppers;
    queue.stoppers = NULL;
    if (stoppers) {
        conc_lock_release(&queue.lock);
        while (stoppers) {
            struct stopper *next = stoppers->next; /* gone once its task runs */
            conc_unpark(stoppers->task);
            stoppers = next;
        }
        conc_lock_acquire(&queue.lock);
    }
}

static void serve(void *unused)
{
    (void)unused;
    conc_lock_acquire(&queue.lock);
    while (!queue.stopping) {
        int64_t now_ns = conc_now_ns();
        if (queue.len == 0)
            service_sleep(CONC_FOREVER);
        else if (queue.heap[0]->when_ns > now_ns)
            service_sleep(queue.heap[0]->when_ns);
        else
            fire_earliest(now_ns);
    }
    conc_lock_release(&queue.lock);
}

/* Makes sure that the service runs. Called and returns with the lock held, released in between. */
static int start_service(void)
{
    while (queue.state == STARTING) {
        conc_lock_release(&queue.lock);
        conc_yield();
        conc_lock_acquire(&queue.lock);
    }
    if (queue.state == RUNNING)
        return 0;
    queue.state = STARTING;
    conc_lock_release(&queue.lock);
    struct conc_task *service;
    int rc = conc_task_start_service(&service, serve, NULL, CONC_HERE);
    conc_lock_acquire(&queue.lock);
    queue.state = rc == 0 ? RUNNING : NO_SERVICE;
    if (rc == 0)
        queue.service = service;
    return rc;
}

/* Makes room for one entry more. Called and returns with the lock held, released in between. */
static int make_room(void)
{
    while (queue.len == queue.room) {
        size_t room = queue.room ? 2 * queue.room : 16;
        conc_lock_release(&queue.lock);
        struct conc_timer_entry **heap = conc_malloc(room * sizeof *heap);
        conc_lock_acquire(&queue.lock);
        if (!heap)
            return ENOMEM;
        struct conc_timer_entry **surplus = heap; /* somebody else may have been faster */
        if (room > queue.room) {
            for (size_t i = 0; i < queue.len; i++)
                heap[i] = queue.heap[i];
            surplus = queue.heap;
            queue.heap = heap;
            queue.room = room;
        }
        conc_lock_release(&queue.lock);
        conc_free(surplus);
        conc_lock_acquire(&queue.lock);
    }
    return 0;
}

int conc_timer_arm(struct conc_timer_entry *entry, int64_t when_ns, int64_t period_ns,
    void (*fire)(void *), void *arg)
{
    conc_lock_acquire(&queue.lock);
    int rc = start_service();
    if (rc == 0)
        rc = make_room();
    struct conc_task *wake = NULL;
    if (rc == 0) {
        if (entry->place != 0) /* another task was faster: the last one counts */
            remove_at(entry->place - 1);
        entry->when_ns = when_ns;
        entry->period_ns = period_ns;
        entry->fire = fire;
        entry->arg = arg;
        queue.heap[queue.len++] = entry;
        sift_up(queue.len - 1);
        if (entry->place == 1 && claim_service())
            wake = queue.service;
    }
    conc_lock_release(&queue.lock);
    if (wake)
        conc_unpark(wake);
    return rc;
}

bool conc_timer_disarm(struct conc_timer_entry *entry)
{
    struct conc_task *self = conc_task_self();
    conc_lock_acquire(&queue.lock);
    bool armed = entry->place != 0;
    if (armed)
        remove_at(entry->place - 1);
    if (queue.firing == entry && self != queue.service) {
        struct conc_wait_info info = {"for the callback of timer", entry, CONC_HERE};
        struct stopper stopper = {self, queue.stoppers};
        queue.stoppers = &stopper;
        conc_park(&queue.lock, CONC_FOREVER, &info);
    } else {
        conc_lock_release(&queue.lock);
    }
    return armed;
}

void conc_timer_queue_stop(void)
{
    conc_lock_acquire(&queue.lock);
    struct conc_task *service = queue.state == RUNNING ? queue.service : NULL;
    queue.stopping = true;
    bool wake = service && claim_service();
    conc_lock_release(&queue.lock);
    if (wake)
        conc_unpark(service);
    conc_task_join(service);
    while (queue.len > 0)
        queue.heap[--queue.len]->place = 0; /* its owner may still disarm it */
    conc_free(queue.heap);
    queue.heap = NULL;
    queue.room = 0;
    queue.state = NO_SERVICE;
    queue.stopping = false;
}
