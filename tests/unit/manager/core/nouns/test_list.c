/* test_list.c - a shared list does what Python's does, and survives
 *
 * Method: one request to a list, then its answer and what the list holds; the
 * same again after a restart from two checkpoints, and from the log.  What Python
 * gives was tried with Python 3.
 */
#include "data_nouns.h"

#include "list_cells.h"

struct list_case {
    const char *story, *before;
    unsigned    verb;
    int64_t     a, b;
    const char *value;
    muster_err  error;
    const char *answer;            /* words; #N: answer.a; "": nothing */
    const char *after;             /* NULL: as before */
};

#define OK    MUSTER_OK
#define RANGE MUSTER_ERR_RANGE
#define NONE  MUSTER_ERR_NO_KEY
static const struct list_case cases[] = {
    { "append adds at the end", "a b", VERB_LIST_APPEND, 0, 0, "x", OK, "", "a b x" },
    { "append to an empty list", "", VERB_LIST_APPEND, 0, 0, "x", OK, "", "x" },
    { "an empty item is an item", "a", VERB_LIST_APPEND, 0, 0, "", OK, "", "a ''" },
    { "extend adds all in order", "a", VERB_LIST_EXTEND, 0, 0, "x '' y", OK, "", "a x '' y" },
    { "extend by nothing", "a", VERB_LIST_EXTEND, 0, 0, "", OK, "", NULL },

    { "pop(-1) is the last", "a b c", VERB_LIST_POP, -1, 0, "", OK, "c", "a b" },
    { "pop(0) is the first", "a b c", VERB_LIST_POP, 0, 0, "", OK, "a", "b c" },
    { "pop(1) is in the middle", "a b c", VERB_LIST_POP, 1, 0, "", OK, "b", "a c" },
    { "pop(-3) of three is the first", "a b c", VERB_LIST_POP, -3, 0, "", OK, "a", "b c" },
    { "pop(-4) of three", "a b c", VERB_LIST_POP, -4, 0, "", RANGE, "", NULL },
    { "pop(3) of three", "a b c", VERB_LIST_POP, 3, 0, "", RANGE, "", NULL },
    { "pop of an empty list", "", VERB_LIST_POP, -1, 0, "", RANGE, "", NULL },
    { "pop of the lowest number", "a", VERB_LIST_POP, INT64_MIN, 0, "", RANGE, "", NULL },
    { "pop leaves an empty list", "a", VERB_LIST_POP, 0, 0, "", OK, "a", "" },

    { "insert(0) is before all", "a b", VERB_LIST_INSERT, 0, 0, "x", OK, "", "x a b" },
    { "insert(1)", "a b", VERB_LIST_INSERT, 1, 0, "x", OK, "", "a x b" },
    { "insert(-1) is before the last", "a b", VERB_LIST_INSERT, -1, 0, "x", OK, "", "a x b" },
    { "insert(99) is at the end", "a b", VERB_LIST_INSERT, 99, 0, "x", OK, "", "a b x" },
    { "insert(-99) is before all", "a b", VERB_LIST_INSERT, -99, 0, "x", OK, "", "x a b" },
    { "insert at the lowest number", "a", VERB_LIST_INSERT, INT64_MIN, 0, "x", OK, "", "x a" },

    { "get(1)", "a b c", VERB_LIST_GET, 1, 0, "", OK, "b", NULL },
    { "get(-1)", "a b c", VERB_LIST_GET, -1, 0, "", OK, "c", NULL },
    { "get(3) of three", "a b c", VERB_LIST_GET, 3, 0, "", RANGE, "", NULL },
    { "set(-1)", "a b c", VERB_LIST_SET, -1, 0, "x", OK, "", "a b x" },
    { "set(3) of three", "a b c", VERB_LIST_SET, 3, 0, "x", RANGE, "", NULL },
    { "del [-2]", "a b c", VERB_LIST_DELETE, -2, 0, "", OK, "", "a c" },
    { "del [3] of three", "a b c", VERB_LIST_DELETE, 3, 0, "", RANGE, "", NULL },

    { "[1:3]", "a b c d", VERB_LIST_SLICE, 1, 3, "", OK, "b c", NULL },
    { "[-3:-1]", "a b c d", VERB_LIST_SLICE, -3, -1, "", OK, "b c", NULL },
    { "[3:1] is empty", "a b c d", VERB_LIST_SLICE, 3, 1, "", OK, "", NULL },
    { "[-99:99] is all", "a b c d", VERB_LIST_SLICE, -99, 99, "", OK, "a b c d", NULL },
    { "[2:]", "a b c d", VERB_LIST_SLICE, 2, END, "", OK, "c d", NULL },

    { "[1:3] = three items", "a b c d", VERB_LIST_SET_SLICE, 1, 3, "x y z", OK, "",
      "a x y z d" },
    { "[3:1] = inserts at 3", "a b c d", VERB_LIST_SET_SLICE, 3, 1, "x", OK, "", "a b c x d" },
    { "[2:2] = inserts", "a b c d", VERB_LIST_SET_SLICE, 2, 2, "x y", OK, "", "a b x y c d" },
    { "[-2:99] = one item", "a b c d", VERB_LIST_SET_SLICE, -2, 99, "x", OK, "", "a b x" },
    { "[1:3] = nothing", "a b c d", VERB_LIST_SET_SLICE, 1, 3, "", OK, "", "a d" },
    { "[-99:-3] = two items", "a b c d", VERB_LIST_SET_SLICE, -99, -3, "x y", OK, "",
      "x y b c d" },
    { "[99:0] = appends", "a b c d", VERB_LIST_SET_SLICE, 99, 0, "x", OK, "", "a b c d x" },
    { "[0:2] = as many", "a b c d", VERB_LIST_SET_SLICE, 0, 2, "x y", OK, "", "x y c d" },

    { "del [1:-1]", "a b c d", VERB_LIST_DELETE_SLICE, 1, -1, "", OK, "", "a d" },
    { "del [3:1] does nothing", "a b c d", VERB_LIST_DELETE_SLICE, 3, 1, "", OK, "", NULL },
    { "del [-99:2]", "a b c d", VERB_LIST_DELETE_SLICE, -99, 2, "", OK, "", "c d" },

    { "remove takes the first that is equal", "a b c b", VERB_LIST_REMOVE, 0, 0, "b", OK, "#1",
      "a c b" },
    { "remove what is not there", "a b", VERB_LIST_REMOVE, 0, 0, "x", NONE, "", NULL },
    { "index is of the first", "a b c b", VERB_LIST_INDEX, 0, END, "b", OK, "#1", NULL },
    { "index from 2", "a b c b", VERB_LIST_INDEX, 2, END, "b", OK, "#3", NULL },
    { "index from -1", "a b c b", VERB_LIST_INDEX, -1, END, "b", OK, "#3", NULL },
    { "index in [2:3]", "a b c b", VERB_LIST_INDEX, 2, 3, "b", NONE, "", NULL },
    { "index in [-99:99]", "a b c b", VERB_LIST_INDEX, -99, 99, "b", OK, "#1", NULL },
    { "index in [3:1]", "a b c b", VERB_LIST_INDEX, 3, 1, "b", NONE, "", NULL },
    { "count", "a b c b", VERB_LIST_COUNT, 0, 0, "b", OK, "#2", NULL },
    { "count of what is not there", "a b", VERB_LIST_COUNT, 0, 0, "x", OK, "#0", NULL },

    { "len", "a b c", VERB_LIST_LEN, 0, 0, "", OK, "#3", NULL },
    { "len of an empty list", "", VERB_LIST_LEN, 0, 0, "", OK, "#0", NULL },
    { "reverse an odd number", "a b c", VERB_LIST_REVERSE, 0, 0, "", OK, "", "c b a" },
    { "reverse an even number", "a b c d", VERB_LIST_REVERSE, 0, 0, "", OK, "", "d c b a" },
    { "reverse an empty list", "", VERB_LIST_REVERSE, 0, 0, "", OK, "", NULL },
    { "clear", "a b c", VERB_LIST_CLEAR, 0, 0, "", OK, "", "" },
    { "clear an empty list", "", VERB_LIST_CLEAR, 0, 0, "", OK, "", NULL },

    { "sort by bytes", "b aa '' a ba", VERB_LIST_SORT, SORT_BYTES, 0, "", OK, "",
      "'' a aa b ba" },
    { "sort by bytes, descending", "b aa '' a ba", VERB_LIST_SORT, SORT_BYTES, 1, "", OK, "",
      "ba b aa a ''" },
    { "bytes are unsigned", "a \xff z", VERB_LIST_SORT, SORT_BYTES, 0, "", OK, "", "a z \xff" },
    { "sort decimals: exact, equals keep their order",
      "10 -2 1.50 1.5 007 -0 +0.0 .5 -2.5 1.25 99999999999999999999.1 99999999999999999999",
      VERB_LIST_SORT, SORT_DECIMALS, 0, "", OK, "",
      "-2.5 -2 -0 +0.0 .5 1.25 1.50 1.5 007 10 99999999999999999999 99999999999999999999.1" },
    { "sort decimals, descending: equals keep their order",
      "10 -2 1.50 1.5 007 -0 +0.0 .5 -2.5 1.25 99999999999999999999.1 99999999999999999999",
      VERB_LIST_SORT, SORT_DECIMALS, 1, "", OK, "",
      "99999999999999999999.1 99999999999999999999 10 007 1.50 1.5 1.25 .5 -0 +0.0 -2 -2.5" },
    { "a word is no decimal", "2 1 one", VERB_LIST_SORT, SORT_DECIMALS, 0, "", MUSTER_ERR_TYPE,
      "", NULL },
    { "a sign is no decimal", "2 -", VERB_LIST_SORT, SORT_DECIMALS, 0, "", MUSTER_ERR_TYPE, "",
      NULL },
    { "a point is no decimal", "2 .", VERB_LIST_SORT, SORT_DECIMALS, 0, "", MUSTER_ERR_TYPE, "",
      NULL },
    { "an exponent is refused", "2 1e5", VERB_LIST_SORT, SORT_DECIMALS, 0, "", MUSTER_ERR_TYPE,
      "", NULL },
    { "sort integers that have no 8 bytes", "abcdefgh abc", VERB_LIST_SORT, SORT_INTEGERS, 0, "",
      MUSTER_ERR_TYPE, "", NULL },
    { "sort doubles that have no 8 bytes", "abcdefghi", VERB_LIST_SORT, SORT_DOUBLES, 0, "",
      MUSTER_ERR_TYPE, "", NULL },
    { "no such order", "a", VERB_LIST_SORT, SORT_KINDS, 0, "", MUSTER_ERR_INVALID, "", NULL },
    { "a number that the verb does not use", "a", VERB_LIST_LEN, 1, 0, "", MUSTER_ERR_INVALID, "",
      NULL },
    { "a value that the verb does not use", "a", VERB_LIST_POP, 0, 0, "x", MUSTER_ERR_INVALID, "",
      NULL },
};

