/* test_noun_dict.c - a shared dict keeps Python's order, guards writes, tells of changes
 *
 * Method: as test_noun_list.c.  What a dict holds is told as "key value key value".
 */
#include "data_world.h"

#include "dict_entries.h"

enum { KEYS = 1, VALUES = 2, BOTH = 3 };

static struct msg_object_do
dict_do(uint64_t dict, unsigned verb, const char *key, const char *value)
{
    return (struct msg_object_do){ .object = dict, .verb = (uint8_t)verb, .key = slice_text(key),
                                   .value = slice_text(value) };
}

static struct msg_object_do
dict_update(struct data *data, uint64_t dict, const char *words)
{
    struct msg_object_do m = dict_do(dict, VERB_DICT_UPDATE, "", "");

    m.a = data_block(data, words) / 2;
    m.value = buffer_slice(&data->block);
    return m;
}

static const char *
dict_words(struct data *data, uint64_t dict)
{
    struct msg_object_do   m = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct msg_object_done done;

    m.b = BOTH;
    done = data_done(data, data->ann, m);
    assert_int_equal(done.a, 0);
    return data_words(data, &done, (uint32_t)done.b, 2);
}

static uint64_t
dict_new_of(struct data *data, const char *name, const char *words)
{
    uint64_t dict = data_open(data, data->ann, NOUN_DICT, name, 0, 0);

    if (*words != 0)
        data_done(data, data->ann, dict_update(data, dict, words));
    return dict;
}

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
    told = data_do(data, data->ann, m);
    assert_false(told.nothing);
    assert_int_equal(told.error, row->error);
    assert_int_equal(told.done.a, row->answer_a);
    assert_int_equal(told.done.b, row->answer_b);
    assert_true(slice_equals_text(told.done.value, row->answer));
    assert_string_equal(dict_words(data, dict), after);
    data_restart(data);
    assert_string_equal(dict_words(data, dict), after);
    data_reload(data);
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

/* Two pairs of keys of the same hash. */
static void
keys_of_one_hash(void **state)
{
    static const char *const keys[4] = { "7mohtcOFVz", "c1E51sSEyx", "6a5x-VbtXk", "f_2k7GG-4v" };
    static const int         order[4] = { 0, 3, 2, 1 };   /* the older of a pair, the younger */
    struct data             *data = data_new();
    uint64_t                 dict = dict_new_of(data, "", "");

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(map_hash(slice_text(keys[i])) == map_hash(slice_text(keys[i ^ 1])));
        data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, keys[i], keys[i]));
    }
    for (int i = 0; i < 4; i++) {
        data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, keys[order[i]], ""));
        for (int j = 0; j < 4; j++) {
            struct told told = data_do(data, data->ann,
                                       dict_do(dict, VERB_DICT_GET, keys[order[j]], ""));

            assert_int_equal(told.error, j <= i ? MUSTER_ERR_NO_KEY : MUSTER_OK);
            assert_true(slice_equals_text(told.done.value, j <= i ? "" : keys[order[j]]));
        }
        data_reload(data);
    }
    assert_string_equal(dict_words(data, dict), "");
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

static struct msg_object_do
refer(struct data *data, uint64_t dict, unsigned verb, const char *key, uint64_t object)
{
    struct msg_object_do m = dict_do(dict, verb, key, "");

    m.value = data_u64(data, object);
    m.is_reference = 1;
    return m;
}

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

    data_done(data, data->ann, refer(data, dict, VERB_DICT_SET, "r", other));
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
    data_done(data, data->ann, refer(data, dict, VERB_DICT_SET, "r", other));
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
    data_done(data, data->ann, refer(data, dict, VERB_DICT_SET, "r", one));
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
    data_done(data, data->ann, refer(data, dict, VERB_DICT_SET, "r", other));
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
    data_refused(data, data->ann, refer(data, dict, VERB_DICT_SET, "r", other), MUSTER_ERR_STATE);
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

/* ---- guarded writes ---- */

static uint64_t
acquire(struct data *data, uint64_t session, uint64_t lock)
{
    return data_done(data, session, (struct msg_object_do){ .object = lock,
                                        .verb = VERB_LOCK_ACQUIRE, .thread = 1 }).a;
}

