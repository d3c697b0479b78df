/* dict.c - shared dictionaries (see dict.h) */
#include "dict.h"

#include <stdlib.h>

/* ---- requests: what a dict and a namespace share ---- */

static void
dict_guard(struct msg_object_do *m, const struct muster_guard *guard)
{
    if (guard == NULL)
        return;
    m->c = muster_lock_object(guard->lock);
    m->d = guard->token;
}

muster_err
dict_get(struct handle *handle, struct slice key, uint32_t timeout_ms,
         struct muster_bytes *value_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_DICT_GET, .key = key };

    return handle_do_bytes(handle, &m, timeout_ms, value_out, error);
}

muster_err
dict_set(struct handle *handle, struct slice key, const struct muster_cell *value,
         const struct muster_guard *guard, uint32_t timeout_ms, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_SET, .key = key };
    struct cell_in       cell;

    cell_in(&cell, value);
    m.is_reference = cell.is_reference;
    m.value = cell.value;
    dict_guard(&m, guard);
    return handle_do_plain(handle, &m, timeout_ms, error);
}

muster_err
dict_delete(struct handle *handle, struct slice key, const struct muster_guard *guard,
            uint32_t timeout_ms, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_DELETE, .key = key };

    dict_guard(&m, guard);
    return handle_do_plain(handle, &m, timeout_ms, error);
}

/* ---- pages of entries ---- */

enum { WANT_KEYS = 1, WANT_BOTH = 3 };

struct dict_entries {
    struct muster_entry *entries;
    uint32_t             count, capacity;
};

/* The block of one page: key, value, key, value ..., or keys alone; a byte in `kinds`
 * for each value. */
static muster_err
dict_take_page(const struct msg_object_done *done, uint64_t want, struct dict_entries *all,
               struct muster_error *error)
{
    uint32_t each = want == WANT_BOTH ? 2 : 1;

    if (done->b > (UINT32_MAX - all->count) / each ||
        (want == WANT_BOTH && done->key.bytes != done->b) ||
        wire_block_check_values(done->value, (uint32_t)done->b * each) != MUSTER_OK)
        return error_set(error, MUSTER_ERR_INTERNAL, "the manager's entries do not add up");
    base_grow((void **)&all->entries, &all->capacity, all->count + (uint32_t)done->b,
              sizeof(*all->entries));
    for (uint32_t i = 0; i < done->b; i++) {
        struct muster_entry *entry = &all->entries[all->count++];

        *entry = (struct muster_entry){ 0 };
        bytes_of_cell(wire_block_item(done->value, i * each), false, &entry->key);
        if (want == WANT_BOTH)
            bytes_of_cell(wire_block_item(done->value, i * each + 1),
                          ((const uint8_t *)done->key.data)[i] != 0, &entry->value);
    }
    return MUSTER_OK;
}

static muster_err
dict_list(struct handle *handle, uint64_t want, uint32_t timeout_ms,
          struct muster_entry **entries_out, size_t *count_out, struct muster_error *error)
{
    struct dict_entries  all = { 0 };
    struct msg_object_do m = { .verb = VERB_DICT_ITEMS, .b = want };
    muster_err           err = MUSTER_OK;

    do {
        struct ask answer;

        err = handle_do(handle, &m, timeout_ms, &answer, error);
        if (err)
            break;
        err = dict_take_page(&answer.m.object_done, want, &all, error);
        m.a = answer.m.object_done.a;
        ask_free(&answer);
    } while (!err && m.a != 0);
    if (err) {
        muster_dict_free(all.entries, all.count);
        return err;
    }
    *entries_out = all.entries;
    *count_out = all.count;
    return MUSTER_OK;
}

muster_err
dict_items(struct handle *handle, uint32_t timeout_ms, struct muster_entry **entries_out,
           size_t *count_out, struct muster_error *error)
{
    return dict_list(handle, WANT_BOTH, timeout_ms, entries_out, count_out, error);
}

void
muster_dict_free(struct muster_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        muster_bytes_free(&entries[i].key);
        muster_bytes_free(&entries[i].value);
    }
    free(entries);
}

/* ---- the dict ---- */

struct muster_dict {
    struct handle handle;
};

static struct slice
dict_key(struct muster_key key)
{
    return slice_of(key.data, key.bytes);
}

