/* object.c - what all shared objects have in common for people and programs: their list,
 * their end, and bytes (see object.h) */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

static_assert((int)MUSTER_SERVICE + 1 == (int)NOUN_COUNT, "public nouns are those that travel");

uint64_t
thread_number(void)
{
    static _Atomic uint64_t     last;
    static _Thread_local uint64_t mine;

    if (mine == 0)
        mine = atomic_fetch_add(&last, 1) + 1;
    return mine;
}

const char *
muster_noun_name(enum muster_noun noun)
{
    return wire_noun_name((unsigned)noun);
}

/* ---- bytes ---- */

void *
bytes_copy(struct slice bytes)
{
    char *copy = base_realloc(NULL, bytes.bytes + 1);

    if (bytes.bytes > 0)
        memcpy(copy, bytes.data, bytes.bytes);
    copy[bytes.bytes] = '\0';
    return copy;
}

void
bytes_of_cell(struct slice item, bool is_reference, struct muster_bytes *bytes_out)
{
    struct reader in = reader_of(item);

    *bytes_out = (struct muster_bytes){ 0 };
    if (is_reference) {
        bytes_out->object = read_u64(&in);
        return;
    }
    bytes_out->data = bytes_copy(item);
    bytes_out->bytes = item.bytes;
}

void
bytes_of_answer(const struct msg_object_done *done, struct muster_bytes *bytes_out)
{
    bytes_of_cell(done->value, done->is_reference != 0, bytes_out);
}

void
muster_bytes_free(struct muster_bytes *bytes)
{
    if (bytes == NULL)
        return;
    free(bytes->data);
    *bytes = (struct muster_bytes){ 0 };
}

muster_err
block_of(const struct slice *items, size_t count, struct buffer *block_out,
         struct muster_error *error)
{
    struct wire_block block = { 0 };
    muster_err        err = MUSTER_OK;

    for (size_t i = 0; i < count && !err; i++) {
        if (!wire_block_add_value(&block, items[i]))
            err = error_set(error, MUSTER_ERR_TOO_LARGE,
                            "item %zu of %zu, of %zu bytes, does not fit one request", i + 1, count,
                            items[i].bytes);
    }
    if (!err)
        wire_block_put(block_out, &block);
    wire_block_free(&block);
    return err;
}

/* ---- all objects ---- */

static void
info_of(const struct wire_object *object, struct muster_object_info *info)
{
    info->object = object->object;
    info->noun = (enum muster_noun)object->noun;
    text_put(info->name, sizeof(info->name), object->name);
    text_put(info->owner, sizeof(info->owner), object->owner);
    info->transient = object->transient != 0;
    info->sessions = object->sessions;
    info->waiting = object->waiting;
    info->items = object->items;
    info->bytes = object->bytes;
    text_put(info->text, sizeof(info->text), object->text);
}

struct info_list {
    struct muster_object_info *infos;
    uint32_t                   count, capacity;
};

/* What comes behind m->after, which is moved on. */
static muster_err
list_page(struct muster_session *session, union wire_any *m, uint32_t timeout_ms,
          struct info_list *list, bool *more_out, struct muster_error *error)
{
    struct ask    answer;
    struct reader in;
    muster_err    err = ask(session, MSG_TYPE_OBJECT_LIST_GET, m, MSG_TYPE_OBJECT_LIST, timeout_ms,
                            &answer, error);

    if (err)
        return err;
    in = reader_of(answer.m.object_list.objects.bytes);
    base_grow((void **)&list->infos, &list->capacity,
              list->count + answer.m.object_list.objects.count, sizeof(*list->infos));
    for (uint32_t i = 0; i < answer.m.object_list.objects.count; i++) {
        struct wire_object object;

        if (!wire_get_object(&in, &object))
            break;
        info_of(&object, &list->infos[list->count++]);
        m->object_list_get.after = object.object;
    }
    *more_out = answer.m.object_list.more != 0 && answer.m.object_list.objects.count > 0;
    ask_free(&answer);
    return MUSTER_OK;
}

muster_err
muster_object_list(struct muster_session *session, const enum muster_noun *noun, const char *name,
                   uint32_t timeout_ms, struct muster_object_info **infos_out, size_t *count_out,
                   struct muster_error *error)
{
    CALL_SCOPE(session);
    union wire_any   m = { 0 };
    struct info_list list = { 0 };
    bool             more = true;
    muster_err       err = MUSTER_OK;

    if (noun != NULL && (unsigned)*noun >= NOUN_COUNT)
        return error_set(error, MUSTER_ERR_INVALID, "%u is no noun", (unsigned)*noun);
    if (name != NULL && (name[0] == '\0' || strlen(name) > NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID, "a name has 1 to %u bytes", NAME_BYTES_MAX);
    m.object_list_get.of_noun = noun != NULL;
    m.object_list_get.noun = noun != NULL ? (uint8_t)*noun : 0;
    m.object_list_get.name = slice_text(name != NULL ? name : "");
    while (!err && more)
        err = list_page(session, &m, timeout_ms, &list, &more, error);
    if (err) {
        free(list.infos);
        return err;
    }
    *infos_out = list.infos;
    *count_out = list.count;
    return MUSTER_OK;
}

muster_err
muster_object_delete(struct muster_session *session, enum muster_noun noun, const char *name,
                     uint32_t timeout_ms, struct muster_error *error)
{
    CALL_SCOPE(session);
    struct muster_object_info *infos = NULL;
    union wire_any             m = { 0 };
    size_t                     count = 0;
    muster_err                 err;

    if (name == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "which object?  It needs a name");
    err = muster_object_list(session, NULL, name, timeout_ms, &infos, &count, error);
    if (err)
        return err;
    if (count == 0)
        err = error_set(error, MUSTER_ERR_NOT_FOUND, "nothing has the name %s", name);
    else if (infos[0].noun != noun)
        err = error_set(error, MUSTER_ERR_TYPE, "%s is a %s", name,
                        muster_noun_name(infos[0].noun));
    else
        m.object_delete.object = infos[0].object;
    free(infos);
    if (err)
        return err;
    err = ask_ack(session, MSG_TYPE_OBJECT_DELETE, &m, timeout_ms, NULL, error);
    /* It was there: an answer was lost and this is the repeat, or somebody was faster. */
    return err == MUSTER_ERR_NOT_FOUND ? MUSTER_OK : err;
}
