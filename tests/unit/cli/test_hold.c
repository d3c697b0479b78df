/* test_hold.c - results that wait for their turn, within a budget */
#include <string.h>

#include "hold.h"
#include "stories.h"

static void
put(struct hold *hold, uint32_t index, const char *out)
{
    struct muster_result result = { .index = index, .count = 1, .worker = "w", .host = "h",
                                    .reason = "", .out = out, .out_bytes = strlen(out),
                                    .err = NULL };

    hold_put(hold, &result);
}

static void
test_kept_whole(void **state)
{
    struct hold  hold = { .bytes_max = 1 << 20 };
    char         text[] = "hello";
    struct held *held;

    (void)state;
    put(&hold, 7, text);
    text[0] = 'X';                       /* the caller's bytes are gone by then */
    held = hold_take(&hold, 7);
    assert_non_null(held);
    assert_false(held->noted);
    assert_string_equal(held->result.worker, "w");
    assert_int_equal(held->result.out_bytes, 5);
    assert_memory_equal(held->result.out, "hello", 5);
    assert_null(hold_take(&hold, 7));
    assert_int_equal(hold.bytes, 0);
    held_free(held);
    hold_free(&hold);
}

static void
test_over_budget(void **state)
{
    struct hold  hold = { .bytes_max = sizeof(struct held) + 10 };
    struct held *held;

    (void)state;
    put(&hold, 1, "0123456789");
    put(&hold, 2, "0123456789");
    held = hold_take(&hold, 2);
    assert_true(held->noted);
    assert_int_equal(held->index, 2);
    held_free(held);
    held = hold_take(&hold, 1);
    assert_false(held->noted);
    held_free(held);
    /* The place is free again. */
    put(&hold, 3, "0123456789");
    held = hold_take(&hold, 3);
    assert_false(held->noted);
    held_free(held);
    hold_free(&hold);
}

static void
test_cancelled_runs_are_kept(void **state)
{
    struct hold          hold = { .bytes_max = 0 };
    struct muster_result run = { .index = 5, .count = 1000, .worker = "", .host = "", .reason = "r",
                                 .outcome = MUSTER_OUTCOME_CANCELLED };
    struct held         *held;

    (void)state;
    hold_put(&hold, &run);
    held = hold_take(&hold, 5);
    assert_false(held->noted);
    assert_int_equal(held->count, 1000);
    assert_string_equal(held->result.reason, "r");
    held_free(held);
    hold_free(&hold);
}

static void
test_the_latest_counts(void **state)
{
    struct hold  hold = { .bytes_max = 1 << 20 };
    struct held *held;
    uint32_t    *indexes;
    size_t       count;

    (void)state;
    put(&hold, 9, "first try");
    put(&hold, 3, "x");
    put(&hold, 9, "second");
    indexes = hold_indexes(&hold, &count);
    assert_int_equal(count, 2);
    assert_int_equal(indexes[0], 3);
    assert_int_equal(indexes[1], 9);
    held = hold_take(&hold, 9);
    assert_int_equal(held->result.out_bytes, 6);
    held_free(held);
    free(indexes);
    hold_free(&hold);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        { "a result is kept whole", test_kept_whole, NULL, NULL, NULL },
        { "over the budget it is only noted", test_over_budget, NULL, NULL, NULL },
        { "a run of cancelled tasks is always kept", test_cancelled_runs_are_kept, NULL, NULL,
          NULL },
        { "the latest result of a task counts", test_the_latest_counts, NULL, NULL, NULL },
    };

    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