static void
expect_answer(struct data *data, const struct list_case *row, const struct msg_object_done *done)
{
    if (row->verb == VERB_LIST_SLICE) {
        assert_string_equal(data_words(data, done, (uint32_t)done->b, 1), row->answer);
    } else if (row->answer[0] == '#') {
        assert_int_equal(done->a, strtoull(row->answer + 1, NULL, 10));
    } else {
        assert_int_equal(done->a | done->b | done->c | done->d, 0);
        assert_true(slice_equals_text(done->value, row->answer));
    }
}

static void
one_request(void **state)
{
    const struct list_case *row = *state;
    struct data            *data = data_new();
    uint64_t                list = list_new(data, "list", row->before);
    const char             *after = row->after != NULL ? row->after : row->before;
    struct msg_object_do    m = list_do(list, row->verb, row->a, row->b, row->value);
    struct told             told;

    if (row->verb == VERB_LIST_EXTEND || row->verb == VERB_LIST_SET_SLICE)
        m = list_batch(data, list, row->verb, row->a, row->b, row->value);
    data_checkpoint(data);
    told = data_do(data, data->ann, m);
    assert_false(told.nothing);
    assert_int_equal(told.error, row->error);
    if (!told.error)
        expect_answer(data, row, &told.done);
    assert_string_equal(list_words(data, list), after);
    data_reload(data);
    assert_string_equal(list_words(data, list), after);
    data_restart(data);
    assert_string_equal(list_words(data, list), after);
    data_free(data);
}

