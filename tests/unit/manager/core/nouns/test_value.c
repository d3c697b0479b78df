/* test_value.c - shared values and arrays: numbers that add without a lock
 *
 * Method: one request, its answer, and what is there afterwards; the same again
 * after a restart from two checkpoints, and from the log.  Numbers are told as text.
 */
#include "data_world.h"

enum { I = TYPE_INTEGER, D = TYPE_DOUBLE, B = TYPE_BYTES };
enum { OP_GET, OP_SET, OP_ADD, OP_CAS };

/* What a text means as the bytes of a type; a text that begins with '!' is meant as it is. */
static struct slice
typed(struct buffer *out, int type, const char *text)
{
    double   number;
    uint64_t bits;

    buffer_clear(out);
    if (type == B || text[0] == '!' || text[0] == 0) {
        buffer_append_text(out, text[0] == '!' ? text + 1 : text);
    } else {
        number = strtod(text, NULL);
        memcpy(&bits, &number, sizeof(bits));
        write_u64(out, type == I ? (uint64_t)strtoll(text, NULL, 10) : bits);
    }
    return buffer_slice(out);
}

static struct msg_object_do
value_do(uint64_t object, unsigned verb, uint64_t a, uint64_t b, struct slice value)
{
    return (struct msg_object_do){ .object = object, .verb = (uint8_t)verb, .a = a, .b = b,
                                   .value = value };
}

/* "expected next" as a block. */
static struct slice
pair(struct buffer *out, int type, const char *text)
{
    const char       *blank = strchr(text, ' ');
    struct wire_block block = { 0 };
    struct buffer     half = { 0 };
    char              first[64];

    snprintf(first, sizeof(first), "%.*s", (int)(blank - text), text);
    assert_true(wire_block_add_value(&block, typed(&half, type, first)));
    assert_true(wire_block_add_value(&block, typed(&half, type, blank + 1)));
    buffer_clear(out);
    wire_block_put(out, &block);
    wire_block_free(&block);
    buffer_free(&half);
    return buffer_slice(out);
}

struct value_case {
    const char *story;
    int         type;
    const char *before;
    int         op;
    const char *value;             /* CAS: "expected next" */
    muster_err  error;
    int         exchanged;
    const char *answer;            /* NULL: nothing */
    const char *after;             /* NULL: as before */
};

#define OK       MUSTER_OK
#define TYPE     MUSTER_ERR_TYPE
#define RANGE    MUSTER_ERR_RANGE
#define HIGHEST  "9223372036854775807"
#define LOWEST   "-9223372036854775808"
/* What holds for a number holds for an item of an array, too. */
static const struct value_case numbers[] = {
    { "get an integer", I, "-7", OP_GET, "", OK, 0, "-7", NULL },
    { "get a double", D, "1.5", OP_GET, "", OK, 0, "1.5", NULL },
    { "set an integer", I, "1", OP_SET, LOWEST, OK, 0, NULL, LOWEST },
    { "set a double", D, "1", OP_SET, "-0.25", OK, 0, NULL, "-0.25" },
    { "set an integer to three bytes", I, "1", OP_SET, "!abc", TYPE, 0, NULL, NULL },
    { "add to an integer", I, "40", OP_ADD, "2", OK, 0, "42", "42" },
    { "add a negative number", I, "40", OP_ADD, "-41", OK, 0, "-1", "-1" },
    { "an integer does not wrap upwards", I, HIGHEST, OP_ADD, "1", RANGE, 0, NULL, NULL },
    { "an integer does not wrap downwards", I, LOWEST, OP_ADD, "-1", RANGE, 0, NULL, NULL },
    { "up to the highest", I, "9223372036854775806", OP_ADD, "1", OK, 0, HIGHEST, HIGHEST },
    { "add to a double", D, "0.5", OP_ADD, "0.25", OK, 0, "0.75", "0.75" },
    { "a double overflows to infinity", D, "1.7e308", OP_ADD, "1.7e308", OK, 0, "inf", "inf" },
    { "add three bytes to an integer", I, "1", OP_ADD, "!abc", TYPE, 0, NULL, NULL },
    { "exchange what is there", I, "3", OP_CAS, "3 4", OK, 1, "4", "4" },
    { "do not exchange something else", I, "3", OP_CAS, "2 4", OK, 0, "3", NULL },
    { "doubles are compared as bytes", D, "0.0", OP_CAS, "-0.0 1", OK, 0, "0.0", NULL },
    { "exchange by three bytes", I, "3", OP_CAS, "3 !abc", TYPE, 0, NULL, NULL },
};

