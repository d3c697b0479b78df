/* test_dict.c - a shared dict keeps Python's order and what its values refer to
 *
 * Method: as test_list.c.  What a dict holds is told as "key value key value".
 */
#include "data_nouns.h"

struct dict_case {
    const char *story, *before;
    unsigned    verb;
    uint64_t    a, b;
    const char *key, *value;       /* UPDATE, CAS: words */
    muster_err  error;
    const char *answer;
    uint64_t    answer_a, answer_b;
    const char *after;             /* NULL: as before */
};

#define OK   MUSTER_OK
#define NONE MUSTER_ERR_NO_KEY
#define BAD  MUSTER_ERR_INVALID
static const struct dict_case cases[] = {
    { "get", "a 1 b 2", VERB_DICT_GET, 0, 0, "b", "", OK, "2", 0, 0, NULL },
    { "get what is not there", "a 1", VERB_DICT_GET, 0, 0, "b", "", NONE, "", 0, 0, NULL },
    { "a key is not its beginning", "ab 1", VERB_DICT_GET, 0, 0, "a", "", NONE, "", 0, 0, NULL },
    { "a key has at least one byte", "a 1", VERB_DICT_GET, 0, 0, "", "", BAD, "", 0, 0, NULL },
    { "set a new key: at the end", "a 1", VERB_DICT_SET, 0, 0, "b", "2", OK, "", 0, 0,
      "a 1 b 2" },
    { "set in an empty dict", "", VERB_DICT_SET, 0, 0, "b", "2", OK, "", 0, 0, "b 2" },
    { "overwriting keeps the place", "a 1 b 2 c 3", VERB_DICT_SET, 0, 0, "b", "x", OK, "", 0, 0,
      "a 1 b x c 3" },
    { "an empty value is a value", "a 1", VERB_DICT_SET, 0, 0, "a", "", OK, "", 0, 0, "a ''" },
    { "set no key", "a 1", VERB_DICT_SET, 0, 0, "", "x", BAD, "", 0, 0, NULL },
    { "delete", "a 1 b 2 c 3", VERB_DICT_DELETE, 0, 0, "b", "", OK, "", 0, 0, "a 1 c 3" },
    { "delete what is not there", "a 1", VERB_DICT_DELETE, 0, 0, "b", "", NONE, "", 0, 0, NULL },
    { "pop", "a 1 b 2", VERB_DICT_POP, 0, 0, "a", "", OK, "1", 0, 0, "b 2" },
    { "pop what is not there", "a 1", VERB_DICT_POP, 0, 0, "b", "", NONE, "", 0, 0, NULL },
    { "setdefault of what is there", "a 1", VERB_DICT_SETDEFAULT, 0, 0, "a", "x", OK, "1", 1, 0,
      NULL },
    { "setdefault of what is not", "a 1", VERB_DICT_SETDEFAULT, 0, 0, "b", "x", OK, "x", 0, 0,
      "a 1 b x" },
    { "setdefault of no key", "a 1", VERB_DICT_SETDEFAULT, 0, 0, "", "x", BAD, "", 0, 0, NULL },
    { "contains", "a 1", VERB_DICT_CONTAINS, 0, 0, "a", "", OK, "", 1, 0, NULL },
    { "does not contain", "a 1", VERB_DICT_CONTAINS, 0, 0, "b", "", OK, "", 0, 0, NULL },
    { "update overwrites and appends", "a 1 b 2", VERB_DICT_UPDATE, 0, 0, "", "c 3 a x d 4", OK,
      "", 0, 0, "a x b 2 c 3 d 4" },
    { "update: the last of equal keys counts", "a 1", VERB_DICT_UPDATE, 0, 0, "", "b 1 b 2", OK,
      "", 0, 0, "a 1 b 2" },
    { "update by nothing", "a 1", VERB_DICT_UPDATE, 0, 0, "", "", OK, "", 0, 0, NULL },
    { "update is all or nothing", "a 1", VERB_DICT_UPDATE, 0, 0, "", "b 2 '' 3", BAD, "", 0, 0,
      NULL },
    { "len", "a 1 b 2", VERB_DICT_LEN, 0, 0, "", "", OK, "", 2, 0, NULL },
    { "clear", "a 1 b 2", VERB_DICT_CLEAR, 0, 0, "", "", OK, "", 0, 0, "" },
    { "clear an empty dict", "", VERB_DICT_CLEAR, 0, 0, "", "", OK, "", 0, 0, NULL },
    { "exchange what is expected", "a 1 b 2", VERB_DICT_CAS, 0, 0, "a", "1 x", OK, "x", 1, 1,
      "a x b 2" },
    { "do not exchange something else", "a 1", VERB_DICT_CAS, 0, 0, "a", "2 x", OK, "1", 0, 1,
      NULL },
    { "do not exchange what is not there", "a 1", VERB_DICT_CAS, 0, 0, "b", "1 x", OK, "", 0, 0,
      NULL },
    { "set what is expected not to be there", "a 1", VERB_DICT_CAS, 1, 0, "b", "'' x", OK, "x", 1,
      1, "a 1 b x" },
    { "expected not to be there, but it is", "a 1", VERB_DICT_CAS, 1, 0, "a", "'' x", OK, "1", 0,
      1, NULL },
    { "bytes are no reference", "a 12345678", VERB_DICT_CAS, 0, 1, "a", "12345678 x", OK,
      "12345678", 0, 1, NULL },
    { "exchange by one value", "a 1", VERB_DICT_CAS, 0, 0, "a", "1", BAD, "", 0, 0, NULL },
    { "a number that the verb does not use", "a 1", VERB_DICT_GET, 1, 0, "a", "", BAD, "", 0, 0,
      NULL },
    { "a value that the verb does not use", "a 1", VERB_DICT_POP, 0, 0, "a", "x", BAD, "", 0, 0,
      NULL },
    { "items of no kind", "a 1", VERB_DICT_ITEMS, 0, 0, "", "", BAD, "", 0, 0, NULL },
};

