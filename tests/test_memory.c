/* SPDX-License-Identifier: MIT */
/* ctest: labels unit fault; timeout 60 */

#include "tests/unit.h"

static bool hooks(void)
{
    return conc_fault_alloc_at(0) >= 0;
}

START_TEST(allocates)
{
    char *bytes = conc_malloc(100);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 7, 100);
    bytes = conc_realloc(bytes, 1000);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(bytes[i], 7);
    conc_free(bytes);
    char *zeros = conc_calloc(10, 10);
    ck_assert_ptr_nonnull(zeros);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(zeros[i], 0);
    conc_free(zeros);
    conc_free(NULL);
}
END_TEST

START_TEST(the_kth_allocation_fails_once)
{
    if (!hooks())
        return;
    for (long k = 1; k <= 6; k++) {
        ck_assert_int_eq(conc_fault_alloc_at(k), 0);
        for (long i = 1; i <= 8; i++) {
            void *memory = i % 3 == 0   ? conc_malloc(8)
                           : i % 3 == 1 ? conc_calloc(1, 8)
                                        : conc_realloc(NULL, 8);
            ck_assert_msg((memory == NULL) == (i == k), "k is %ld, allocation %ld", k, i);
            conc_free(memory);
        }
        ck_assert_int_eq(conc_fault_alloc_at(0), 0); /* it has happened */
    }
}
END_TEST

/* A realloc that fails leaves the old memory as it was. */
START_TEST(realloc_that_fails)
{
    if (!hooks())
        return;
    char *bytes = conc_malloc(4);
    memcpy(bytes, "abc", 4);
    conc_fault_alloc_at(1);
    ck_assert_ptr_null(conc_realloc(bytes, 4000));
    ck_assert_str_eq(bytes, "abc");
    conc_free(bytes);
}
END_TEST

START_TEST(says_how_many_were_to_come)
{
    if (!hooks())
        return;
    conc_fault_alloc_at(5);
    conc_free(conc_malloc(1));
    conc_free(conc_malloc(1));
    ck_assert_int_eq(conc_fault_alloc_at(0), 3);
    ck_assert_int_eq(conc_fault_alloc_at(0), 0);
    for (int i = 0; i < 10; i++) { /* disarmed */
        void *memory = conc_malloc(1);
        ck_assert_ptr_nonnull(memory);
        conc_free(memory);
    }
    conc_fault_start_at(2);
    ck_assert_int_eq(conc_fault_start_at(0), 2);
    conc_fault_alloc_at(-3); /* nothing */
    ck_assert_int_eq(conc_fault_alloc_at(0), 0);
}
END_TEST

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(the_kth_start_fails_once)
{
    if (!hooks())
        return;
    for (long k = 1; k <= 4; k++) {
        atomic_int ran = 0;
        ck_assert_int_eq(conc_fault_start_at(k), 0);
        for (long i = 1; i <= 5; i++) {
            struct conc_task *task = NULL;
            unit_rc(conc_task_start(&task, count_up, &ran), i == k ? EAGAIN : 0);
            conc_task_join(task);
        }
        ck_assert_int_eq(ran, 4);
        ck_assert_int_eq(conc_fault_start_at(0), 0);
    }
}
END_TEST

static void allocate_some(void *arg)
{
    for (int i = 0; i < 100; i++) {
        void *memory = conc_malloc(1);
        if (!memory)
            atomic_fetch_add((atomic_int *)arg, 1);
        conc_free(memory);
    }
}

/* One failure, whoever meets it. */
START_TEST(fails_once_among_tasks)
{
    if (!hooks())
        return;
    for (int round = 0; round < 20; round++) {
        struct conc_task *tasks[4];
        atomic_int failed = 0;
        for (int i = 0; i < 4; i++)
            unit_ok(conc_task_start(&tasks[i], allocate_some, &failed));
        conc_fault_alloc_at(5); /* some may have ended before: then it is met later, or never */
        for (int i = 0; i < 4; i++)
            conc_task_join(tasks[i]);
        ck_assert_int_le(failed, 1);
        ck_assert_int_eq(failed, conc_fault_alloc_at(0) == 0);
    }
}
END_TEST

/* Built without hooks they say so, and nothing fails. */
START_TEST(without_hooks)
{
    if (hooks())
        return;
    ck_assert_int_eq(conc_fault_alloc_at(1), -1);
    ck_assert_int_eq(conc_fault_start_at(1), -1);
    void *memory = conc_malloc(1);
    ck_assert_ptr_nonnull(memory);
    conc_free(memory);
}
END_TEST

int main(void)
{
    return unit_main("memory", allocates, the_kth_allocation_fails_once, realloc_that_fails,
        says_how_many_were_to_come, the_kth_start_fails_once, fails_once_among_tasks,
        without_hooks);
}