static const struct value_case others[] = {
    { "get bytes", B, "abc", OP_GET, "", OK, 0, "abc", NULL },
    { "get no bytes", B, "", OP_GET, "", OK, 0, "", NULL },
    { "set bytes of another length", B, "abc", OP_SET, "x", OK, 0, NULL, "x" },
    { "set bytes to none", B, "abc", OP_SET, "", OK, 0, NULL, "" },
    { "set a double to no bytes", D, "1", OP_SET, "", TYPE, 0, NULL, NULL },
    { "add to bytes", B, "abcdefgh", OP_ADD, "abcdefgh", TYPE, 0, NULL, NULL },
    { "exchange bytes", B, "old", OP_CAS, "old newer", OK, 1, "newer", "newer" },
    { "bytes are compared to their end", B, "old", OP_CAS, "ol newer", OK, 0, "old", NULL },
};

static void
value_is(struct data *data, uint64_t object, int type, const char *text)
{
    struct buffer          expected = { 0 };
    struct msg_object_done done = data_done(data, data->ann,
                                            value_do(object, VERB_VALUE_GET, 0, 0,
                                                     slice_of(NULL, 0)));

    assert_true(slice_equal(done.value, typed(&expected, type, text)));
    buffer_free(&expected);
}

static void
one_value(void **state)
{
    static const unsigned verbs[] = { VERB_VALUE_GET, VERB_VALUE_SET, VERB_VALUE_ADD,
                                      VERB_VALUE_CAS };
    const struct value_case *row = *state;
    struct data             *data = data_new();
    struct buffer            bytes = { 0 };
    const char              *after = row->after != NULL ? row->after : row->before;
    uint64_t                 object;
    struct told              told;

    object = data_try_open(data, data->ann,
                           (struct msg_object_open){ .noun = NOUN_VALUE, .a = (uint64_t)row->type,
                               .name = slice_text("it"),
                               .value = typed(&bytes, row->type, row->before) }, MUSTER_OK);
    data_checkpoint(data);
    told = data_do(data, data->ann,
                   value_do(object, verbs[row->op], 0, 0,
                            row->op == OP_CAS ? pair(&bytes, row->type, row->value)
                                              : typed(&bytes, row->type, row->value)));
    assert_int_equal(told.error, row->error);
    assert_int_equal(told.done.a, row->exchanged);
    if (row->answer != NULL)
        assert_true(slice_equal(told.done.value, typed(&bytes, row->type, row->answer)));
    else
        assert_int_equal(told.done.value.bytes, 0);
    value_is(data, object, row->type, after);
    data_reload(data);
    value_is(data, object, row->type, after);
    data_restart(data);
    value_is(data, object, row->type, after);
    buffer_free(&bytes);
    data_free(data);
}

