/* test_dict_watch.c - writes that a lock guards, and changes that are watched
 *
 * Method: one session writes, with and without the token of a lock; the same one
 * and another wait for the keys that changed.
 */
#include "data_nouns.h"

#include "dict_entries.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_locks_guard),
        cmocka_unit_test(changes_since_a_version),
        cmocka_unit_test(watchers_wait_for_their_keys),
        cmocka_unit_test(watch_ends_in_time),
        cmocka_unit_test(watch_after_a_restart),
        cmocka_unit_test(more_changes_than_the_log_keeps),
    };
    int failed = STORIES("guards", guarded, guarded_write);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