static void
one_request(void **state)
{
    const struct dict_case *row = *state;
    struct data            *data = data_new();
    uint64_t                dict = dict_new_of(data, "dict", row->before);
    const char             *after = row->after != NULL ? row->after : row->before;
    struct msg_object_do    m = dict_do(dict, row->verb, row->key, row->value);
    struct told             told;

    m.a = row->a;
    m.b = row->b;
    if (row->verb == VERB_DICT_UPDATE) {
        m = dict_update(data, dict, row->value);
    } else if (row->verb == VERB_DICT_CAS) {
        data_block(data, row->value);
        m.value = buffer_slice(&data->block);
    }
    data_checkpoint(data);
    told = data_do(data, data->ann, m);
    assert_false(told.nothing);
    assert_int_equal(told.error, row->error);
    assert_int_equal(told.done.a, row->answer_a);
    assert_int_equal(told.done.b, row->answer_b);
    assert_true(slice_equals_text(told.done.value, row->answer));
    assert_string_equal(dict_words(data, dict), after);
    data_reload(data);
    assert_string_equal(dict_words(data, dict), after);
    data_restart(data);
    assert_string_equal(dict_words(data, dict), after);
    data_free(data);
}

static void
deleted_key_comes_back_at_the_end(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "", "a 1 b 2 c 3");

    (void)state;
    data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, "a", ""));
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "a", "4"));
    assert_string_equal(dict_words(data, dict), "b 2 c 3 a 4");
    data_reload(data);
    assert_string_equal(dict_words(data, dict), "b 2 c 3 a 4");
    data_free(data);
}

/* ---- pages ---- */

static void
pages_survive_changes(void **state)
{
    struct data           *data = data_new();
    uint64_t               dict = dict_new_of(data, "", "");
    char                  *large = calloc(1, 50000);
    struct msg_object_do   m = dict_do(dict, VERB_DICT_SET, "", ""), items;
    struct msg_object_done done;
    char                   key[8], seen[64] = "";

    (void)state;
    m.value = slice_of(large, 50000);
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof(key), "%c", 'a' + i);
        m.key = slice_text(key);
        data_done(data, data->ann, m);
    }
    items = dict_do(dict, VERB_DICT_ITEMS, "", "");
    items.b = BOTH;
    do {
        done = data_done(data, data->ann, items);
        assert_in_range(done.b, 1, 3);
        for (uint32_t i = 0; i < done.b; i++)
            strncat(seen, wire_block_item(done.value, 2 * i).data, 1);
        items.a = done.a;
        if (items.a == 0)
            break;
        /* What was read may go, and what comes next, too; what is new is at the end. */
        snprintf(key, sizeof(key), "%c", seen[strlen(seen) - 1]);
        data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, key, ""));
        if (key[0] == 'c') {
            data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, "d", ""));
            data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "z", "1"));
        }
        data_reload(data);
    } while (true);
    assert_string_equal(seen, "abcefghijklz");
    free(large);
    data_free(data);
}

