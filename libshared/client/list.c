/* list.c - shared lists (see list.h) */
#include "cell.h"

#include <stdlib.h>

struct muster_list {
    struct handle handle;
};

muster_err
muster_list_open(struct muster_session *session, const struct muster_open *open,
                 uint32_t timeout_ms, struct muster_list **list_out, struct muster_error *error)
{
    struct muster_list *list = base_alloc(sizeof(*list));
    muster_err          err = handle_open(session, NOUN_LIST, open, 0, 0, slice_of(NULL, 0),
                                          timeout_ms, &list->handle, NULL, error);

    if (err) {
        free(list);
        return err;
    }
    *list_out = list;
    return MUSTER_OK;
}

void
muster_list_close(struct muster_list *list)
{
    if (list == NULL)
        return;
    handle_close(&list->handle);
    free(list);
}

uint64_t
muster_list_object(const struct muster_list *list)
{
    return list->handle.object;
}

/* ---- one item ---- */

static muster_err
list_put(struct muster_list *list, uint8_t verb, int64_t index, const struct muster_cell *item,
         uint32_t timeout_ms, struct muster_error *error)
{
    struct msg_object_do m = { .verb = verb, .a = (uint64_t)index };
    struct cell_in       cell;

    cell_in(&cell, item);
    m.is_reference = cell.is_reference;
    m.value = cell.value;
    return handle_do_plain(&list->handle, &m, timeout_ms, error);
}

muster_err
muster_list_append(struct muster_list *list, const struct muster_cell *item, uint32_t timeout_ms,
                   struct muster_error *error)
{
    return list_put(list, VERB_LIST_APPEND, 0, item, timeout_ms, error);
}

muster_err
muster_list_insert(struct muster_list *list, int64_t index, const struct muster_cell *item,
                   uint32_t timeout_ms, struct muster_error *error)
{
    return list_put(list, VERB_LIST_INSERT, index, item, timeout_ms, error);
}

muster_err
muster_list_set(struct muster_list *list, int64_t index, const struct muster_cell *item,
                uint32_t timeout_ms, struct muster_error *error)
{
    return list_put(list, VERB_LIST_SET, index, item, timeout_ms, error);
}

muster_err
muster_list_pop(struct muster_list *list, int64_t index, uint32_t timeout_ms,
                struct muster_bytes *item_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_POP, .a = (uint64_t)index };

    return handle_do_bytes(&list->handle, &m, timeout_ms, item_out, error);
}

muster_err
muster_list_get(struct muster_list *list, int64_t index, uint32_t timeout_ms,
                struct muster_bytes *item_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_GET, .a = (uint64_t)index };

    return handle_do_bytes(&list->handle, &m, timeout_ms, item_out, error);
}

muster_err
muster_list_delete(struct muster_list *list, int64_t index, uint32_t timeout_ms,
                   struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_DELETE, .a = (uint64_t)index };

    return handle_do_plain(&list->handle, &m, timeout_ms, error);
}

/* ---- by value ---- */

muster_err
muster_list_remove(struct muster_list *list, const void *data, size_t bytes, uint32_t timeout_ms,
                   struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_REMOVE, .value = slice_of(data, bytes) };

    return handle_do_plain(&list->handle, &m, timeout_ms, error);
}

muster_err
muster_list_index(struct muster_list *list, const void *data, size_t bytes, int64_t start,
                  int64_t stop, uint32_t timeout_ms, uint64_t *index_out,
                  struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_INDEX, .a = (uint64_t)start,
                                     .b = (uint64_t)stop, .value = slice_of(data, bytes) };

    return handle_do_number(&list->handle, &m, timeout_ms, index_out, error);
}

muster_err
muster_list_count(struct muster_list *list, const void *data, size_t bytes, uint32_t timeout_ms,
                  uint64_t *count_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_COUNT, .value = slice_of(data, bytes) };

    return handle_do_number(&list->handle, &m, timeout_ms, count_out, error);
}

/* ---- many ---- */

/* As many of the items as fit one request, at least one: a block, and for each a byte
 * that says whether it is a reference. */
static muster_err
list_block(const struct muster_cell *items, size_t count, struct buffer *block_out,
           struct buffer *kinds_out, struct muster_error *error)
{
    struct wire_block block = { 0 };
    muster_err        err = MUSTER_OK;

    for (size_t i = 0; i < count && kinds_out->bytes < KEY_BYTES_MAX; i++) {
        struct cell_in cell;

        cell_in(&cell, &items[i]);
        if (cell.value.bytes > VALUE_BYTES_MAX)
            err = error_set(error, MUSTER_ERR_TOO_LARGE, "item %zu has %zu bytes, at most %u fit",
                            i, cell.value.bytes, VALUE_BYTES_MAX);
        if (err || !wire_block_add_value(&block, cell.value))
            break;
        write_u8(kinds_out, cell.is_reference);
    }
    if (!err)
        wire_block_put(block_out, &block);
    wire_block_free(&block);
    return err;
}