static void
release(struct data *data, uint64_t session, uint64_t lock)
{
    data_done(data, session, (struct msg_object_do){ .object = lock, .verb = VERB_LOCK_RELEASE,
                                                     .thread = 1 });
}

/* Every verb that writes. */
struct guard_case {
    const char *story;
    unsigned    verb;
    const char *key, *value;
};

static const struct guard_case guarded[] = {
    { "set can be guarded", VERB_DICT_SET, "a", "x" },
    { "delete can be guarded", VERB_DICT_DELETE, "a", "" },
    { "pop can be guarded", VERB_DICT_POP, "a", "" },
    { "setdefault can be guarded", VERB_DICT_SETDEFAULT, "c", "x" },
    { "update can be guarded", VERB_DICT_UPDATE, "", "a x c y" },
    { "clear can be guarded", VERB_DICT_CLEAR, "", "" },
    { "compare-and-set can be guarded", VERB_DICT_CAS, "a", "1 x" },
};

static void
guarded_write(void **state)
{
    const struct guard_case *row = *state;
    struct data             *data = data_new();
    uint64_t                 dict = dict_new_of(data, "dict", "a 1 b 2");
    uint64_t                 lock = data_open(data, data->ann, NOUN_LOCK, "lock", 0, 0);
    struct msg_object_do     m = dict_do(dict, row->verb, row->key, row->value);
    uint64_t                 old;

    if (row->verb == VERB_DICT_UPDATE)
        m = dict_update(data, dict, row->value);
    if (row->verb == VERB_DICT_CAS) {
        data_block(data, row->value);
        m.value = buffer_slice(&data->block);
    }
    m.c = lock;
    assert_true(data_open(data, data->bob, NOUN_LOCK, "lock", 0, 0) == lock);
    data_refused(data, data->ann, m, MUSTER_ERR_FENCED);       /* nobody holds it */
    old = m.d = acquire(data, data->ann, lock);
    release(data, data->ann, lock);
    data_refused(data, data->ann, m, MUSTER_ERR_FENCED);       /* not any more */
    m.d = acquire(data, data->bob, lock);
    assert_true(m.d > old);
    m.d = old;
    data_refused(data, data->ann, m, MUSTER_ERR_FENCED);       /* another one does */
    m.d = old + 1000;
    data_refused(data, data->ann, m, MUSTER_ERR_FENCED);
    release(data, data->bob, lock);
    m.d = acquire(data, data->ann, lock);
    data_restart(data);
    data_done(data, data->ann, m);
    assert_string_not_equal(dict_words(data, dict), "a 1 b 2");
    release(data, data->ann, lock);
    data_restart(data);            /* the fact stands, though the lock is free now */
    data_free(data);
}

static void
only_locks_guard(void **state)
{
    struct data         *data = data_new();
    uint64_t             dict = dict_new_of(data, "", "");
    struct msg_object_do m = dict_do(dict, VERB_DICT_SET, "a", "1");

    (void)state;
    m.c = data_open(data, data->ann, NOUN_SEMAPHORE, "", 1, 0);
    m.d = 1;
    data_refused(data, data->ann, m, MUSTER_ERR_TYPE);
    m.c = 999;
    data_refused(data, data->ann, m, MUSTER_ERR_NOT_FOUND);
    m.c = 0;
    data_refused(data, data->ann, m, MUSTER_ERR_NOT_FOUND);
    m.c = data_open(data, data->ann, NOUN_RLOCK, "", 0, 0);
    m.d = data_done(data, data->ann, (struct msg_object_do){ .object = m.c, .thread = 1,
                                         .verb = VERB_RLOCK_ACQUIRE }).a;
    data_done(data, data->ann, m);
    assert_string_equal(dict_words(data, dict), "a 1");
    data_free(data);
}

/* ---- watch ---- */

static struct msg_object_do
watch(uint64_t dict, uint64_t version, const char *key, uint32_t wait_ms)
{
    struct msg_object_do m = dict_do(dict, VERB_DICT_WATCH, key, "");

    m.a = version;
    m.wait_ms = wait_ms;
    return m;
}