static void
keys_and_values_alone(void **state)
{
    struct data           *data = data_new();
    uint64_t               dict = dict_new_of(data, "", "a 1 b 2");
    struct msg_object_do   m = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct msg_object_done done;

    (void)state;
    m.b = VALUES;
    done = data_done(data, data->ann, m);
    assert_string_equal(data_words(data, &done, 2, 1), "1 2");
    m.b = KEYS;
    done = data_done(data, data->ann, m);
    assert_int_equal(done.key.bytes, 0);
    assert_int_equal(wire_block_check_values(done.value, 2), MUSTER_OK);
    assert_true(slice_equals_text(wire_block_item(done.value, 1), "b"));
    data_free(data);
}

/* ---- references ---- */

struct gone_case {
    const char *story;
    unsigned    verb;
    const char *key, *value;
};

static const struct gone_case gone[] = {
    { "an object ends when it is overwritten", VERB_DICT_SET, "r", "x" },
    { "an object ends when it is deleted", VERB_DICT_DELETE, "r", "" },
    { "an object ends when it is overwritten by many", VERB_DICT_UPDATE, "", "a 1 r 2" },
    { "an object ends when the dict is cleared", VERB_DICT_CLEAR, "", "" },
    { "an object ends with the dict", 0, "", "" },
};

static void
reference_goes(void **state)
{
    const struct gone_case *row = *state;
    struct data            *data = data_new();
    uint64_t                dict = dict_new_of(data, "dict", "a 1");
    uint64_t                other = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    char                    words[64];

    data_done(data, data->ann, dict_refer(data, dict, VERB_DICT_SET, "r", other));
    data_close(data, data->ann, other);
    data_restart(data);
    data_reload(data);
    snprintf(words, sizeof(words), "a 1 r *%llu", (unsigned long long)other);
    assert_string_equal(dict_words(data, dict), words);
    assert_true(data_exists(data, other, NOUN_LIST));
    if (row->verb == VERB_DICT_UPDATE)
        data_done(data, data->ann, dict_update(data, dict, row->value));
    else if (row->verb != 0)
        data_done(data, data->ann, dict_do(dict, row->verb, row->key, row->value));
    else
        data_delete(data, data->ann, dict);
    assert_false(data_exists(data, other, NOUN_LIST));
    data_reload(data);
    data_free(data);
}

static void
popped_object_is_open(void **state)
{
    struct data           *data = data_new();
    uint64_t               dict = dict_new_of(data, "dict", "");
    uint64_t               other = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    struct msg_object_done done;

    (void)state;
    data_done(data, data->ann, dict_refer(data, dict, VERB_DICT_SET, "r", other));
    data_close(data, data->ann, other);
    assert_true(data_open(data, data->bob, NOUN_DICT, "dict", 0, 0) == dict);
    done = data_done(data, data->bob, dict_do(dict, VERB_DICT_POP, "r", ""));
    assert_true(done.is_reference && data_number(done.value) == other);
    data_done(data, data->bob, dict_do(other, VERB_LIST_LEN, "", ""));
    data_close(data, data->bob, other);
    assert_false(data_exists(data, other, NOUN_LIST));
    data_free(data);
}

