/* mirror_data.c - shared data: values, arrays, dicts, namespaces
 *
 * The statements are those of Python's multiprocessing, with what muster adds.
 */
#include "mirror.h"

/* ---- value ---- */

static struct muster_value *
integer(const char *name)
{
    const struct muster_open open = { .name = name };
    struct muster_value     *value = NULL;

    OK(muster_value_open(session, &open, MUSTER_INTEGER, NULL, 0, CALL_MS, &value, &error));
    return value;
}

static void
value_get_set(void)
{
    struct muster_value *value = integer(NULL);
    int64_t              number = 0;

    OK(muster_value_get_integer(value, CALL_MS, &number, &error));
    assert_int_equal(number, 0);
    OK(muster_value_set_integer(value, -7, CALL_MS, &error));
    OK(muster_value_get_integer(value, CALL_MS, &number, &error));
    assert_int_equal(number, -7);
    muster_value_close(value);
}

static void
value_types(void)
{
    struct muster_value *value = NULL;
    struct muster_bytes  bytes;
    double               number = 0;

    OK(muster_value_open(session, NULL, MUSTER_DOUBLE, NULL, 0, CALL_MS, &value, &error));
    OK(muster_value_set_double(value, 2.5, CALL_MS, &error));
    OK(muster_value_add_double(value, 0.25, CALL_MS, &number, &error));
    assert_true(number == 2.75);
    GIVES(MUSTER_ERR_TYPE, muster_value_set(value, "abc", 3, CALL_MS, &error));
    muster_value_close(value);
    OK(muster_value_open(session, NULL, MUSTER_BYTES, "first", 5, CALL_MS, &value, &error));
    OK(muster_value_get(value, CALL_MS, &bytes, &error));
    mirror_text(&bytes, "first");
    muster_bytes_free(&bytes);
    muster_value_close(value);
}

enum { ADDERS = 4, ADDS = 100 };

static void
add_many(void)
{
    struct muster_value *value = integer("counter");

    for (int i = 0; i < ADDS; i++)
        OK(muster_value_add_integer(value, 1, CALL_MS, NULL, &error));
    muster_value_close(value);
}

static void
value_add_is_atomic(void)
{
    struct muster_value *value = integer("counter");
    int64_t              number = 0;
    pid_t                pids[ADDERS];

    for (int i = 0; i < ADDERS; i++)
        pids[i] = mirror_program(add_many);
    for (int i = 0; i < ADDERS; i++)
        mirror_ended(pids[i]);
    OK(muster_value_get_integer(value, CALL_MS, &number, &error));
    assert_int_equal(number, ADDERS * ADDS);
    muster_value_close(value);
}

static void
value_overflow(void)
{
    struct muster_value *value = integer(NULL);
    int64_t              number = 0;

    OK(muster_value_set_integer(value, INT64_MAX, CALL_MS, &error));
    GIVES(MUSTER_ERR_RANGE, muster_value_add_integer(value, 1, CALL_MS, &number, &error));
    OK(muster_value_get_integer(value, CALL_MS, &number, &error));
    assert_true(number == INT64_MAX);
    muster_value_close(value);
}

static void
value_compare_and_set(void)
{
    struct muster_value *value = NULL;
    struct muster_bytes  now;
    bool                 exchanged = false;

    OK(muster_value_open(session, NULL, MUSTER_BYTES, "a", 1, CALL_MS, &value, &error));
    OK(muster_value_compare_and_set(value, "a", 1, "b", 1, CALL_MS, &exchanged, &now, &error));
    assert_true(exchanged);
    mirror_text(&now, "b");
    muster_bytes_free(&now);
    OK(muster_value_compare_and_set(value, "a", 1, "c", 1, CALL_MS, &exchanged, &now, &error));
    assert_false(exchanged);
    mirror_text(&now, "b");
    muster_bytes_free(&now);
    muster_value_close(value);
}