muster_err
muster_dict_open(struct muster_session *session, const struct muster_open *open,
                 uint32_t timeout_ms, struct muster_dict **dict_out, struct muster_error *error)
{
    struct muster_dict *dict = base_alloc(sizeof(*dict));
    muster_err          err = handle_open(session, NOUN_DICT, open, 0, 0, slice_of(NULL, 0),
                                          timeout_ms, &dict->handle, NULL, error);

    if (err) {
        free(dict);
        return err;
    }
    *dict_out = dict;
    return MUSTER_OK;
}

void
muster_dict_close(struct muster_dict *dict)
{
    if (dict == NULL)
        return;
    handle_close(&dict->handle);
    free(dict);
}

uint64_t
muster_dict_object(const struct muster_dict *dict)
{
    return dict->handle.object;
}

muster_err
muster_dict_get(struct muster_dict *dict, struct muster_key key, uint32_t timeout_ms,
                struct muster_bytes *value_out, struct muster_error *error)
{
    return dict_get(&dict->handle, dict_key(key), timeout_ms, value_out, error);
}

muster_err
muster_dict_set(struct muster_dict *dict, struct muster_key key, const struct muster_cell *value,
                const struct muster_guard *guard, uint32_t timeout_ms, struct muster_error *error)
{
    return dict_set(&dict->handle, dict_key(key), value, guard, timeout_ms, error);
}

muster_err
muster_dict_delete(struct muster_dict *dict, struct muster_key key,
                   const struct muster_guard *guard, uint32_t timeout_ms,
                   struct muster_error *error)
{
    return dict_delete(&dict->handle, dict_key(key), guard, timeout_ms, error);
}

muster_err
muster_dict_pop(struct muster_dict *dict, struct muster_key key, const struct muster_guard *guard,
                uint32_t timeout_ms, struct muster_bytes *value_out, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_POP, .key = dict_key(key) };

    dict_guard(&m, guard);
    return handle_do_bytes(&dict->handle, &m, timeout_ms, value_out, error);
}

muster_err
muster_dict_setdefault(struct muster_dict *dict, struct muster_key key,
                       const struct muster_cell *value, const struct muster_guard *guard,
                       uint32_t timeout_ms, struct muster_bytes *value_out, bool *existed_out,
                       struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_SETDEFAULT, .key = dict_key(key) };
    struct cell_in       cell;
    struct ask           answer;
    muster_err           err;

    cell_in(&cell, value);
    m.is_reference = cell.is_reference;
    m.value = cell.value;
    dict_guard(&m, guard);
    err = handle_do(&dict->handle, &m, timeout_ms, &answer, error);
    if (err)
        return err;
    bytes_of_answer(&answer.m.object_done, value_out);
    if (existed_out != NULL)
        *existed_out = answer.m.object_done.a == 1;
    ask_free(&answer);
    return MUSTER_OK;
}

muster_err
muster_dict_contains(struct muster_dict *dict, struct muster_key key, uint32_t timeout_ms,
                     bool *there_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_DICT_CONTAINS, .key = dict_key(key) };
    uint64_t                   there;
    muster_err err = handle_do_number(&dict->handle, &m, timeout_ms, &there, error);

    if (!err)
        *there_out = there == 1;
    return err;
}

muster_err
muster_dict_items(struct muster_dict *dict, uint32_t timeout_ms, struct muster_entry **entries_out,
                  size_t *count_out, struct muster_error *error)
{
    CALL_SCOPE(dict->handle.session);

    return dict_items(&dict->handle, timeout_ms, entries_out, count_out, error);
}

muster_err
muster_dict_keys(struct muster_dict *dict, uint32_t timeout_ms, struct muster_entry **entries_out,
                 size_t *count_out, struct muster_error *error)
{
    CALL_SCOPE(dict->handle.session);

    return dict_list(&dict->handle, WANT_KEYS, timeout_ms, entries_out, count_out, error);
}

muster_err
muster_dict_update(struct muster_dict *dict, const struct muster_update *updates, size_t count,
                   const struct muster_guard *guard, uint32_t timeout_ms,
                   struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_UPDATE, .a = count };
    struct wire_block    block = { 0 };
    struct buffer        bytes = { 0 };
    muster_err           err = MUSTER_OK;

    for (size_t i = 0; !err && i < count; i++) {
        if (!wire_block_add_value(&block, dict_key(updates[i].key)) ||
            !wire_block_add_value(&block, slice_of(updates[i].data, updates[i].bytes)))
            err = error_set(error, MUSTER_ERR_TOO_LARGE,
                            "%zu entries do not fit one update; make several", count);
    }
    if (!err) {
        wire_block_put(&bytes, &block);
        m.value = buffer_slice(&bytes);
        dict_guard(&m, guard);
        err = handle_do_plain(&dict->handle, &m, timeout_ms, error);
    }
    wire_block_free(&block);
    buffer_free(&bytes);
    return err;
}