static void
exchange_of_references(void **state)
{
    struct data           *data = data_new();
    uint64_t               dict = dict_new_of(data, "dict", "");
    uint64_t               one = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    uint64_t               two = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    struct msg_object_do   m = dict_do(dict, VERB_DICT_CAS, "r", "");
    struct msg_object_done done;
    char                   words[64];

    (void)state;
    data_done(data, data->ann, dict_refer(data, dict, VERB_DICT_SET, "r", one));
    snprintf(words, sizeof(words), "*%llu *%llu", (unsigned long long)one,
             (unsigned long long)two);
    data_block(data, words);
    m.value = buffer_slice(&data->block);
    m.b = 3;
    done = data_done(data, data->ann, m);
    assert_int_equal(done.a, 1);
    assert_true(done.is_reference && data_number(done.value) == two);
    data_close(data, data->ann, one);
    data_close(data, data->ann, two);
    assert_false(data_exists(data, one, NOUN_LIST));
    assert_true(data_exists(data, two, NOUN_LIST));
    data_reload(data);
    data_refused(data, data->ann, m, MUSTER_ERR_NOT_FOUND);    /* `two` is not open any more */
    data_free(data);
}

static void
copy_stands_alone(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "b 2 a 1");
    uint64_t     other = data_open(data, data->ann, NOUN_LIST, "", 0, 0);
    uint64_t     copy;
    char         words[64];

    (void)state;
    data_done(data, data->ann, dict_refer(data, dict, VERB_DICT_SET, "r", other));
    data_close(data, data->ann, other);
    copy = data_done(data, data->ann, dict_do(dict, VERB_DICT_COPY, "", "")).a;
    data_done(data, data->ann, dict_do(dict, VERB_DICT_CLEAR, "", ""));
    snprintf(words, sizeof(words), "b 2 a 1 r *%llu", (unsigned long long)other);
    assert_string_equal(dict_words(data, copy), words);
    data_restart(data);
    data_reload(data);
    assert_string_equal(dict_words(data, copy), words);
    assert_true(data_exists(data, other, NOUN_LIST));
    data_close(data, data->ann, copy);
    assert_false(data_exists(data, copy, NOUN_DICT));
    assert_false(data_exists(data, other, NOUN_LIST));
    data_free(data);
}

static void
transient_dict(void **state)
{
    struct data         *data = data_new();
    uint64_t             other = dict_new_of(data, "other", "");
    uint64_t             dict = data_try_open(data, data->ann, (struct msg_object_open){
                             .noun = NOUN_NAMESPACE, .name = slice_text("light"), .transient = 1 },
                                              MUSTER_OK);
    struct msg_object_do watch = dict_do(dict, VERB_DICT_WATCH, "", "");

    (void)state;
    data_refused(data, data->ann, dict_refer(data, dict, VERB_DICT_SET, "r", other),
                 MUSTER_ERR_STATE);
    data_refused(data, data->ann, dict_do(dict, VERB_DICT_COPY, "", ""), MUSTER_ERR_STATE);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "a", "1"));
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "b", "2"));
    watch.a = data_done(data, data->ann, watch).a;
    data_restart(data);
    assert_string_equal(dict_words(data, dict), "");
    /* The version fell back with it: whoever watched must read all. */
    assert_int_equal(data_done(data, data->ann, watch).c, 1);
    data_reload(data);
    data_free(data);
}

static void
namespace_is_a_dict(void **state)
{
    struct data *data = data_new();
    uint64_t     space = data_open(data, data->ann, NOUN_NAMESPACE, "space", 0, 0);

    (void)state;
    data_done(data, data->ann, dict_do(space, VERB_DICT_SET, "x", "10"));
    data_done(data, data->ann, dict_do(space, VERB_DICT_SET, "y", "hello"));
    data_done(data, data->ann, dict_do(space, VERB_DICT_DELETE, "x", ""));
    data_refused(data, data->ann, dict_do(space, VERB_DICT_GET, "x", ""), MUSTER_ERR_NO_KEY);
    data_reload(data);
    assert_string_equal(dict_words(data, space), "y hello");
    data_try_open(data, data->ann, (struct msg_object_open){ .noun = NOUN_NAMESPACE, .b = 1,
                                       .name = slice_text("other") }, MUSTER_ERR_INVALID);
    data_free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deleted_key_comes_back_at_the_end),
        cmocka_unit_test(pages_survive_changes),
        cmocka_unit_test(keys_and_values_alone),
        cmocka_unit_test(popped_object_is_open),
        cmocka_unit_test(exchange_of_references),
        cmocka_unit_test(copy_stands_alone),
        cmocka_unit_test(transient_dict),
        cmocka_unit_test(namespace_is_a_dict),
    };
    int failed = STORIES("one request", cases, one_request);

    failed += STORIES("references", gone, reference_goes);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