/* ---- numbers ---- */

static void
sort_numbers(const int64_t *numbers, const double *doubles, const uint32_t *order, bool descending)
{
    struct data         *data = data_new();
    uint64_t             list = list_new(data, "", "");
    uint64_t             bits[6];
    struct msg_object_do m = list_do(list, VERB_LIST_SORT,
                                     numbers != NULL ? SORT_INTEGERS : SORT_DOUBLES, descending,
                                     "");

    for (int i = 0; i < 6; i++) {
        struct msg_object_do append = list_do(list, VERB_LIST_APPEND, 0, 0, "");

        memcpy(&bits[i], numbers != NULL ? (const void *)&numbers[i] : &doubles[i], 8);
        append.value = data_u64(data, bits[i]);
        data_done(data, data->ann, append);
    }
    data_done(data, data->ann, m);
    for (int i = 0; i < 6; i++) {
        struct msg_object_done done = data_done(data, data->ann,
                                                list_do(list, VERB_LIST_GET, i, 0, ""));

        assert_true(data_number(done.value) == bits[order[i]]);
    }
    data_free(data);
}

static void
integers_are_signed(void **state)
{
    static const int64_t  numbers[6] = { 5, -1, INT64_MAX, INT64_MIN, 5, 0 };
    static const uint32_t rising[6] = { 3, 1, 5, 0, 4, 2 }, falling[6] = { 2, 0, 4, 5, 1, 3 };

    (void)state;
    sort_numbers(numbers, NULL, rising, false);
    sort_numbers(numbers, NULL, falling, true);
}