/* The keys of a change, as words. */
static const char *
changed(struct data *data, const struct told *told, uint64_t version)
{
    struct slice none = told->done.value;

    assert_false(told->nothing);
    assert_int_equal(told->error, MUSTER_OK);
    assert_int_equal(told->done.a, version);
    assert_int_equal(told->done.c, 0);
    assert_int_equal(wire_block_check_values(none, (uint32_t)told->done.b), MUSTER_OK);
    buffer_clear(&data->text);
    for (uint32_t i = 0; i < told->done.b; i++)
        data_say(data, wire_block_item(none, i), false);
    return buffer_text(&data->text);
}

static void
changes_since_a_version(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "a 1 b 2");
    struct told  told = data_do(data, data->ann, watch(dict, 0, "", 0));
    uint64_t     version = told.done.a;

    (void)state;
    assert_int_equal(version, 2);
    assert_int_equal(told.done.c, 1);
    data_refused(data, data->ann, watch(dict, version, "", 0), MUSTER_ERR_TIMEOUT);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "a", "3"));
    data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, "b", ""));
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "a", "4"));
    told = data_do(data, data->ann, watch(dict, version, "", 0));
    assert_string_equal(changed(data, &told, version + 3), "b a");
    told = data_do(data, data->ann, watch(dict, version + 2, "", 0));
    assert_string_equal(changed(data, &told, version + 3), "a");
    told = data_do(data, data->ann, watch(dict, version, "b", 0));
    assert_string_equal(changed(data, &told, version + 3), "b");
    data_refused(data, data->ann, watch(dict, version, "c", 0), MUSTER_ERR_TIMEOUT);
    /* What changes nothing is no change. */
    data_refused(data, data->ann, dict_do(dict, VERB_DICT_DELETE, "b", ""), MUSTER_ERR_NO_KEY);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SETDEFAULT, "a", "5"));
    data_refused(data, data->ann, watch(dict, version + 3, "", 0), MUSTER_ERR_TIMEOUT);
    /* All keys at once are too many to tell. */
    data_done(data, data->ann, dict_do(dict, VERB_DICT_CLEAR, "", ""));
    told = data_do(data, data->ann, watch(dict, version + 3, "", 0));
    assert_int_equal(told.done.a, version + 4);
    assert_int_equal(told.done.c, 1);
    data_free(data);
}

static void
watchers_wait_for_their_keys(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "a 1 b 2");
    uint64_t     version = data_done(data, data->ann, watch(dict, 0, "", 0)).a;
    struct told  told;

    (void)state;
    assert_true(data_open(data, data->bob, NOUN_DICT, "dict", 0, 0) == dict);
    /* ann waits for b, bob behind her for a: the first does not hide the second. */
    assert_true(data_do(data, data->ann, watch(dict, version, "b", 60000)).nothing);
    assert_true(data_do(data, data->bob, watch(dict, version, "a", 60000)).nothing);
    data_step(data, data->ann, MSG_TYPE_OBJECT_DO,
              &(union wire_any){ .object_do = dict_do(dict, VERB_DICT_SET, "a", "x") });
    assert_int_equal(data_take(data, data->ann).error, MUSTER_OK);
    told = data_take(data, data->bob);
    assert_string_equal(changed(data, &told, version + 1), "a");
    data_turn(data);
    data_step(data, data->bob, MSG_TYPE_OBJECT_DO,
              &(union wire_any){ .object_do = dict_do(dict, VERB_DICT_POP, "b", "") });
    assert_int_equal(data_take(data, data->bob).error, MUSTER_OK);
    told = data_take(data, data->ann);
    assert_string_equal(changed(data, &told, version + 2), "b");
    data_turn(data);
    data_free(data);
}

static void
watch_ends_in_time(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "a 1");
    uint64_t     version = data_done(data, data->ann, watch(dict, 0, "", 0)).a;

    (void)state;
    assert_true(data_do(data, data->ann, watch(dict, version, "", 1000)).nothing);
    world_turn(data->world, 900);
    world_quiet(data->world);
    world_next(data->world);
    world_turn(data->world, 200);
    world_expect_error(data->world, MUSTER_ERR_TIMEOUT);
    world_quiet(data->world);
    data_free(data);
}