muster_err
muster_list_extend(struct muster_list *list, const struct muster_cell *items, size_t count,
                   uint32_t timeout_ms, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    for (size_t done = 0, taken; !err && done < count; done += taken) {
        struct msg_object_do m = { .verb = VERB_LIST_EXTEND };
        struct buffer        block = { 0 }, kinds = { 0 };

        err = list_block(items + done, count - done, &block, &kinds, error);
        taken = kinds.bytes;
        if (!err) {
            m.a = taken;
            m.key = buffer_slice(&kinds);
            m.value = buffer_slice(&block);
            err = handle_do_plain(&list->handle, &m, timeout_ms, error);
        }
        buffer_free(&block);
        buffer_free(&kinds);
    }
    return err;
}

muster_err
muster_list_set_slice(struct muster_list *list, int64_t start, int64_t stop,
                      const struct muster_cell *items, size_t count, uint32_t timeout_ms,
                      struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_LIST_SET_SLICE, .a = (uint64_t)start,
                               .b = (uint64_t)stop, .c = count };
    struct buffer        block = { 0 }, kinds = { 0 };
    muster_err           err = list_block(items, count, &block, &kinds, error);

    /* It is one step or none: half a slice would be seen by others. */
    if (!err && kinds.bytes < count)
        err = error_set(error, MUSTER_ERR_TOO_LARGE,
                        "%zu items do not fit one request; set the slice in smaller parts", count);
    if (!err) {
        m.key = buffer_slice(&kinds);
        m.value = buffer_slice(&block);
        err = handle_do_plain(&list->handle, &m, timeout_ms, error);
    }
    buffer_free(&block);
    buffer_free(&kinds);
    return err;
}

muster_err
muster_list_delete_slice(struct muster_list *list, int64_t start, int64_t stop,
                         uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_DELETE_SLICE, .a = (uint64_t)start,
                                     .b = (uint64_t)stop };

    return handle_do_plain(&list->handle, &m, timeout_ms, error);
}

void
muster_list_free(struct muster_bytes *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        muster_bytes_free(&items[i]);
    free(items);
}

struct list_items {
    struct muster_bytes *items;
    uint32_t             count, capacity;
};

/* One page of a slice, behind what was read; *more_out: ask for the next. */
static muster_err
list_page(struct muster_list *list, int64_t *start, int64_t stop, uint32_t timeout_ms,
          struct list_items *all, bool *more_out, struct muster_error *error)
{
    const struct msg_object_do    m = { .verb = VERB_LIST_SLICE, .a = (uint64_t)*start,
                                        .b = (uint64_t)stop };
    const struct msg_object_done *done;
    struct ask                    answer;
    muster_err                    err = handle_do(&list->handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    done = &answer.m.object_done;
    if (done->b > UINT32_MAX - all->count || done->key.bytes != done->b ||
        wire_block_check_values(done->value, (uint32_t)done->b) != MUSTER_OK) {
        err = error_set(error, MUSTER_ERR_INTERNAL, "the manager's slice does not add up");
    } else {
        base_grow((void **)&all->items, &all->capacity, all->count + (uint32_t)done->b,
                  sizeof(*all->items));
        for (uint32_t i = 0; i < done->b; i++)
            bytes_of_cell(wire_block_item(done->value, i),
                          ((const uint8_t *)done->key.data)[i] != 0, &all->items[all->count++]);
        *more_out = done->b > 0 && (int64_t)done->a > *start && (int64_t)done->a < stop;
        *start = (int64_t)done->a;
    }
    ask_free(&answer);
    return err;
}

muster_err
muster_list_slice(struct muster_list *list, int64_t start, int64_t stop, uint32_t timeout_ms,
                  struct muster_bytes **items_out, size_t *count_out, struct muster_error *error)
{
    CALL_SCOPE(list->handle.session);
    struct list_items all = { 0 };
    bool              more = true;
    muster_err        err = MUSTER_OK;

    while (!err && more)
        err = list_page(list, &start, stop, timeout_ms, &all, &more, error);
    if (err) {
        muster_list_free(all.items, all.count);
        return err;
    }
    *items_out = all.items;
    *count_out = all.count;
    return MUSTER_OK;
}

/* ---- the whole ---- */

static muster_err
list_whole(struct muster_list *list, uint8_t verb, uint64_t a, uint64_t b, uint32_t timeout_ms,
           struct muster_error *error)
{
    const struct msg_object_do m = { .verb = verb, .a = a, .b = b };

    return handle_do_plain(&list->handle, &m, timeout_ms, error);
}

muster_err
muster_list_reverse(struct muster_list *list, uint32_t timeout_ms, struct muster_error *error)
{
    return list_whole(list, VERB_LIST_REVERSE, 0, 0, timeout_ms, error);
}

muster_err
muster_list_clear(struct muster_list *list, uint32_t timeout_ms, struct muster_error *error)
{
    return list_whole(list, VERB_LIST_CLEAR, 0, 0, timeout_ms, error);
}

muster_err
muster_list_sort(struct muster_list *list, enum muster_sort by, bool descending,
                 uint32_t timeout_ms, struct muster_error *error)
{
    return list_whole(list, VERB_LIST_SORT, (uint64_t)by, descending, timeout_ms, error);
}

muster_err
muster_list_len(struct muster_list *list, uint32_t timeout_ms, uint64_t *len_out,
                struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_LIST_LEN };

    return handle_do_number(&list->handle, &m, timeout_ms, len_out, error);
}
