/* test_clock.c - the clocks run forwards and agree about the unit */
#include "stories.h"

#include <time.h>

#include "clock.h"

static void
test_monotonic(void **state)
{
    uint64_t last_us = clock_now_us();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t now_us = clock_now_us();

        assert_true(now_us >= last_us);
        last_us = now_us;
    }
}

static void
test_units_agree(void **state)
{
    uint64_t before_us = clock_now_us();
    uint64_t ms = clock_now_ms();
    uint64_t after_us = clock_now_us();

    (void)state;
    assert_in_range(ms, before_us / 1000, after_us / 1000);
}

static void
test_wall_clock(void **state)
{
    uint64_t before = (uint64_t)time(NULL);
    uint64_t ms = clock_unix_ms();

    (void)state;
    /* time() may lag a tick behind the clock that counts milliseconds. */
    assert_in_range(ms / 1000, before, (uint64_t)time(NULL) + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_units_agree),
        cmocka_unit_test(test_wall_clock),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