static void
watch_after_a_restart(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "a 1");
    uint64_t     version = data_done(data, data->ann, watch(dict, 0, "", 0)).a;
    struct told  told;

    (void)state;
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "a", "2"));
    data_reload(data);
    /* The version is known, what changed is not: read all.  And from then on as ever. */
    told = data_do(data, data->ann, watch(dict, version, "", 0));
    assert_int_equal(told.done.a, version + 1);
    assert_int_equal(told.done.c, 1);
    data_refused(data, data->ann, watch(dict, version + 1, "", 0), MUSTER_ERR_TIMEOUT);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "b", "2"));
    told = data_do(data, data->ann, watch(dict, version + 1, "", 0));
    assert_string_equal(changed(data, &told, version + 2), "b");
    data_free(data);
}

static void
more_changes_than_the_log_keeps(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "");
    uint64_t     version = data_done(data, data->ann, watch(dict, 0, "", 0)).a;
    uint32_t     changes = LOG_BYTES_MAX / (CHANGE_COST_BYTES + 4);
    struct told  told;
    char         key[8];

    (void)state;
    assert_in_range(changes, 1024, BLOCK_ITEMS_MAX);
    for (uint32_t i = 0; i <= changes; i++) {
        union wire_any m;

        snprintf(key, sizeof(key), "%04u", i);
        m.object_do = dict_do(dict, VERB_DICT_SET, key, "x");
        data_step(data, data->ann, MSG_TYPE_OBJECT_DO, &m);
        assert_int_equal(data_take(data, data->ann).error, MUSTER_OK);
        if (i % 512 == 511)
            data_step(data, data->ann, MSG_TYPE_OBJECT_SEEN,
                      &(union wire_any){ .object_seen = { .below = data->world->request } });
    }
    data_turn(data);
    told = data_do(data, data->ann, watch(dict, version + 1, "", 0));
    assert_int_equal(told.done.b, changes);
    assert_int_equal(told.done.c, 0);
    told = data_do(data, data->ann, watch(dict, version, "", 0));
    assert_int_equal(told.done.b, 0);
    assert_int_equal(told.done.c, 1);
    data_free(data);
}

/* ---- any order ---- */

enum { MODEL_KEYS = 600, STEPS = 6000 };

struct model {
    uint32_t keys[MODEL_KEYS];     /* in order */
    uint32_t values[MODEL_KEYS];
    uint32_t count;
    uint64_t seed;
};

static uint32_t
model_random(struct model *model, uint32_t below)
{
    model->seed = model->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(model->seed >> 33) % below;
}

static uint32_t
model_find(const struct model *model, uint32_t key)
{
    uint32_t at = 0;

    while (at < model->count && model->keys[at] != key)
        at++;
    return at;
}

static void
model_set(struct model *model, uint32_t key, uint32_t value)
{
    uint32_t at = model_find(model, key);

    model->keys[at] = key;
    model->values[at] = value;
    model->count += at == model->count;
}

static void
model_delete(struct model *model, uint32_t at)
{
    model->count--;
    memmove(model->keys + at, model->keys + at + 1, (model->count - at) * sizeof(uint32_t));
    memmove(model->values + at, model->values + at + 1, (model->count - at) * sizeof(uint32_t));
}

static void
change_one(struct data *data, struct model *model, uint64_t dict)
{
    uint32_t    key = model_random(model, MODEL_KEYS), value = model_random(model, 1000000);
    uint32_t    at = model_find(model, key);
    bool        there = at < model->count;
    char        key_text[16], value_text[16], was[16] = "";
    struct told told;

    snprintf(key_text, sizeof(key_text), "k%u", key);
    snprintf(value_text, sizeof(value_text), "%u", value);
    if (there)
        snprintf(was, sizeof(was), "%u", model->values[at]);
    switch (model_random(model, 4)) {
    case 0:
        data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, key_text, value_text));
        model_set(model, key, value);
        break;
    case 1:
        told = data_do(data, data->ann,
                       dict_do(dict, VERB_DICT_SETDEFAULT, key_text, value_text));
        assert_int_equal(told.done.a, there);
        assert_true(slice_equals_text(told.done.value, there ? was : value_text));
        if (!there)
            model_set(model, key, value);
        break;
    default:
        told = data_do(data, data->ann, dict_do(dict, VERB_DICT_POP, key_text, ""));
        assert_int_equal(told.error, there ? MUSTER_OK : MUSTER_ERR_NO_KEY);
        assert_true(slice_equals_text(told.done.value, was));
        if (there)
            model_delete(model, at);
    }
}