static void
one_item(void **state)
{
    static const unsigned verbs[] = { VERB_ARRAY_GET, VERB_ARRAY_SET, VERB_ARRAY_ADD,
                                      VERB_ARRAY_CAS };
    const struct value_case *row = *state;
    struct data             *data = data_new();
    struct buffer            bytes = { 0 };
    const char              *after = row->after != NULL ? row->after : row->before;
    uint64_t                 object = data_open(data, data->ann, NOUN_ARRAY, "it",
                                                (uint64_t)row->type, 1000);
    uint64_t                 at = 511;      /* the last number of a piece */
    struct told              told;

    data_done(data, data->ann, value_do(object, VERB_ARRAY_SET, at, 0,
                                        typed(&bytes, row->type, row->before)));
    data_checkpoint(data);
    told = data_do(data, data->ann,
                   value_do(object, verbs[row->op], at, row->op == OP_GET,
                            row->op == OP_CAS ? pair(&bytes, row->type, row->value)
                                              : typed(&bytes, row->type, row->value)));
    assert_int_equal(told.error, row->error);
    assert_int_equal(told.done.a, row->exchanged);
    if (row->answer != NULL)
        assert_true(slice_equal(told.done.value, typed(&bytes, row->type, row->answer)));
    for (int i = 0; i < 3; i++) {
        struct msg_object_done done = data_done(data, data->ann,
                                                value_do(object, VERB_ARRAY_GET, at, 1,
                                                         slice_of(NULL, 0)));

        assert_true(slice_equal(done.value, typed(&bytes, row->type, after)));
        done = data_done(data, data->ann, value_do(object, VERB_ARRAY_GET, at + 1, 1,
                                                   slice_of(NULL, 0)));
        assert_true(slice_equal(done.value, typed(&bytes, row->type, "0")));
        if (i == 0)
            data_reload(data);
        else
            data_restart(data);
    }
    buffer_free(&bytes);
    data_free(data);
}

/* ---- settings and bounds ---- */

struct open_case {
    const char *story;
    enum wire_noun noun;
    uint64_t    a, b;
    const char *value;
    muster_err  error;
};

static const struct open_case opens[] = {
    { "an integer begins at zero", NOUN_VALUE, I, 0, "", OK },
    { "a value has one of three types", NOUN_VALUE, TYPE_COUNT, 0, "", MUSTER_ERR_INVALID },
    { "a value has no length", NOUN_VALUE, I, 1, "", MUSTER_ERR_INVALID },
    { "an initial integer of three bytes", NOUN_VALUE, I, 0, "abc", TYPE },
    { "initial bytes of any length", NOUN_VALUE, B, 0, "abc", OK },
    { "an array without items", NOUN_ARRAY, I, 0, "", OK },
    { "the longest array", NOUN_ARRAY, D, ARRAY_ITEMS_MAX, "", OK },
    { "a longer array", NOUN_ARRAY, D, ARRAY_ITEMS_MAX + 1, "", MUSTER_ERR_TOO_LARGE },
    { "an array has one of three types", NOUN_ARRAY, TYPE_COUNT, 1, "", MUSTER_ERR_INVALID },
    { "an array begins with zeros", NOUN_ARRAY, B, 3, "abc", MUSTER_ERR_INVALID },
};

static void
open_one(void **state)
{
    const struct open_case *row = *state;
    struct data            *data = data_new();

    data_try_open(data, data->ann,
                  (struct msg_object_open){ .noun = (uint8_t)row->noun, .a = row->a, .b = row->b,
                                            .name = slice_text("it"),
                                            .value = slice_text(row->value) }, row->error);
    data_reload(data);
    data_free(data);
}

struct bounds_case {
    const char *story;
    int         type;
    uint64_t    items;
    unsigned    verb;
    uint64_t    first, count;      /* SET: count items of 0xab bytes */
    muster_err  error;
};

