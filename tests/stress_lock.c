/* SPDX-License-Identifier: MIT */
/* ctest: labels stress; timeout 120 */

/*
 * The bias of the internal lock: a worker that is alone takes it by ordinary stores, until another
 * worker or a thread that is none comes between. Whoever is inside is so by himself: nothing that
 * is counted inside is lost.
 */

#include <pthread.h>
#include <sched.h>

#include "runtime/lock.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { TASKS = 4, WORKERS = 8 };

static struct shared {
    struct conc_lock lock;
    struct conc_mutex mutex; /* the same with a lock in it */
    bool by_mutex;
    long count; /* under lock, as the next: the same at any time */
    long again;
    atomic_long wrong;
    atomic_long entered;
    atomic_bool over;
    _Atomic(struct conc_lock_bias *) seen[WORKERS]; /* of the workers that have run a task */
} s;

static long enter(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        if (s.by_mutex)
            conc_mutex_lock(&s.mutex, NULL);
        else if (!conc_lock_acquire_quick(&s.lock))
            conc_lock_acquire(&s.lock);
        if (s.count != s.again)
            atomic_fetch_add(&s.wrong, 1);
        s.count++;
        __asm__ volatile("" ::: "memory");
        s.again++;
        if (s.by_mutex)
            conc_mutex_unlock(&s.mutex);
        else
            conc_lock_release(&s.lock);
    }
    return times;
}

/* Lets any worker be alone that may be. */
static void grant(void)
{
    for (int i = 0; i < WORKERS; i++)
        if (atomic_load(&s.seen[i]))
            conc_lock_bias_grant(atomic_load(&s.seen[i]));
}

/* Says which worker it is on. */
static void see(void)
{
    struct conc_lock_bias *bias = conc_lock_bias_get();
    for (int i = 0; bias && i < WORKERS; i++) {
        struct conc_lock_bias *nobody = NULL;
        if (atomic_compare_exchange_strong(&s.seen[i], &nobody, bias) || nobody == bias)
            break;
    }
}

/* Short stays and long ones; now and then it sleeps, so that workers do. */
static void come_and_go(void *arg)
{
    long mine = 0;
    uint64_t random = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&s.over)) {
        see();
        mine += enter((int64_t)(conc_splitmix64(&random) % 200));
        if (conc_splitmix64(&random) % 64 == 0)
            conc_sleep(CONC_US(200), NULL);
        else
            conc_yield();
    }
    atomic_fetch_add(&s.entered, mine);
}

/* So long that the others go to another worker. */
static void stay(void *arg)
{
    long mine = 0;
    (void)arg;
    while (!atomic_load(&s.over)) {
        see();
        grant();
        mine += enter(50);
        if (mine % 20000 == 0)
            conc_yield();
    }
    atomic_fetch_add(&s.entered, mine);
}

/* Lets a worker be alone, and is soon inside itself: some hundred thousand times a second, at
 * whatever the worker does just then. */
static void *outsider(void *arg)
{
    long mine = 0;
    uint64_t random = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&s.over)) {
        grant();
        for (uint64_t n = conc_splitmix64(&random) % 200; n > 0; n--)
            __asm__ volatile("" ::: "memory");
        mine += enter(1);
        if (conc_splitmix64(&random) % 1000 == 0)
            sched_yield();
    }
    atomic_fetch_add(&s.entered, mine);
    return NULL;
}

static void run(void (*task)(void *arg), bool with_outsider)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    pthread_t thread;
    conc_lock_init(&s.lock);
    conc_mutex_init(&s.mutex);
    for (intptr_t i = 0; i < TASKS; i++)
        unit_ok(conc_wait_group_go(&tasks, task, (void *)i));
    if (with_outsider)
        ck_assert_int_eq(pthread_create(&thread, NULL, outsider, NULL), 0);
    unit_ok(conc_sleep(CONC_MS(1500), NULL));
    atomic_store(&s.over, true);
    if (with_outsider)
        pthread_join(thread, NULL);
    unit_ok(conc_wait_group_wait(&tasks, NULL));
    conc_wait_group_destroy(&tasks);
    ck_assert_int_eq(atomic_load(&s.wrong), 0);
    ck_assert_int_eq(s.count, s.again);
    ck_assert_int_eq(s.count, atomic_load(&s.entered));
    conc_lock_destroy(&s.lock);
}

START_TEST(an_outsider_comes)
{
    if (!unit_on_sim()) /* whose tasks never meet a thread */
        run(come_and_go, true);
}
END_TEST

START_TEST(an_outsider_takes_a_mutex)
{
    s.by_mutex = true;
    if (!unit_on_sim())
        run(come_and_go, true);
}
END_TEST

START_TEST(a_worker_comes)
{
    if (!unit_on_sim()) /* where nobody else runs while one stays */
        run(stay, false);
}
END_TEST

#if CONC_LOCK_BIASED
static struct conc_lock_bias worker;
static atomic_bool is_inside;

static void *come_in(void *arg)
{
    conc_lock_acquire_outside(&s.lock);
    atomic_store(&is_inside, true);
    conc_lock_release(&s.lock);
    return arg;
}
#endif

/* By hand, without an engine: a worker that is just entering is waited for. */
START_TEST(who_enters_is_waited_for)
{
#if CONC_LOCK_BIASED
    pthread_t thread;
    conc_lock_init(&s.lock);
    atomic_store(&conc_lock_biased, true);
    conc_lock_bias_busy(&worker);
    ck_assert(atomic_load(&worker.alone));
    ck_assert(conc_lock_try_alone(&worker, &s.lock));
    conc_lock_release(&s.lock);
    atomic_store(&worker.entering, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, come_in, NULL), 0);
    while (atomic_load(&worker.alone))
        sched_yield();
    for (int i = 0; i < 1000; i++)
        sched_yield();
    ck_assert(!atomic_load(&is_inside));
    atomic_store(&worker.entering, false);
    pthread_join(thread, NULL);
    ck_assert(atomic_load(&is_inside));
    ck_assert(!conc_lock_try_alone(&worker, &s.lock));
    conc_lock_bias_grant(&worker);
    ck_assert(conc_lock_try_alone(&worker, &s.lock));
    ck_assert(!conc_lock_try_alone(&worker, &s.lock)); /* held */
    conc_lock_release(&s.lock);
    conc_lock_bias_idle(&worker);
    ck_assert(!conc_lock_try_alone(&worker, &s.lock));
#endif
}
END_TEST

/* By hand, too: of two workers that are busy neither is alone, whoever lets it be so. */
START_TEST(never_beside_another)
{
#if CONC_LOCK_BIASED
    static struct conc_lock_bias second;
    atomic_store(&conc_lock_biased, true);
    conc_lock_bias_busy(&worker);
    ck_assert(atomic_load(&worker.alone));
    conc_lock_bias_busy(&second);
    ck_assert(!atomic_load(&worker.alone));
    ck_assert(!atomic_load(&second.alone));
    conc_lock_bias_grant(&worker);
    conc_lock_bias_grant(&second);
    ck_assert(!atomic_load(&worker.alone));
    ck_assert(!atomic_load(&second.alone));
    conc_lock_bias_idle(&worker);
    ck_assert(!atomic_load(&second.alone)); /* it is asked for, not left over */
    conc_lock_bias_grant(&second);
    ck_assert(atomic_load(&second.alone));
    conc_lock_bias_idle(&second);
    ck_assert(!atomic_load(&second.alone));
#endif
}
END_TEST

int main(void)
{
    return unit_main("lock", an_outsider_comes, an_outsider_takes_a_mutex, a_worker_comes,
        who_enters_is_waited_for, never_beside_another);
}
