/* snapshot_objects.c - shared objects as stored objects (manager/STATES.md lists their bytes)
 *
 *   head      object                what it is, and its content or the head of it
 *   piece     object << 24 | piece  a part of large content
 *   ties      session               what the session has open
 *   answers   session               answers that it has not seen
 *
 * 1. As in snapshot.c: canonical, strict, in any order.  Pieces, ties and answers
 *    that come before what they belong to are set aside until all are there.
 * 2. A checkpoint writes heads and pieces that changed, and no others.
 * 3. Of a transient object only what it was made from is stored, and of its
 *    answers nothing.
 */
#include "object.h"

enum { OBJECT_VERSION = 1, KEPT_REBUILT = 1, KEPT_SETTLED = 2, KEPT_FLAGS = 4 };

/* ---- encode ---- */

void
snapshot_put_meta_objects(const struct core *core, struct buffer *out)
{
    uint64_t *owners = map_keys(&core->loose_bodies);

    write_varint(out, core->object_last);
    write_varint(out, core->tie_last);
    write_varint(out, core->body_owner_last);
    write_varint(out, core->loose_bodies.count);
    for (size_t i = 0; i < core->loose_bodies.count; i++)
        write_varint(out, owners[i]);
    free(owners);
}

static void
put_head(const struct core *core, const struct object *object, struct buffer *out)
{
    write_u8(out, OBJECT_VERSION);
    write_u8(out, (uint8_t)object->noun);
    record_put_bytes(out, object->name != NULL ? object->name->text : slice_of(NULL, 0));
    record_put_bytes(out, object->owner->name);
    write_varint(out, object->a);
    write_varint(out, object->b);
    write_varint(out, object->refs);
    write_u8(out, object->transient);
    if (object->transient)
        record_put_bytes(out, slice_of(object->initial, object->initial_bytes));
    else
        object_rules(object)->put(core, object, out);
}

static void
put_piece(const struct core *core, const struct object *object, uint32_t piece,
          struct buffer *out)
{
    size_t begin = out->bytes;

    write_u8(out, OBJECT_VERSION);
    object_rules(object)->put_piece(core, object, piece, out);
    if (out->bytes == begin + 1)
        out->bytes = begin;
}

static void
put_ties(const struct session *session, struct buffer *out)
{
    uint32_t count = 0;

    for (const struct list *at = session->ties.next; at != &session->ties; at = at->next)
        count++;
    if (count == 0)
        return;
    write_u8(out, OBJECT_VERSION);
    write_varint(out, count);
    for (const struct list *at = session->ties.next; at != &session->ties; at = at->next) {
        const struct tie *tie = CONTAINER(at, struct tie, session_link);

        write_varint(out, tie->object->id);
        write_varint(out, tie->number);
    }
}

static void
put_kept(const struct kept *kept, struct buffer *out)
{
    const struct msg_object_done *answer = &kept->answer;

    write_varint(out, kept->request);
    write_varint(out, kept->object);
    write_varint(out, kept->verb);
    write_varint(out, kept->error);
    write_u8(out, kept->kind);
    write_u8(out, (uint8_t)((kept->rebuilt ? KEPT_REBUILT : 0) |
                            (kept->settled ? KEPT_SETTLED : 0)));
    write_varint(out, answer->a);
    write_varint(out, answer->b);
    write_varint(out, answer->c);
    write_varint(out, answer->d);
    write_u8(out, answer->is_reference);
    record_put_bytes(out, answer->key);
    record_put_bytes(out, answer->value);
}

static void
put_answers(const struct session *session, struct buffer *out)
{
    const struct kept *kept;
    uint32_t           count = 0;

    for (kept = kept_from(session, 0); kept != NULL; kept = kept_from(session, kept->request + 1))
        count += !kept->transient;
    if (count == 0)
        return;
    write_u8(out, OBJECT_VERSION);
    write_varint(out, count);
    for (kept = kept_from(session, 0); kept != NULL; kept = kept_from(session, kept->request + 1)) {
        if (!kept->transient)
            put_kept(kept, out);
    }
}

static uint32_t
piece_next(const struct core *core, const struct object *object, uint32_t from)
{
    const struct noun_rules *rules = object_rules(object);

    return object->transient || rules->next_piece == NULL ? UINT32_MAX
                                                          : rules->next_piece(core, object, from);
}

