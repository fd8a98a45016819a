/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include "tests/unit.h"

/* The reference values of SplitMix64 with state 0 and 1234567, as published with the algorithm. */
START_TEST(splitmix64)
{
    uint64_t state = 0;
    ck_assert_uint_eq(conc_splitmix64(&state), UINT64_C(0xE220A8397B1DCDAF));
    ck_assert_uint_eq(conc_splitmix64(&state), UINT64_C(0x6E789E6AA1B965F4));
    ck_assert_uint_eq(conc_splitmix64(&state), UINT64_C(0x06C45D188009454F));
    state = 1234567;
    ck_assert_uint_eq(conc_splitmix64(&state), UINT64_C(6457827717110365317));
    ck_assert_uint_eq(conc_splitmix64(&state), UINT64_C(3203168211198807973));
}
END_TEST

enum { DRAWS = 5 };

static void draw(void *arg)
{
    uint64_t *draws = arg;
    for (int i = 0; i < DRAWS; i++)
        draws[i] = conc_random_u64();
}

struct draws {
    uint64_t main[DRAWS];
    uint64_t first[DRAWS];
    uint64_t second[DRAWS];
};

static void draw_all(struct draws *draws, bool together)
{
    struct conc_task *a;
    struct conc_task *b;
    unit_ok(conc_task_start(&a, draw, draws->first));
    if (!together)
        conc_task_join(a);
    unit_ok(conc_task_start(&b, draw, draws->second));
    conc_task_join(b);
    if (together)
        conc_task_join(a);
    draw(draws->main);
}

struct seeded {
    uint64_t seed;
    bool together;
    bool by_environment;
};

static int print_draws(void *arg)
{
    struct seeded *s = arg;
    struct draws draws;
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, s->seed);
    if (s->by_environment)
        setenv("CONC_SEED", text, 1);
    else
        unsetenv("CONC_SEED");
    conc_task_self();
    if (!s->by_environment)
        conc_random_seed(s->seed);
    draw_all(&draws, s->together);
    const uint64_t *all = (const uint64_t *)&draws;
    for (size_t i = 0; i < sizeof draws / sizeof *all; i++)
        printf("%016" PRIx64 "\n", all[i]);
    return 0;
}

/* The same seed gives each task the same draws, whatever the other tasks do. */
START_TEST(seeds)
{
    struct unit_child first;
    struct unit_child again;
    unit_child_run(&first, print_draws, &(struct seeded){42, false, false}, NULL);
    ck_assert_int_eq(first.exit_code, 0);
    ck_assert_uint_eq(strlen(first.out), 17 * 3 * DRAWS);
    unit_child_run(&again, print_draws, &(struct seeded){42, true, false}, NULL);
    ck_assert_str_eq(first.out, again.out);
    unit_child_run(&again, print_draws, &(struct seeded){42, true, true}, NULL);
    ck_assert_str_eq(first.out, again.out);
    unit_child_run(&again, print_draws, &(struct seeded){43, false, false}, NULL);
    ck_assert_str_ne(first.out, again.out);
    /* No two numbers are alike: neither along a sequence nor between tasks and neighbouring seeds.
     */
    for (int i = 0; i < 3 * DRAWS; i++) {
        char line[18] = {0};
        memcpy(line, first.out + 17 * i, 17);
        ck_assert_ptr_eq(strstr(first.out, line), first.out + 17 * i);
        ck_assert_ptr_null(strstr(again.out, line));
    }
}
END_TEST

static int take_seed(void *text)
{
    setenv("CONC_SEED", text, 1);
    conc_task_self();
    return 0;
}

START_TEST(bad_seeds)
{
    static char *const texts[] = {"x", "-1", "+1", " 1", "7x", "18446744073709551616"};
    struct unit_child child;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        unit_child_run(&child, take_seed, texts[i], NULL);
        ck_assert_int_eq(child.exit_code, 2);
        ck_assert_ptr_nonnull(strstr(child.err, texts[i]));
    }
}
END_TEST

START_TEST(below)
{
    conc_random_seed(7);
    ck_assert_uint_eq(conc_random_below(0), 0);
    ck_assert_uint_eq(conc_random_below(1), 0);
    for (int i = 0; i < 1000; i++) {
        if (conc_random_below(3) >= 3 || conc_random_below(UINT64_MAX) == UINT64_MAX ||
            conc_random_below((UINT64_C(1) << 63) + 1) > UINT64_C(1) << 63)
            ck_abort_msg("out of bounds");
    }
}
END_TEST

/* Chi-square with a fixed seed: 10 cells, 9 degrees of freedom; 33.7 is exceeded once in 10 000. A
 * bound near 2/3 of the range is where a remainder without rejection would show. */
START_TEST(uniform)
{
    conc_random_seed(99);
    const uint64_t bounds[] = {10, UINT64_C(10) << 59, UINT64_C(12297829382473034410)};
    for (size_t b = 0; b < 3; b++) {
        double cells[10] = {0};
        double chi_square = 0;
        for (int i = 0; i < 20000; i++)
            cells[conc_random_below(bounds[b]) / (bounds[b] / 10) % 10]++;
        for (int i = 0; i < 10; i++)
            chi_square += (cells[i] - 2000) * (cells[i] - 2000) / 2000;
        ck_assert_msg(
            chi_square < 33.7, "bound %" PRIu64 ": chi-square %.1f", bounds[b], chi_square);
    }
}
END_TEST

int main(void)
{
    return unit_main("random", splitmix64, seeds, bad_seeds, below, uniform);
}