static void
change_many(struct data *data, struct model *model, uint64_t dict)
{
    char     words[4096] = "";
    size_t   used = 0;
    uint32_t count = 1 + model_random(model, 60);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = model_random(model, MODEL_KEYS), value = model_random(model, 1000000);

        used += (size_t)snprintf(words + used, sizeof(words) - used, "k%u %u ", key, value);
        model_set(model, key, value);
    }
    data_done(data, data->ann, dict_update(data, dict, words));
}

static void
model_compare(struct data *data, const struct model *model, uint64_t dict)
{
    struct msg_object_do   m = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct msg_object_done done;
    char                   text[16];

    m.b = BOTH;
    done = data_done(data, data->ann, m);
    assert_int_equal(done.b, model->count);
    for (uint32_t i = 0; i < model->count; i++) {
        snprintf(text, sizeof(text), "k%u", model->keys[i]);
        assert_true(slice_equals_text(wire_block_item(done.value, 2 * i), text));
        snprintf(text, sizeof(text), "%u", model->values[i]);
        assert_true(slice_equals_text(wire_block_item(done.value, 2 * i + 1), text));
    }
}

static void
as_a_model_does(void **state)
{
    struct data *data = data_new();
    struct model model = { .seed = 20240301 };
    uint64_t     dict = dict_new_of(data, "dict", "");

    (void)state;
    for (uint32_t step = 1; step <= STEPS; step++) {
        if (model_random(&model, 30) == 0)
            change_many(data, &model, dict);
        else
            change_one(data, &model, dict);
        if (model_random(&model, 1000) == 0) {
            data_done(data, data->ann, dict_do(dict, VERB_DICT_CLEAR, "", ""));
            model.count = 0;
        }
        if (step % 20 == 0)
            model_compare(data, &model, dict);
        if (step % 200 == 0)
            data_reload(data);
        else if (step % 1000 == 500)
            data_restart(data);
    }
    model_compare(data, &model, dict);
    data_free(data);
}

/* ---- pieces whose numbers are used again ---- */

/* The same dict after so many insertions more: its head in the store ends with the
 * last sequence number. */
static void
age(struct data *data, uint64_t dict, uint64_t last, uint64_t by)
{
    uint32_t       place = 0;
    struct buffer *head;
    struct buffer  before = { 0 };

    while (place < data->stored_count &&
           (data->stored[place].kind < 8 || data->stored[place].id != dict))
        place++;
    assert_true(place < data->stored_count);
    head = &data->stored[place].bytes;
    write_varint(&before, last);
    head->bytes -= before.bytes;
    assert_memory_equal(head->data + head->bytes, before.data, before.bytes);
    write_varint(head, last + by);
    buffer_free(&before);
}