static const struct bounds_case bounds[] = {
    { "get all", I, 10, VERB_ARRAY_GET, 0, 10, OK },
    { "get nothing at the end", I, 10, VERB_ARRAY_GET, 10, 0, OK },
    { "get one behind the end", I, 10, VERB_ARRAY_GET, 10, 1, RANGE },
    { "get one too many", I, 10, VERB_ARRAY_GET, 1, 10, RANGE },
    { "get from far behind", I, 10, VERB_ARRAY_GET, UINT64_MAX, 1, RANGE },
    { "get a number that wraps", I, 10, VERB_ARRAY_GET, 1, UINT64_MAX, RANGE },
    { "get as much as fits an answer", I, 100000, VERB_ARRAY_GET, 5, VALUE_BYTES_MAX / 8, OK },
    { "get more than fits an answer", I, 100000, VERB_ARRAY_GET, 5, VALUE_BYTES_MAX / 8 + 1,
      MUSTER_ERR_TOO_LARGE },
    { "set as much as fits a request", B, 200000, VERB_ARRAY_SET, 1, VALUE_BYTES_MAX, OK },
    { "set more than that", B, 200000, VERB_ARRAY_SET, 1, VALUE_BYTES_MAX + 1,
      MUSTER_ERR_TOO_LARGE },
    { "set up to the end", D, 10, VERB_ARRAY_SET, 8, 2, OK },
    { "set over the end", D, 10, VERB_ARRAY_SET, 9, 2, RANGE },
    { "set behind the end", D, 10, VERB_ARRAY_SET, 11, 0, RANGE },
    { "add behind the end", I, 10, VERB_ARRAY_ADD, 10, 1, RANGE },
    { "len", D, 10, VERB_ARRAY_LEN, 0, 0, OK },
};

static void
one_slice(void **state)
{
    const struct bounds_case *row = *state;
    struct data              *data = data_new();
    uint64_t                  object = data_open(data, data->ann, NOUN_ARRAY, "it",
                                                 (uint64_t)row->type, row->items);
    size_t                    item = row->type == B ? 1 : 8;
    struct msg_object_do      m = value_do(object, row->verb, row->first, 0, slice_of(NULL, 0));
    struct buffer             bytes = { 0 };
    struct told               told;

    if (row->verb == VERB_ARRAY_GET) {
        m.b = row->count;
    } else if (row->count > 0) {
        memset(buffer_extend(&bytes, (size_t)row->count * item), 0xab, (size_t)row->count * item);
        m.value = buffer_slice(&bytes);
    }
    told = data_do(data, data->ann, m);
    assert_int_equal(told.error, row->error);
    if (!told.error && row->verb == VERB_ARRAY_GET)
        assert_int_equal(told.done.value.bytes, row->count * item);
    if (row->verb == VERB_ARRAY_LEN)
        assert_int_equal(told.done.a, row->items);
    data_reload(data);
    if (!told.error && row->verb == VERB_ARRAY_SET) {
        struct msg_object_done done = data_done(data, data->ann,
                                                value_do(object, VERB_ARRAY_GET, row->first,
                                                         row->count, slice_of(NULL, 0)));

        assert_true(slice_equal(done.value, buffer_slice(&bytes)));
    }
    buffer_free(&bytes);
    data_free(data);
}

static void
long_bytes(void **state)
{
    struct data         *data = data_new();
    uint64_t             object = data_open(data, data->ann, NOUN_VALUE, "", B, 0);
    char                *large = calloc(1, VALUE_BYTES_MAX + 1);
    struct msg_object_do m = value_do(object, VERB_VALUE_SET, 0, 0,
                                      slice_of(large, VALUE_BYTES_MAX));

    (void)state;
    data_done(data, data->ann, m);
    m.value.bytes++;
    data_refused(data, data->ann, m, MUSTER_ERR_TOO_LARGE);
    data_reload(data);
    m = value_do(object, VERB_VALUE_GET, 0, 0, slice_of(NULL, 0));
    assert_int_equal(data_done(data, data->ann, m).value.bytes, VALUE_BYTES_MAX);
    free(large);
    data_free(data);
}

/* ---- pieces ---- */

static void
array_set(struct data *data, uint64_t array, uint64_t at, uint64_t number)
{
    data_done(data, data->ann, value_do(array, VERB_ARRAY_SET, at, 0, data_u64(data, number)));
}