static void
value_get_lock(void)
{
    struct muster_value *value = integer("locked"), *again = integer("locked");
    struct muster_lock  *lock = NULL, *same = NULL;

    OK(muster_value_get_lock(value, CALL_MS, &lock, &error));
    OK(muster_value_get_lock(again, CALL_MS, &same, &error));
    assert_int_equal(muster_lock_object(lock), muster_lock_object(same));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_lock_acquire(same, CALL_MS, NULL, &error));     /* re-entrant */
    OK(muster_lock_release(lock, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    muster_lock_close(lock);
    muster_lock_close(same);
    muster_value_close(value);
    muster_value_close(again);
}

/* ---- array ---- */

static void
array_index_and_slice(void)
{
    static const int64_t numbers[] = { 1, 2, 3 };
    struct muster_array *array = NULL;
    int64_t              read[5], sum = 0;

    OK(muster_array_open(session, NULL, MUSTER_INTEGER, 5, CALL_MS, &array, &error));
    assert_int_equal(muster_array_len(array), 5);
    OK(muster_array_set(array, 1, 3, numbers, CALL_MS, &error));
    OK(muster_array_add_integer(array, 3, 10, CALL_MS, &sum, &error));
    assert_int_equal(sum, 13);
    OK(muster_array_get(array, 0, 5, read, CALL_MS, &error));
    assert_int_equal(read[0], 0);
    assert_int_equal(read[1], 1);
    assert_int_equal(read[3], 13);
    assert_int_equal(read[4], 0);
    muster_array_close(array);
}

static void
array_bounds(void)
{
    struct muster_array *array = NULL;
    int64_t              read[5];

    OK(muster_array_open(session, NULL, MUSTER_INTEGER, 5, CALL_MS, &array, &error));
    GIVES(MUSTER_ERR_RANGE, muster_array_get(array, 3, 3, read, CALL_MS, &error));
    GIVES(MUSTER_ERR_RANGE, muster_array_set(array, 5, 1, read, CALL_MS, &error));
    GIVES(MUSTER_ERR_RANGE, muster_array_add_integer(array, 9, 1, CALL_MS, NULL, &error));
    muster_array_close(array);
}

enum { LARGE_ARRAY = 200000 };       /* several requests */

static void
array_large(void)
{
    struct muster_array *array = NULL;
    double              *numbers = calloc(LARGE_ARRAY, sizeof(*numbers));
    double              *read = calloc(LARGE_ARRAY, sizeof(*read));

    for (int i = 0; i < LARGE_ARRAY; i++)
        numbers[i] = i / 3.0;
    OK(muster_array_open(session, NULL, MUSTER_DOUBLE, LARGE_ARRAY, CALL_MS, &array, &error));
    OK(muster_array_set(array, 0, LARGE_ARRAY, numbers, CALL_MS, &error));
    OK(muster_array_get(array, 0, LARGE_ARRAY, read, CALL_MS, &error));
    assert_memory_equal(numbers, read, LARGE_ARRAY * sizeof(*read));
    muster_array_close(array);
    free(numbers);
    free(read);
}

/* ---- dict ---- */

static struct muster_dict *
dict_open(const char *name)
{
    const struct muster_open open = { .name = name };
    struct muster_dict      *dict = NULL;

    OK(muster_dict_open(session, &open, CALL_MS, &dict, &error));
    return dict;
}

static void
dict_put(struct muster_dict *dict, const char *key, const char *value)
{
    const struct muster_cell cell = mirror_cell(value);

    OK(muster_dict_set(dict, muster_key(key), &cell, NULL, CALL_MS, &error));
}

static void
dict_has(struct muster_dict *dict, const char *key, const char *value)
{
    struct muster_bytes found;

    OK(muster_dict_get(dict, muster_key(key), CALL_MS, &found, &error));
    mirror_text(&found, value);
    muster_bytes_free(&found);
}

static void
dict_get_set_delete(void)
{
    struct muster_dict *dict = dict_open(NULL);
    struct muster_bytes value;
    bool                there = true;
    uint64_t            len = 0;

    dict_put(dict, "a", "1");
    dict_put(dict, "b", "2");
    dict_has(dict, "a", "1");
    OK(muster_dict_delete(dict, muster_key("a"), NULL, CALL_MS, &error));
    GIVES(MUSTER_ERR_NO_KEY, muster_dict_delete(dict, muster_key("a"), NULL, CALL_MS, &error));
    GIVES(MUSTER_ERR_NO_KEY, muster_dict_get(dict, muster_key("a"), CALL_MS, &value, &error));
    OK(muster_dict_contains(dict, muster_key("a"), CALL_MS, &there, &error));
    assert_false(there);
    OK(muster_dict_pop(dict, muster_key("b"), NULL, CALL_MS, &value, &error));
    mirror_text(&value, "2");
    muster_bytes_free(&value);
    OK(muster_dict_len(dict, CALL_MS, &len, &error));
    assert_int_equal(len, 0);
    muster_dict_close(dict);
}

static void
dict_setdefault(void)
{
    struct muster_dict      *dict = dict_open(NULL);
    const struct muster_cell one = mirror_cell("1"), two = mirror_cell("2");
    struct muster_bytes      value;
    bool                     existed = true;

    OK(muster_dict_setdefault(dict, muster_key("a"), &one, NULL, CALL_MS, &value, &existed,
                              &error));
    mirror_text(&value, "1");
    assert_false(existed);
    muster_bytes_free(&value);
    OK(muster_dict_setdefault(dict, muster_key("a"), &two, NULL, CALL_MS, &value, &existed,
                              &error));
    mirror_text(&value, "1");
    assert_true(existed);
    muster_bytes_free(&value);
    muster_dict_close(dict);
}

static void
dict_order(void)
{
    static const char *const order[] = { "b", "c", "a" }, *const values[] = { "9", "2", "3" };
    struct muster_dict      *dict = dict_open(NULL);
    struct muster_entry     *entries = NULL;
    size_t                   count = 0;

    dict_put(dict, "a", "0");
    dict_put(dict, "b", "1");
    dict_put(dict, "c", "2");
    dict_put(dict, "b", "9");                 /* keeps its place */
    OK(muster_dict_delete(dict, muster_key("a"), NULL, CALL_MS, &error));
    dict_put(dict, "a", "3");                 /* at the end now */
    OK(muster_dict_items(dict, CALL_MS, &entries, &count, &error));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        mirror_text(&entries[i].key, order[i]);
    for (size_t i = 0; i < count; i++)
        mirror_text(&entries[i].value, values[i]);
    muster_dict_free(entries, count);
    OK(muster_dict_keys(dict, CALL_MS, &entries, &count, &error));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        mirror_text(&entries[i].key, order[i]);
    muster_dict_free(entries, count);
    muster_dict_close(dict);
}

enum { MANY = 5000 };

static void
dict_update_copy_clear(void)
{
    struct muster_dict        *dict = dict_open(NULL), *copy = NULL;
    const struct muster_update two[] = { { muster_key("a"), "1", 1 }, { muster_key("b"), "2", 1 } };
    struct muster_update       pair[] = { { .data = "x", .bytes = 1 },
                                          { .data = "y", .bytes = 1 } };
    struct muster_entry       *entries = NULL;
    uint64_t                   len = 1;
    size_t                     count = 0;
    char                       key[32];

    OK(muster_dict_update(dict, two, 2, NULL, CALL_MS, &error));
    OK(muster_dict_copy(dict, CALL_MS, &copy, &error));
    OK(muster_dict_clear(dict, NULL, CALL_MS, &error));
    OK(muster_dict_len(dict, CALL_MS, &len, &error));
    assert_int_equal(len, 0);
    dict_has(copy, "b", "2");
    for (int i = 0; i < MANY; i += 2) {
        char first[32], second[32];

        snprintf(first, sizeof(first), "key %d", i);
        snprintf(second, sizeof(second), "key %d", i + 1);
        pair[0].key = muster_key(first);
        pair[1].key = muster_key(second);
        OK(muster_dict_update(dict, pair, 2, NULL, CALL_MS, &error));
    }
    OK(muster_dict_keys(dict, CALL_MS, &entries, &count, &error));
    assert_int_equal(count, MANY);
    for (size_t i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "key %zu", i);
        mirror_text(&entries[i].key, key);
    }
    muster_dict_free(entries, count);
    muster_dict_close(copy);
    muster_dict_close(dict);
}