/* A core from what is stored, without the mirror, which knows nothing of the age. */
static void
core_from_store(struct data *data)
{
    struct world  *world = data->world;
    struct core   *core = core_new(&world->config);
    union wire_any m;

    for (uint32_t i = 0; i < data->stored_count; i++)
        assert_int_equal(core_load(core, data->stored[i].kind, data->stored[i].id,
                                   buffer_slice(&data->stored[i].bytes)), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    core_free(world->core);
    world->core = core;
    effects_clear(&world->fx);
    world->sends_read = 0;
    core_start(core, world->now_ms, world_unix(world), &world->fx);
    core_turn(core, world->now_ms, world_unix(world), &world->fx);
    assert_true(world_hello(world, ROLE_CLIENT, "ann", data->ann, DATA_SECRET) == data->ann);
    world_expect(world, WELCOME, &m);
}

static struct told
step_alone(struct data *data, struct msg_object_do m)
{
    data_step(data, data->ann, MSG_TYPE_OBJECT_DO, &(union wire_any){ .object_do = m });
    return data_take(data, data->ann);
}

/* Entries first .. count-1 are old, two new ones come after 2^32 insertions. */
struct lap_case {
    const char *story;
    uint32_t    first, count;
    uint64_t    by;
};

static const struct lap_case laps[] = {
    { "old and new entries share a piece", 0, 10, (uint64_t)1 << 32 },
    { "pieces of new entries come before those of old ones", 300, 700,
      ((uint64_t)1 << 32) - 700 },
    { "a piece of new entries stands between old ones", 0, 700, ((uint64_t)1 << 32) - 300 },
};

static void
piece_numbers_come_again(void **state)
{
    const struct lap_case *row = *state;
    struct data           *data = data_new();
    uint64_t               dict = dict_new_of(data, "dict", "");
    struct msg_object_do   items = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct told            told;
    char                   words[10000] = "", key[16];
    size_t                 used = 0;

    for (uint32_t i = 0; i < row->count; i++)
        used += (size_t)snprintf(words + used, sizeof(words) - used, "k%u x ", i);
    data_done(data, data->ann, dict_update(data, dict, words));
    for (uint32_t i = 0; i < row->first; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, key, ""));
    }
    data_checkpoint(data);
    age(data, dict, row->count, row->by);
    core_from_store(data);
    assert_int_equal(step_alone(data, dict_do(dict, VERB_DICT_SET, "new", "1")).error, MUSTER_OK);
    assert_int_equal(step_alone(data, dict_do(dict, VERB_DICT_SET, "newer", "2")).error,
                     MUSTER_OK);
    data_checkpoint(data);
    core_from_store(data);
    items.b = KEYS;
    told = step_alone(data, items);
    assert_int_equal(told.done.b, row->count - row->first + 2);
    for (uint32_t i = 0; i < told.done.b; i++) {
        snprintf(key, sizeof(key), "k%u", row->first + i);
        if (row->first + i >= row->count)
            snprintf(key, sizeof(key), row->first + i == row->count ? "new" : "newer");
        assert_true(slice_equals_text(wire_block_item(told.done.value, i), key));
    }
    core_check(data->world->core);
    data_free(data);
}

/* A checkpoint writes what changed and little else. */
static void
checkpoint_writes_pieces(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "");
    char         words[40000];

    (void)state;
    for (int part = 0; part < 5; part++) {
        size_t used = 0;

        for (int i = 0; i < 2000; i++)
            used += (size_t)snprintf(words + used, sizeof(words) - used, "%d x ",
                                     part * 2000 + i);
        data_done(data, data->ann, dict_update(data, dict, words));
    }
    assert_in_range(data_checkpoint(data), 10000 / PIECE_ENTRIES, 10000 / PIECE_ENTRIES + 16);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "5000", "y"));
    assert_in_range(data_checkpoint(data), 1, 8);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, "10", ""));
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "new", "y"));
    assert_in_range(data_checkpoint(data), 1, 10);
    data_reload(data);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_CLEAR, "", ""));
    data_checkpoint(data);
    assert_in_range(data->stored_count, 1, 12);
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
        cmocka_unit_test(keys_of_one_hash),
        cmocka_unit_test(pages_survive_changes),
        cmocka_unit_test(keys_and_values_alone),
        cmocka_unit_test(popped_object_is_open),
        cmocka_unit_test(exchange_of_references),
        cmocka_unit_test(copy_stands_alone),
        cmocka_unit_test(transient_dict),
        cmocka_unit_test(only_locks_guard),
        cmocka_unit_test(changes_since_a_version),
        cmocka_unit_test(watchers_wait_for_their_keys),
        cmocka_unit_test(watch_ends_in_time),
        cmocka_unit_test(watch_after_a_restart),
        cmocka_unit_test(more_changes_than_the_log_keeps),
        cmocka_unit_test(as_a_model_does),
        cmocka_unit_test(checkpoint_writes_pieces),
        cmocka_unit_test(namespace_is_a_dict),
    };
    int failed = STORIES("one request", cases, one_request);

    failed += STORIES("references", gone, reference_goes);
    failed += STORIES("guards", guarded, guarded_write);
    failed += STORIES("pieces", laps, piece_numbers_come_again);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