static void
zeros_cost_nothing(void **state)
{
    struct data *data = data_new();
    uint64_t     array = data_open(data, data->ann, NOUN_ARRAY, "it", I, ARRAY_ITEMS_MAX);
    uint32_t     stored;

    (void)state;
    array_set(data, array, 1000, 0);
    data_checkpoint(data);
    stored = data->stored_count;
    array_set(data, array, ARRAY_ITEMS_MAX - 1, 7);
    array_set(data, array, 1000, 9);
    data_reload(data);
    assert_int_equal(data->stored_count, stored + 2);
    array_set(data, array, 1000, 0);
    data_reload(data);
    assert_int_equal(data->stored_count, stored + 1);
    array_set(data, array, 2000, 5);
    assert_in_range(data_checkpoint(data), 1, 8);
    data_free(data);
}

/* An array counts what is written to it, and is refused more than the manager has. */
static void
arrays_have_a_limit(void **state)
{
    struct core_config config = world_config;
    struct data       *data;
    uint64_t           array, small;
    struct told        told = { 0 };
    uint32_t           pieces = 0;

    (void)state;
    config.object_bytes_max = 100 * 1000;
    config.objects_max = 2;
    data = data_new_with(&config);
    array = data_open(data, data->ann, NOUN_ARRAY, "", I, 500 * 512);
    small = data_open(data, data->ann, NOUN_VALUE, "", I, 0);
    for (; told.error == MUSTER_OK; pieces++)
        told = data_do(data, data->ann, value_do(array, VERB_ARRAY_ADD, pieces * 512, 0,
                                                 data_u64(data, 1)));
    assert_int_equal(told.error, MUSTER_ERR_FULL);
    assert_in_range(pieces, 20, 25);
    data_refused(data, data->ann, value_do(small, VERB_VALUE_LOCK, 0, 0, slice_of(NULL, 0)),
                 MUSTER_ERR_FULL);
    data_close(data, data->ann, array);
    data_done(data, data->ann, value_do(small, VERB_VALUE_LOCK, 0, 0, slice_of(NULL, 0)));
    data_free(data);
}

/* ---- adding from many sides ---- */

static void
nobody_loses_a_sum(void **state)
{
    struct data *data = data_new();
    uint64_t     object = data_open(data, data->ann, NOUN_VALUE, "sum", I, 0);
    int64_t      sum = 0;

    (void)state;
    assert_true(data_open(data, data->bob, NOUN_VALUE, "sum", I, 0) == object);
    for (int i = 1; i <= 500; i++) {
        uint64_t               session = i % 3 == 0 ? data->bob : data->ann;
        struct msg_object_done done = data_done(data, session,
                                                value_do(object, VERB_VALUE_ADD, 0, 0,
                                                         data_u64(data, (uint64_t)i)));

        sum += i;
        assert_true(data_number(done.value) == (uint64_t)sum);
        if (i % 100 == 0)
            data_reload(data);
    }
    data_restart(data);
    value_is(data, object, I, "125250");
    data_free(data);
}

/* The same request twice is done once. */
static void
repeated_add_counts_once(void **state)
{
    struct data         *data = data_new();
    uint64_t             object = data_open(data, data->ann, NOUN_VALUE, "sum", I, 0);
    struct buffer        five = { 0 };
    struct msg_object_do m = value_do(object, VERB_VALUE_ADD, 0, 0, typed(&five, I, "5"));
    uint64_t             request = data->world->request, now;

    (void)state;
    assert_int_equal(data_number(data_done(data, data->ann, m).value), 5);
    data_restart(data);
    now = data->world->request;
    data->world->request = request;
    assert_int_equal(data_number(data_done(data, data->ann, m).value), 5);
    data->world->request = now;
    value_is(data, object, I, "5");
    buffer_free(&five);
    data_free(data);
}

/* ---- its lock ---- */