static void
nan_stands_last(void **state)
{
    static const double   doubles[6] = { __builtin_nan(""), 1.5, -0.0, 0.0, -__builtin_inf(), 1.5 };
    static const uint32_t rising[6] = { 4, 2, 3, 1, 5, 0 }, falling[6] = { 1, 5, 2, 3, 4, 0 };

    (void)state;
    sort_numbers(NULL, doubles, rising, false);
    sort_numbers(NULL, doubles, falling, true);
}

/* ---- references ---- */

/* How the list is rid of its only reference. */
struct gone_case {
    const char *story;
    unsigned    verb;
    int64_t     a, b;
    const char *value;
};

static const struct gone_case gone[] = {
    { "an object ends when it is overwritten", VERB_LIST_SET, 1, 0, "x" },
    { "an object ends when it is deleted", VERB_LIST_DELETE, 1, 0, "" },
    { "an object ends with the slice that held it", VERB_LIST_DELETE_SLICE, 0, END, "" },
    { "an object ends when its slice is replaced", VERB_LIST_SET_SLICE, 1, 2, "y z" },
    { "an object ends when the list is cleared", VERB_LIST_CLEAR, 0, 0, "" },
    { "an object ends with the list", 0, 0, 0, "" },
};

static void
reference_goes(void **state)
{
    const struct gone_case *row = *state;
    struct data            *data = data_new();
    uint64_t                list = list_new(data, "list", "a c");
    uint64_t                other = data_open(data, data->ann, NOUN_DICT, "", 0, 0);
    struct msg_object_do    m = list_do(list, row->verb, row->a, row->b, row->value);
    char                    words[64];

    data_done(data, data->ann, list_refer(data, list, VERB_LIST_INSERT, 1, other));
    data_close(data, data->ann, other);
    snprintf(words, sizeof(words), "a *%llu c", (unsigned long long)other);
    assert_true(data_exists(data, other, NOUN_DICT));
    data_restart(data);
    data_reload(data);
    assert_string_equal(list_words(data, list), words);
    assert_true(data_exists(data, other, NOUN_DICT));
    if (row->verb == VERB_LIST_SET_SLICE)
        m = list_batch(data, list, row->verb, row->a, row->b, row->value);
    if (row->verb != 0)
        data_done(data, data->ann, m);
    else
        data_delete(data, data->ann, list);
    assert_false(data_exists(data, other, NOUN_DICT));
    data_reload(data);
    assert_false(data_exists(data, other, NOUN_DICT));
    data_free(data);
}

static void
popped_object_is_open(void **state)
{
    struct data           *data = data_new();
    uint64_t               list = list_new(data, "list", "");
    uint64_t               other = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    struct msg_object_done done;

    (void)state;
    data_done(data, data->ann, list_refer(data, list, VERB_LIST_APPEND, 0, other));
    data_close(data, data->ann, other);
    assert_true(data_open(data, data->bob, NOUN_LIST, "list", 0, 0) == list);
    done = data_done(data, data->bob, list_do(list, VERB_LIST_POP, -1, 0, ""));
    assert_true(done.is_reference);
    assert_true(data_number(done.value) == other);
    /* It lives, because bob has it open now. */
    data_restart(data);
    done = data_done(data, data->bob, list_do(other, VERB_LIST_LEN, 0, 0, ""));
    data_refused(data, data->ann, list_do(other, VERB_LIST_LEN, 0, 0, ""), MUSTER_ERR_NOT_FOUND);
    data_close(data, data->bob, other);
    assert_false(data_exists(data, other, NOUN_LIST));
    data_free(data);
}

static void
only_open_objects_are_referred_to(void **state)
{
    struct data         *data = data_new();
    uint64_t             list = list_new(data, "", "a");
    uint64_t             bobs = data_open(data, data->bob, NOUN_LIST, "", 0, 0);
    struct msg_object_do m = list_refer(data, list, VERB_LIST_APPEND, 0, bobs);
    uint64_t             light;

    (void)state;
    data_refused(data, data->ann, m, MUSTER_ERR_NOT_FOUND);
    data_refused(data, data->ann, list_refer(data, list, VERB_LIST_SET, 0, 999),
                 MUSTER_ERR_NOT_FOUND);
    m.value = slice_text("short");
    data_refused(data, data->ann, m, MUSTER_ERR_INVALID);
    light = data_try_open(data, data->ann, (struct msg_object_open){ .noun = NOUN_LIST,
                                                                     .transient = 1 }, MUSTER_OK);
    data_refused(data, data->ann, list_refer(data, light, VERB_LIST_APPEND, 0, list),
                 MUSTER_ERR_STATE);
    assert_string_equal(list_words(data, list), "a");
    data_free(data);
}