void
snapshot_put_objects(const struct core *core, struct buffer *out)
{
    uint64_t *ids = map_keys(&core->objects);

    for (size_t i = 0; i < core->objects.count; i++) {
        const struct object *object = object_find(core, ids[i]);

        write_varint(out, ids[i]);
        put_head(core, object, out);
        for (uint32_t piece = piece_next(core, object, 0); piece != UINT32_MAX;
             piece = piece_next(core, object, piece + 1)) {
            write_varint(out, piece);
            put_piece(core, object, piece, out);
        }
    }
    free(ids);
    for (uint32_t i = 0; i < core->session_order.count; i++) {
        const struct session *session = map_get(&core->sessions,
                                                order_at(&core->session_order, i));

        put_ties(session, out);
        put_answers(session, out);
    }
}

/* ---- checkpoint ---- */

static void
checkpoint_pieces(struct core *core, struct object *object, core_object_fn *each, void *context)
{
    struct buffer *out = &core->scratch;
    struct pieces *pieces = object->pieces;
    size_t         count = pieces->dirty.count;
    uint64_t      *numbers = map_keys(&pieces->dirty);

    core->changed -= count;
    map_free(&pieces->dirty);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = object->id << OBJECT_PIECE_SHIFT | numbers[i];

        buffer_clear(out);
        put_piece(core, object, (uint32_t)numbers[i], out);
        if (out->bytes > 0) {
            map_put(&pieces->stored, numbers[i], object);
            each(context, OBJECT_PIECE, id, buffer_slice(out));
        } else if (map_remove(&pieces->stored, numbers[i]) != NULL) {
            each(context, OBJECT_PIECE, id, slice_of(NULL, 0));
        }
    }
    free(numbers);
}

static void
checkpoint_object(struct core *core, struct object *object, core_object_fn *each, void *context)
{
    struct buffer *out = &core->scratch;

    buffer_clear(out);
    put_head(core, object, out);
    each(context, OBJECT_HEAD, object->id, buffer_slice(out));
    object->stored = true;
    if (object->pieces != NULL)
        checkpoint_pieces(core, object, each, context);
}

/* What a session has; nothing of it is no object. */
static void
checkpoint_held(struct core *core, const struct session *session, uint32_t kind, bool *stored,
                core_object_fn *each, void *context)
{
    struct buffer *out = &core->scratch;

    buffer_clear(out);
    if (kind == OBJECT_TIES)
        put_ties(session, out);
    else
        put_answers(session, out);
    if (out->bytes > 0)
        each(context, kind, session->id, buffer_slice(out));
    else if (*stored)
        each(context, kind, session->id, slice_of(NULL, 0));
    *stored = out->bytes > 0;
}

void
snapshot_checkpoint_objects(struct core *core, core_object_fn *each, void *context)
{
    while (!list_empty(&core->dirty_objects)) {
        struct object *object = CONTAINER(core->dirty_objects.next, struct object, dirty);

        list_remove(&object->dirty);
        core->changed--;
        checkpoint_object(core, object, each, context);
    }
    while (!list_empty(&core->dirty_ties)) {
        struct session *session = CONTAINER(core->dirty_ties.next, struct session, ties_dirty);

        list_remove(&session->ties_dirty);
        checkpoint_held(core, session, OBJECT_TIES, &session->ties_stored, each, context);
    }
    while (!list_empty(&core->dirty_answers)) {
        struct session *session = CONTAINER(core->dirty_answers.next, struct session,
                                            answers_dirty);

        list_remove(&session->answers_dirty);
        checkpoint_held(core, session, OBJECT_ANSWERS, &session->answers_stored, each, context);
    }
}

void
snapshot_session_gone(struct core *core, struct session *session)
{
    if (list_linked(&session->ties_dirty))
        list_remove(&session->ties_dirty);
    if (list_linked(&session->answers_dirty))
        list_remove(&session->answers_dirty);
    if (session->ties_stored)
        snapshot_gone(core, OBJECT_TIES, session->id);
    if (session->answers_stored)
        snapshot_gone(core, OBJECT_ANSWERS, session->id);
}

/* ---- decode ---- */

bool
snapshot_load_meta_objects(struct core *core, struct reader *in)
{
    uint64_t count;

    core->object_last = read_varint(in);
    core->tie_last = read_varint(in);
    core->body_owner_last = read_varint(in);
    count = read_varint(in);
    for (uint64_t i = 0; i < count && !in->bad; i++)
        map_put(&core->loose_bodies, read_varint(in), core);
    return !in->bad && core->loose_bodies.count == count;
}

/* A condition's lock may come later, or be gone by now: its make() takes any. */
static bool
load_settings(const struct core *core, uint8_t noun, uint64_t a, uint64_t b, bool transient,
              struct slice initial)
{
    const struct noun_rules *rules = noun_rules_of(noun);
    struct msg_object_open   m = { .noun = noun, .transient = transient, .a = a, .b = b,
                                   .value = initial };
    struct verdict           v = { 0 };

    return rules != NULL &&
           (rules->check == NULL || noun == NOUN_CONDITION || rules->check(core, &m, &v));
}