static void
dict_compare_and_set(void)
{
    struct muster_dict      *dict = dict_open(NULL);
    const struct muster_cell one = mirror_cell("1"), two = mirror_cell("2");
    struct muster_bytes      now;
    bool                     exchanged = false;

    OK(muster_dict_compare_and_set(dict, muster_key("a"), NULL, &one, NULL, CALL_MS, &exchanged,
                                   &now, &error));
    assert_true(exchanged);
    muster_bytes_free(&now);
    OK(muster_dict_compare_and_set(dict, muster_key("a"), NULL, &two, NULL, CALL_MS, &exchanged,
                                   &now, &error));
    assert_false(exchanged);
    mirror_text(&now, "1");
    muster_bytes_free(&now);
    OK(muster_dict_compare_and_set(dict, muster_key("a"), &one, &two, NULL, CALL_MS, &exchanged,
                                   NULL, &error));
    assert_true(exchanged);
    dict_has(dict, "a", "2");
    muster_dict_close(dict);
}

static void
dict_guarded(void)
{
    const struct muster_open open = { .name = "guard" };
    struct muster_dict      *dict = dict_open(NULL);
    const struct muster_cell one = mirror_cell("1");
    struct muster_lock      *lock = NULL;
    struct muster_guard      guard = { 0 };

    OK(muster_lock_open(session, &open, CALL_MS, &lock, &error));
    OK(muster_lock_acquire(lock, CALL_MS, &guard.token, &error));
    guard.lock = lock;
    OK(muster_dict_set(dict, muster_key("a"), &one, &guard, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    GIVES(MUSTER_ERR_FENCED, muster_dict_set(dict, muster_key("a"), &one, &guard, CALL_MS, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));      /* with a newer token */
    GIVES(MUSTER_ERR_FENCED, muster_dict_clear(dict, &guard, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    muster_lock_close(lock);
    muster_dict_close(dict);
}

static void
change_watched(void)
{
    struct muster_dict *dict = dict_open("watched");

    dict_put(dict, "other", "1");
    dict_put(dict, "key", "1");
    muster_dict_close(dict);
}

static void
dict_watch(void)
{
    struct muster_dict     *dict = dict_open("watched");
    const struct muster_key key = muster_key("key");
    struct muster_changes   changes;
    uint64_t                version;
    pid_t                   pid;

    OK(muster_dict_watch(dict, 0, NULL, CALL_MS, &changes, &error));
    version = changes.version;
    muster_changes_free(&changes);
    GIVES(MUSTER_ERR_TIMEOUT, muster_dict_watch(dict, version, NULL, SOON_MS, &changes, &error));
    pid = mirror_program(change_watched);
    OK(muster_dict_watch(dict, version, &key, CALL_MS, &changes, &error));
    assert_int_equal(changes.count, 1);
    mirror_text(&changes.keys[0], "key");
    assert_true(changes.version > version);
    muster_changes_free(&changes);
    mirror_ended(pid);
    muster_dict_close(dict);
}

/* ---- namespace ---- */

static void
namespace_attributes(void)
{
    const struct muster_cell red = mirror_cell("red"), big = mirror_cell("big");
    struct muster_namespace *space = NULL;
    struct muster_entry     *entries = NULL;
    struct muster_bytes      value;
    size_t                   count = 0;

    OK(muster_namespace_open(session, NULL, CALL_MS, &space, &error));
    OK(muster_namespace_set(space, "colour", &red, CALL_MS, &error));
    OK(muster_namespace_set(space, "size", &big, CALL_MS, &error));
    OK(muster_namespace_get(space, "colour", CALL_MS, &value, &error));
    mirror_text(&value, "red");
    muster_bytes_free(&value);
    OK(muster_namespace_list(space, CALL_MS, &entries, &count, &error));
    assert_int_equal(count, 2);
    mirror_text(&entries[1].key, "size");
    muster_dict_free(entries, count);
    OK(muster_namespace_delete(space, "size", CALL_MS, &error));
    GIVES(MUSTER_ERR_NO_KEY, muster_namespace_get(space, "size", CALL_MS, &value, &error));
    muster_namespace_close(space);
}

/* ---- nesting, life ---- */

static void
nesting(void)
{
    struct muster_dict *outer = dict_open(NULL), *inner = dict_open(NULL);
    struct muster_open  open = { 0 };
    struct muster_cell  cell = { .object = muster_dict_object(inner) };
    struct muster_bytes value;

    dict_put(inner, "deep", "here");
    OK(muster_dict_set(outer, muster_key("inner"), &cell, NULL, CALL_MS, &error));
    muster_dict_close(inner);                 /* the reference keeps it */
    OK(muster_dict_get(outer, muster_key("inner"), CALL_MS, &value, &error));
    assert_int_equal(value.object, cell.object);
    open.object = value.object;
    muster_bytes_free(&value);
    OK(muster_dict_open(session, &open, CALL_MS, &inner, &error));
    dict_has(inner, "deep", "here");
    muster_dict_close(inner);
    OK(muster_dict_delete(outer, muster_key("inner"), NULL, CALL_MS, &error));
    GIVES(MUSTER_ERR_NOT_FOUND, muster_dict_open(session, &open, CALL_MS, &inner, &error));
    muster_dict_close(outer);
}

/* A list in a list, whose only reference is in a namespace. */
static void
nesting_deeper(void)
{
    struct muster_namespace *space = NULL;
    struct muster_list      *middle = NULL;
    struct muster_value     *leaf = integer(NULL);
    struct muster_cell       cell = { .object = muster_value_object(leaf) };
    struct muster_open       open = { 0 };
    struct muster_bytes      found;
    int64_t                  number = 0;

    OK(muster_value_set_integer(leaf, 42, CALL_MS, &error));
    OK(muster_namespace_open(session, NULL, CALL_MS, &space, &error));
    OK(muster_list_open(session, NULL, CALL_MS, &middle, &error));
    OK(muster_list_append(middle, &cell, CALL_MS, &error));
    cell.object = muster_list_object(middle);
    OK(muster_namespace_set(space, "list", &cell, CALL_MS, &error));
    muster_value_close(leaf);
    muster_list_close(middle);
    OK(muster_namespace_get(space, "list", CALL_MS, &found, &error));
    open.object = found.object;
    muster_bytes_free(&found);
    OK(muster_list_open(session, &open, CALL_MS, &middle, &error));
    OK(muster_list_get(middle, 0, CALL_MS, &found, &error));
    open.object = found.object;
    muster_bytes_free(&found);
    muster_list_close(middle);
    OK(muster_value_open(session, &open, MUSTER_INTEGER, NULL, 0, CALL_MS, &leaf, &error));
    OK(muster_value_get_integer(leaf, CALL_MS, &number, &error));
    assert_int_equal(number, 42);
    muster_value_close(leaf);
    muster_namespace_close(space);           /* and all below it goes, too */
    GIVES(MUSTER_ERR_NOT_FOUND,
          muster_value_open(session, &open, MUSTER_INTEGER, NULL, 0, CALL_MS, &leaf, &error));
}

static void
anonymous_vanish(void)
{
    struct muster_session *mine = session, *first = mirror_session(), *second = mirror_session();
    struct muster_dict    *dict, *same = NULL;
    struct muster_open     open = { 0 };

    session = first;
    dict = dict_open(NULL);
    dict_put(dict, "a", "1");
    open.object = muster_dict_object(dict);
    OK(muster_dict_open(second, &open, CALL_MS, &same, &error));
    muster_dict_close(dict);
    muster_session_close(first);
    dict_has(same, "a", "1");                /* the second still refers to it */
    muster_dict_close(same);
    muster_session_close(second);
    session = mine;
    GIVES(MUSTER_ERR_NOT_FOUND, muster_dict_open(session, &open, CALL_MS, &dict, &error));
}

static void
named_stay(void)
{
    struct muster_session *mine = session;
    struct muster_dict    *dict;
    const struct muster_open open = { .name = "stays", .mode = MUSTER_OPEN_OLD };

    session = mirror_session();
    dict = dict_open("stays");
    dict_put(dict, "a", "1");
    muster_dict_close(dict);
    muster_session_close(session);
    session = mine;
    OK(muster_dict_open(session, &open, CALL_MS, &dict, &error));
    dict_has(dict, "a", "1");
    muster_dict_close(dict);
    OK(muster_object_delete(session, MUSTER_DICT, "stays", CALL_MS, &error));
    GIVES(MUSTER_ERR_NOT_FOUND, muster_dict_open(session, &open, CALL_MS, &dict, &error));
}

static void
open_modes(void)
{
    const struct muster_open fresh = { .name = "fresh", .mode = MUSTER_OPEN_NEW };
    const struct muster_open any = { .name = "fresh" };
    struct muster_dict      *dict = NULL, *same = NULL;
    struct muster_list      *list = NULL;

    OK(muster_dict_open(session, &fresh, CALL_MS, &dict, &error));
    GIVES(MUSTER_ERR_EXISTS, muster_dict_open(session, &fresh, CALL_MS, &same, &error));
    GIVES(MUSTER_ERR_TYPE, muster_list_open(session, &any, CALL_MS, &list, &error));
    OK(muster_dict_open(session, &any, CALL_MS, &same, &error));
    assert_int_equal(muster_dict_object(dict), muster_dict_object(same));
    muster_dict_close(dict);
    dict_put(same, "a", "1");                 /* the other handle is good */
    muster_dict_close(same);
}

static const struct statement statements[] = {
    { "Value(type, v): get, set", value_get_set },
    { "Value(type, v): typed 64-bit integer, double or bytes", value_types },
    { "Value: atomic add, so += is atomic", value_add_is_atomic },
    { "Value: an add that would overflow changes nothing", value_overflow },
    { "Value: compare-and-set", value_compare_and_set },
    { "Value: get_lock is one re-entrant lock of the value", value_get_lock },
    { "Array(type, n): typed, index and slice get/set, len", array_index_and_slice },
    { "Array: bounds error", array_bounds },
    { "Array: a slice of any length", array_large },
    { "dict: get, set, del, pop, contains, len", dict_get_set_delete },
    { "dict: setdefault", dict_setdefault },
    { "dict: keys/values/items in insertion order", dict_order },
    { "dict: update, copy, clear, keys, len", dict_update_copy_clear },
    { "dict: compare-and-set", dict_compare_and_set },
    { "dict: guarded writes: only with the current fencing token of a named lock", dict_guarded },
    { "dict: watch tells of changes", dict_watch },
    { "Namespace: named attributes: get, set, del, list", namespace_attributes },
    { "nesting: a value may be a reference to another shared object; the referent lives as long as "
      "a reference does", nesting },
    { "nesting: through lists and namespaces, to any depth", nesting_deeper },
    { "lifetime: anonymous objects vanish when the last session that refers to them ends",
      anonymous_vanish },
    { "lifetime: named ones stay until deleted", named_stay },
    { "open: any, new, old; another noun is an error", open_modes },
};

int
main(void)
{
    return MIRROR("shared data", statements);
}