static void
references_in_batches(void **state)
{
    struct data           *data = data_new();
    uint64_t               list = list_new(data, "", "a");
    uint64_t               other = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    struct msg_object_done done;
    char                   words[64], all[128];

    (void)state;
    snprintf(words, sizeof(words), "*%llu b *%llu", (unsigned long long)other,
             (unsigned long long)list);
    data_done(data, data->ann, list_batch(data, list, VERB_LIST_EXTEND, 0, 0, words));
    snprintf(all, sizeof(all), "a %s", words);
    assert_string_equal(list_words(data, list), all);
    /* The same objects come and go in one request. */
    data_close(data, data->ann, other);
    assert_true(data_open(data, data->ann, NOUN_LIST, "", 0, 0) != other);
    data_refused(data, data->ann, list_batch(data, list, VERB_LIST_SET_SLICE, 1, END, words),
                 MUSTER_ERR_NOT_FOUND);
    data_refused(data, data->ann, list_batch(data, list, VERB_LIST_EXTEND, 0, 0, "x *12345"),
                 MUSTER_ERR_NOT_FOUND);
    assert_string_equal(list_words(data, list), all);
    data_refused(data, data->ann, list_do(list, VERB_LIST_SORT, SORT_BYTES, 0, ""),
                 MUSTER_ERR_TYPE);
    done = data_done(data, data->ann, list_refer(data, list, VERB_LIST_COUNT, 0, list));
    assert_int_equal(done.a, 1);
    done = data_done(data, data->ann, list_refer(data, list, VERB_LIST_REMOVE, 0, other));
    assert_int_equal(done.a, 1);
    assert_false(data_exists(data, other, NOUN_LIST));
    data_free(data);
}

/* A list in a list in a list ...: all vanish with the outermost, however many. */
static void
nested_lists_vanish(void **state)
{
    struct data *data = data_new();
    uint64_t     inner = 0, ids[300];

    (void)state;
    for (int i = 0; i < 300; i++) {
        ids[i] = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
        if (inner != 0) {
            data_done(data, data->ann, list_refer(data, ids[i], VERB_LIST_APPEND, 0, inner));
            data_close(data, data->ann, inner);
        }
        inner = ids[i];
    }
    assert_true(data_exists(data, ids[0], NOUN_LIST));
    data_reload(data);
    data_close(data, data->ann, inner);
    for (int i = 0; i < 300; i++)
        assert_false(data_exists(data, ids[i], NOUN_LIST));
    data_free(data);
}

/* ---- life ---- */

static void
transient_list_is_empty_again(void **state)
{
    struct data *data = data_new();
    uint64_t     list = data_try_open(data, data->ann, (struct msg_object_open){ .noun = NOUN_LIST,
                            .name = slice_text("light"), .transient = 1 }, MUSTER_OK);

    (void)state;
    data_done(data, data->ann, list_do(list, VERB_LIST_APPEND, 0, 0, "x"));
    assert_string_equal(list_words(data, list), "x");
    data_restart(data);
    assert_string_equal(list_words(data, list), "");
    data_done(data, data->ann, list_do(list, VERB_LIST_APPEND, 0, 0, "y"));
    data_reload(data);
    assert_string_equal(list_words(data, list), "");
    data_free(data);
}

static void
settings_are_refused(void **state)
{
    struct data *data = data_new();

    (void)state;
    data_try_open(data, data->ann, (struct msg_object_open){ .noun = NOUN_LIST, .a = 1 },
                  MUSTER_ERR_INVALID);
    data_try_open(data, data->ann, (struct msg_object_open){ .noun = NOUN_LIST,
                      .value = slice_text("x") }, MUSTER_ERR_INVALID);
    data_free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_signed),
        cmocka_unit_test(nan_stands_last),
        cmocka_unit_test(popped_object_is_open),
        cmocka_unit_test(only_open_objects_are_referred_to),
        cmocka_unit_test(references_in_batches),
        cmocka_unit_test(nested_lists_vanish),
        cmocka_unit_test(transient_list_is_empty_again),
        cmocka_unit_test(settings_are_refused),
    };
    int failed = STORIES("one request", cases, one_request);

    failed += STORIES("references", gone, reference_goes);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