muster_err
muster_dict_len(struct muster_dict *dict, uint32_t timeout_ms, uint64_t *len_out,
                struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_DICT_LEN };

    return handle_do_number(&dict->handle, &m, timeout_ms, len_out, error);
}

muster_err
muster_dict_clear(struct muster_dict *dict, const struct muster_guard *guard, uint32_t timeout_ms,
                  struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_CLEAR };

    dict_guard(&m, guard);
    return handle_do_plain(&dict->handle, &m, timeout_ms, error);
}

muster_err
muster_dict_copy(struct muster_dict *dict, uint32_t timeout_ms, struct muster_dict **copy_out,
                 struct muster_error *error)
{
    CALL_SCOPE(dict->handle.session);
    const struct msg_object_do m = { .verb = VERB_DICT_COPY };
    struct muster_open         open = { 0 };
    muster_err err = handle_do_number(&dict->handle, &m, timeout_ms, &open.object, error);

    return err ? err : muster_dict_open(dict->handle.session, &open, timeout_ms, copy_out, error);
}

/* ---- compare and set ---- */

enum { EXPECTED_IS_REFERENCE = 1, NEW_IS_REFERENCE = 2 };

muster_err
muster_dict_compare_and_set(struct muster_dict *dict, struct muster_key key,
                            const struct muster_cell *expected, const struct muster_cell *value,
                            const struct muster_guard *guard, uint32_t timeout_ms,
                            bool *exchanged_out, struct muster_bytes *now_out,
                            struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_DICT_CAS, .key = dict_key(key), .a = expected == NULL };
    struct cell_in       cells[2];
    struct buffer        block = { 0 };
    struct ask           answer;
    muster_err           err;

    cell_in(&cells[0], expected != NULL ? expected : &(struct muster_cell){ 0 });
    cell_in(&cells[1], value);
    m.b = (cells[0].is_reference ? EXPECTED_IS_REFERENCE : 0) |
          (cells[1].is_reference ? NEW_IS_REFERENCE : 0);
    dict_guard(&m, guard);
    err = block_of((struct slice[]){ cells[0].value, cells[1].value }, 2, &block, error);
    if (!err) {
        m.value = buffer_slice(&block);
        err = handle_do(&dict->handle, &m, timeout_ms, &answer, error);
    }
    buffer_free(&block);
    if (err)
        return err;
    *exchanged_out = answer.m.object_done.a == 1;
    if (now_out != NULL) {
        *now_out = (struct muster_bytes){ 0 };
        if (answer.m.object_done.b == 1)
            bytes_of_answer(&answer.m.object_done, now_out);
    }
    ask_free(&answer);
    return MUSTER_OK;
}

/* ---- changes ---- */

muster_err
muster_dict_watch(struct muster_dict *dict, uint64_t version, const struct muster_key *key,
                  uint32_t timeout_ms, struct muster_changes *changes_out,
                  struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_DICT_WATCH, .a = version,
                                     .key = key != NULL ? dict_key(*key) : slice_of(NULL, 0) };
    const struct msg_object_done *done;
    struct muster_changes         changes = { 0 };
    struct ask                    answer;
    muster_err err = handle_do(&dict->handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    done = &answer.m.object_done;
    changes.version = done->a;
    changes.all = done->c == 1;
    if (done->b > UINT32_MAX ||
        (done->b > 0 && wire_block_check_values(done->value, (uint32_t)done->b) != MUSTER_OK)) {
        err = error_set(error, MUSTER_ERR_INTERNAL, "the manager's changes do not add up");
    } else {
        changes.keys = base_array(done->b, sizeof(*changes.keys));
        for (; changes.count < done->b; changes.count++)
            bytes_of_cell(wire_block_item(done->value, (uint32_t)changes.count), false,
                          &changes.keys[changes.count]);
        *changes_out = changes;
    }
    ask_free(&answer);
    return err;
}

void
muster_changes_free(struct muster_changes *changes)
{
    muster_list_free(changes->keys, changes->count);
    *changes = (struct muster_changes){ 0 };
}