static bool
load_head(struct core *core, uint64_t id, struct reader *in)
{
    const struct noun_rules *rules;
    struct object           *object;
    struct slice             name, owner, initial = { NULL, 0 };
    uint64_t                 a, b, refs;
    uint8_t                  noun, transient;

    if (id == 0 || id >> (63 - OBJECT_PIECE_SHIFT) != 0 || object_find(core, id) != NULL ||
        read_u8(in) != OBJECT_VERSION)
        return false;
    noun = read_u8(in);
    name = record_get_bytes(in, NAME_BYTES_MAX);
    owner = record_get_bytes(in, NAME_BYTES_MAX);
    a = read_varint(in);
    b = read_varint(in);
    refs = read_varint(in);
    transient = read_u8(in);
    if (transient)
        initial = record_get_bytes(in, VALUE_BYTES_MAX);
    rules = noun_rules_of(noun);
    if (in->bad || refs > UINT32_MAX || transient > 1 ||
        !load_settings(core, noun, a, b, transient != 0, initial) ||
        (name.bytes > 0 && object_named(core, name) != NULL))
        return false;
    rules = noun_rules_of(noun);
    object = object_enter(core, id, (enum wire_noun)noun, name, owner, transient != 0);
    object->a = a;
    object->b = b;
    object->refs = (uint32_t)refs;
    object->stored = true;
    object_initial(object, initial);
    rules->make(core, object, initial);
    return (transient || rules->get(core, object, in)) && read_ended(in);
}

static bool
load_piece(struct core *core, uint64_t id, struct reader *in)
{
    uint32_t       piece = (uint32_t)(id & ((1u << OBJECT_PIECE_SHIFT) - 1));
    struct object *object = object_find(core, id >> OBJECT_PIECE_SHIFT);

    if (object == NULL || object->transient || object_rules(object)->get_piece == NULL ||
        read_u8(in) != OBJECT_VERSION)
        return false;
    if (object->pieces == NULL)
        object->pieces = base_alloc(sizeof(*object->pieces));
    map_put(&object->pieces->stored, piece, object);
    return object_rules(object)->get_piece(core, object, piece, in) && read_ended(in);
}

/* Are all objects that it has open there already? */
static bool
ties_known(const struct core *core, struct slice bytes)
{
    struct reader in = reader_of(bytes);
    uint64_t      count;

    (void)read_u8(&in);
    count = read_varint(&in);
    for (uint64_t i = 0; i < count && !in.bad; i++) {
        if (object_find(core, read_varint(&in)) == NULL)
            return false;
        (void)read_varint(&in);
    }
    return true;
}

static bool
load_ties(struct core *core, uint64_t id, struct reader *in)
{
    struct session *session = map_get(&core->sessions, id);
    uint64_t        last = 0;
    uint64_t        count;

    if (session == NULL || session->ties_stored || read_u8(in) != OBJECT_VERSION)
        return false;
    session->ties_stored = true;
    count = read_varint(in);
    for (uint64_t i = 0; i < count; i++) {
        struct object *object = object_find(core, read_varint(in));
        uint64_t       number = read_varint(in);

        if (in->bad || object == NULL || number <= last ||
            tie_find(core, id, object->id) != NULL)
            return false;
        tie_new(core, session, object, number);
        last = number;
    }
    return count > 0 && read_ended(in);
}

static bool
load_kept(struct core *core, struct session *session, uint64_t *last, struct reader *in)
{
    struct kept kept = { .request = read_varint(in), .object = read_varint(in) };
    uint64_t    verb = read_varint(in);
    uint64_t    error = read_varint(in);
    uint8_t     flags;

    kept.kind = read_u8(in);
    flags = read_u8(in);
    kept.answer.a = read_varint(in);
    kept.answer.b = read_varint(in);
    kept.answer.c = read_varint(in);
    kept.answer.d = read_varint(in);
    kept.answer.is_reference = read_u8(in);
    kept.answer.key = record_get_bytes(in, RECORD_BYTES_MAX);
    kept.answer.value = record_get_bytes(in, RECORD_BYTES_MAX);
    if (in->bad || kept.request <= *last || verb > UINT32_MAX || error >= MUSTER_ERR_COUNT ||
        kept.kind > KEPT_DELETED || flags >= KEPT_FLAGS || kept.answer.is_reference > 1)
        return false;
    *last = kept.request;
    kept.verb = (uint32_t)verb;
    kept.error = (uint16_t)error;
    kept.rebuilt = (flags & KEPT_REBUILT) != 0;
    kept.settled = (flags & KEPT_SETTLED) != 0;
    kept_add(core, session, &kept);
    return true;
}

