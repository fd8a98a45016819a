/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60; one engine */

#include "tests/unit.h"

START_TEST(saturates)
{
    const struct {
        int64_t a;
        int64_t b;
        int64_t sum;
    } rows[] = {
        {1, 2, 3},
        {-5, 3, -2},
        {0, 0, 0},
        {CONC_FOREVER, 0, CONC_FOREVER},
        {CONC_FOREVER, 1, CONC_FOREVER},
        {CONC_FOREVER, CONC_FOREVER, CONC_FOREVER},
        {CONC_FOREVER, -1, CONC_FOREVER - 1},
        {CONC_FOREVER, INT64_MIN, -1},
        {1, CONC_FOREVER, CONC_FOREVER},
        {CONC_FOREVER - 5, 5, CONC_FOREVER},
        {CONC_FOREVER - 5, 6, CONC_FOREVER},
        {INT64_MIN, -1, INT64_MIN},
        {-1, INT64_MIN, INT64_MIN},
        {INT64_MIN, INT64_MIN, INT64_MIN},
        {INT64_MIN, 1, INT64_MIN + 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(conc_time_add(rows[i].a, rows[i].b), rows[i].sum);
        ck_assert_int_eq(conc_time_add(rows[i].b, rows[i].a), rows[i].sum);
    }
}
END_TEST

START_TEST(units)
{
    ck_assert_int_eq(CONC_US(1), 1000);
    ck_assert_int_eq(CONC_MS(1), 1000 * CONC_US(1));
    ck_assert_int_eq(CONC_S(1), 1000 * CONC_MS(1));
    ck_assert_int_eq(CONC_S(9000000000), INT64_C(9000000000000000000)); /* no int on the way */
    ck_assert_int_eq(CONC_S(1 + 1), INT64_C(2000000000));
}
END_TEST

START_TEST(goes_forward)
{
    int64_t last = conc_now_ns();
    ck_assert_int_gt(last, 0);
    for (size_t i = 0; i < unit_scaled(100000); i++) {
        int64_t now = conc_now_ns();
        if (now < last)
            ck_abort_msg("%" PRId64 " after %" PRId64, now, last);
        last = now;
    }
    int64_t then = conc_now_ns();
    unit_wait_until(conc_now_ns() > then); /* it moves */
}
END_TEST

START_TEST(deadlines)
{
    int64_t before = conc_now_ns();
    int64_t deadline = conc_deadline_after(CONC_MS(5));
    int64_t after = conc_now_ns();
    ck_assert_int_ge(deadline, before + CONC_MS(5));
    ck_assert_int_le(deadline, after + CONC_MS(5));
    ck_assert_int_le(conc_deadline_after(0), conc_now_ns());
    ck_assert_int_lt(conc_deadline_after(-CONC_S(1)), before);
    ck_assert_int_lt(conc_deadline_after(INT64_MIN), 0);
    ck_assert_int_eq(conc_deadline_after(CONC_FOREVER), CONC_FOREVER);
    ck_assert_int_eq(conc_deadline_after(CONC_FOREVER - 1), CONC_FOREVER);
}
END_TEST

int main(void)
{
    return unit_main("clock", saturates, units, goes_forward, deadlines);
}