static void
lock_of(struct data *data, enum wire_noun noun, unsigned verb)
{
    struct msg_object_do   acquire = { .verb = VERB_RLOCK_ACQUIRE, .thread = 1 };
    uint64_t               object = data_open(data, data->ann, noun, "it", I, noun == NOUN_ARRAY);
    struct msg_object_do   ask = value_do(object, verb, 0, 0, slice_of(NULL, 0));
    struct msg_object_done done = data_done(data, data->ann, ask);
    uint64_t               lock = done.a;

    assert_true(data_open(data, data->bob, noun, "it", I, noun == NOUN_ARRAY) == object);
    assert_int_equal(data_done(data, data->ann, ask).a, lock);
    acquire.object = lock;
    data_refused(data, data->bob, acquire, MUSTER_ERR_NOT_FOUND);
    assert_int_equal(data_done(data, data->bob, ask).a, lock);
    data_done(data, data->ann, acquire);
    data_refused(data, data->bob, acquire, MUSTER_ERR_TIMEOUT);
    /* It is kept by its object, though nobody has it open. */
    data_close(data, data->ann, lock);
    data_close(data, data->bob, lock);
    data_reload(data);
    assert_true(data_exists(data, lock, NOUN_RLOCK));
    assert_int_equal(data_done(data, data->bob, ask).a, lock);
    data_restart(data);
    data_done(data, data->bob, acquire);
    data_close(data, data->bob, lock);
    data_delete(data, data->ann, object);
    assert_false(data_exists(data, lock, NOUN_RLOCK));
    data_reload(data);
}

static void
value_lock(void **state)
{
    struct data *data = data_new();

    (void)state;
    lock_of(data, NOUN_VALUE, VERB_VALUE_LOCK);
    data_free(data);
}

static void
array_lock(void **state)
{
    struct data *data = data_new();

    (void)state;
    lock_of(data, NOUN_ARRAY, VERB_ARRAY_LOCK);
    data_free(data);
}

static void
deleted_lock_is_made_anew(void **state)
{
    struct data         *data = data_new();
    uint64_t             object = data_open(data, data->ann, NOUN_VALUE, "it", I, 0);
    struct msg_object_do ask = value_do(object, VERB_VALUE_LOCK, 0, 0, slice_of(NULL, 0));
    uint64_t             lock = data_done(data, data->ann, ask).a;

    (void)state;
    data_delete(data, data->ann, lock);
    assert_true(data_done(data, data->ann, ask).a != lock);
    data_reload(data);
    data_free(data);
}

static void
transient_value(void **state)
{
    struct data         *data = data_new();
    struct buffer        bytes = { 0 };
    uint64_t             object = data_try_open(data, data->ann, (struct msg_object_open){
                             .noun = NOUN_VALUE, .a = I, .transient = 1, .name = slice_text("it"),
                             .value = typed(&bytes, I, "7") }, MUSTER_OK);
    struct msg_object_do add = value_do(object, VERB_VALUE_ADD, 0, 0, data_u64(data, 5));

    (void)state;
    data_done(data, data->ann, add);
    value_is(data, object, I, "12");
    data_refused(data, data->ann, value_do(object, VERB_VALUE_LOCK, 0, 0, slice_of(NULL, 0)),
                 MUSTER_ERR_STATE);
    data_restart(data);
    value_is(data, object, I, "7");
    data_reload(data);
    value_is(data, object, I, "7");
    buffer_free(&bytes);
    data_free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_bytes),
        cmocka_unit_test(zeros_cost_nothing),
        cmocka_unit_test(arrays_have_a_limit),
        cmocka_unit_test(nobody_loses_a_sum),
        cmocka_unit_test(repeated_add_counts_once),
        cmocka_unit_test(value_lock),
        cmocka_unit_test(array_lock),
        cmocka_unit_test(deleted_lock_is_made_anew),
        cmocka_unit_test(transient_value),
    };
    int failed = STORIES("one number", numbers, one_value);

    failed += STORIES("one value", others, one_value);
    failed += STORIES("one item of an array", numbers, one_item);
    failed += STORIES("settings", opens, open_one);
    failed += STORIES("slices", bounds, one_slice);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