static bool
load_answers(struct core *core, uint64_t id, struct reader *in)
{
    struct session *session = map_get(&core->sessions, id);
    uint64_t        last = 0;
    uint64_t        count;

    if (session == NULL || session->answers_stored || read_u8(in) != OBJECT_VERSION)
        return false;
    count = read_varint(in);
    for (uint64_t i = 0; i < count; i++) {
        if (!load_kept(core, session, &last, in))
            return false;
    }
    if (count == 0)
        return false;
    session->answers_stored = true;
    list_remove(&session->answers_dirty);
    return read_ended(in);
}

/* Set aside what comes before its time. */
static bool
load_later(struct core *core, uint32_t kind, uint64_t id, struct slice bytes)
{
    write_u32(&core->loaded, kind);
    write_u64(&core->loaded, id);
    write_bytes(&core->loaded, bytes);
    return true;
}

bool
snapshot_load_object(struct core *core, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct reader in = reader_of(bytes);

    if (kind == OBJECT_HEAD)
        return load_head(core, id, &in);
    if (kind == OBJECT_TIES && map_get(&core->sessions, id) != NULL && ties_known(core, bytes))
        return load_ties(core, id, &in);
    if (kind == OBJECT_ANSWERS && map_get(&core->sessions, id) != NULL)
        return load_answers(core, id, &in);
    if (kind == OBJECT_PIECE && core->loaded.bytes == 0 &&
        object_find(core, id >> OBJECT_PIECE_SHIFT) != NULL)
        return load_piece(core, id, &in);
    return load_later(core, kind, id, bytes);
}

/* ---- all are there ---- */

struct later {
    uint32_t     kind;
    uint64_t     id;
    struct slice bytes;
};

static int
later_compare(const void *a, const void *b)
{
    const struct later *x = a;
    const struct later *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int
tie_compare(const void *a, const void *b)
{
    const struct tie *x = *(const struct tie *const *)a;
    const struct tie *y = *(const struct tie *const *)b;

    return (x->number > y->number) - (x->number < y->number);
}

/* They came session by session; an object has them in the order in which they
 * were made. */
static bool
link_ties(struct core *core)
{
    struct buffer all = { 0 };
    struct tie  **ties;
    struct tie   *tie;
    size_t        cursor = 0;
    size_t        count;
    bool          good = true;

    while ((tie = map_next(&core->ties, &cursor, NULL)) != NULL) {
        for (; tie != NULL; tie = tie->next)
            buffer_append(&all, &tie, sizeof(tie));
    }
    ties = (struct tie **)(void *)all.data;
    count = all.bytes / sizeof(*ties);
    if (count > 0)
        qsort(ties, count, sizeof(*ties), tie_compare);
    for (size_t i = 0; i < count; i++) {
        good = good && ties[i]->number <= core->tie_last &&
               (i == 0 || ties[i]->number > ties[i - 1]->number);
        list_remove(&ties[i]->object_link);
        list_append(&ties[i]->object->tie_list, &ties[i]->object_link);
    }
    buffer_free(&all);
    return good;
}

/* What the nouns say about sessions and about each other. */
static bool
link_nouns(const struct core *core)
{
    const struct object *object;
    size_t               cursor = 0;

    while ((object = map_next(&core->objects, &cursor, NULL)) != NULL) {
        const struct noun_rules *rules = object_rules(object);

        if (rules->linked != NULL && !rules->linked(core, object))
            return false;
    }
    return true;
}

static struct later *
later_list(const struct buffer *loaded, size_t *count_out)
{
    struct reader in = reader_of(buffer_slice(loaded));
    struct buffer list = { 0 };
    struct later *later;

    while (read_left(&in) > 0) {
        struct later one = { .kind = read_u32(&in) };

        one.id = read_u64(&in);
        one.bytes = read_bytes(&in, SIZE_MAX);
        buffer_append(&list, &one, sizeof(one));
    }
    *count_out = list.bytes / sizeof(*later);
    later = (struct later *)(void *)list.data;
    if (*count_out > 0)
        qsort(later, *count_out, sizeof(*later), later_compare);
    return later;
}

bool
snapshot_objects_link(struct core *core)
{
    size_t        count;
    struct later *later = later_list(&core->loaded, &count);
    bool          good = true;

    for (size_t i = 0; i < count && good; i++) {
        struct reader in = reader_of(later[i].bytes);

        if (later[i].kind == OBJECT_PIECE)
            good = load_piece(core, later[i].id, &in);
        else if (later[i].kind == OBJECT_TIES)
            good = load_ties(core, later[i].id, &in);
        else
            good = load_answers(core, later[i].id, &in);
    }
    good = good && link_ties(core) && link_nouns(core);
    free(later);
    buffer_free(&core->loaded);
    return good;
}
