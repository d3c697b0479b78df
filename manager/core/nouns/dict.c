/* dict.c - a shared dict, and a namespace, which is one
 *
 * 1. Order is that of insertion: overwriting keeps the place of a key, taking it
 *    out and setting it again moves it to the end.
 * 2. All of a request is done or nothing, and counts as one change: the version
 *    rises by one.
 * 3. A guarded write is decided while the lock is held with the token that it
 *    names.  The fact does not name them any more: a replay does not ask again.
 * 4. Who watches is told of a key that changed, not what it is now: it reads.
 *    What the log does not know (a restart, more changes than it keeps, a dict
 *    that was emptied) is told as "read all", never as "nothing".
 * 5. A transient dict cannot be copied: see cell.h.
 */
#include "dict_entries.h"
#include "sync.h"

enum { WATCHERS };                 /* the lane of WATCH */
enum { COPY_WORK = 32 };           /* to copy one entry */
enum { ITEMS_KEYS = 1, ITEMS_VALUES = 2, ITEMS_BOTH = 3 };
enum { CAS_EXPECTED_REFERS = 1, CAS_NEW_REFERS = 2 };

static struct dict *
dict_of(const struct object *object)
{
    return object->state;
}

/* ---- refusals ---- */

static bool
key_allowed(const struct object *object, struct slice key, struct verdict *v)
{
    if (dict_key_good(key))
        return true;
    verdict_error(v, object, MUSTER_ERR_INVALID, "a key has 1 to %u bytes",
                  (unsigned)KEY_BYTES_MAX);
    return false;
}

/* The entry; NULL: v says that there is none. */
static const struct entry *
require_entry(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct entry *entry;

    if (!key_allowed(object, act->key, v))
        return NULL;
    entry = dict_find(dict_of(object), act->key);
    if (entry == NULL)
        verdict_error(v, object, MUSTER_ERR_NO_KEY, "there is no such key");
    return entry;
}

static bool
require_room(const struct object *object, uint32_t more, struct verdict *v)
{
    if (dict_of(object)->count + more <= DICT_LENGTH_MAX)
        return true;
    verdict_error(v, object, MUSTER_ERR_FULL, "a dict has at most %u keys",
                  (unsigned)DICT_LENGTH_MAX);
    return false;
}

static bool
guard_holds(const struct core *core, const struct object *object, const struct act *act,
            struct verdict *v)
{
    const struct object *lock;

    if (act->c == 0 && act->d == 0)
        return true;
    lock = object_find(core, act->c);
    if (lock == NULL)
        verdict_error(v, object, MUSTER_ERR_NOT_FOUND, "its guard, lock %llu, does not exist",
                      (unsigned long long)act->c);
    else if (!lock_is(lock))
        verdict_error(v, object, MUSTER_ERR_TYPE, "a %s cannot guard it",
                      wire_noun_name(lock->noun));
    else if (!lock_guards(core, act->c, act->d))
        verdict_error(v, object, MUSTER_ERR_FENCED, "its guard is not held with token %llu",
                      (unsigned long long)act->d);
    else
        return true;
    return false;
}

/* ---- changes ---- */

/* NULL: it refers to nothing. */
static const struct entry *
put_value(struct core *core, struct object *object, struct slice key, struct slice value,
          bool is_reference)
{
    struct dict *dict = dict_of(object);
    struct cell *cell;

    if (!dict_key_good(key) ||
        (dict->count == DICT_LENGTH_MAX && dict_find(dict, key) == NULL))
        return NULL;
    cell = cell_make(core, object, value, is_reference);
    if (cell == NULL)
        return NULL;
    dict_note(dict, key);
    return dict_set(core, object, key, cell);
}

/* ---- verbs of one key ---- */

static void
decide_get(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct entry *entry = require_entry(object, act, v);

    (void)core;
    if (entry == NULL)
        return;
    v->kind = VERDICT_ANSWER;
    cell_answer(entry->value, &v->answer);
}

static void
decide_contains(struct core *core, struct object *object, const struct act *act,
                struct verdict *v)
{
    (void)core;
    if (!key_allowed(object, act->key, v))
        return;
    v->kind = VERDICT_ANSWER;
    v->answer.a = dict_find(dict_of(object), act->key) != NULL;
}

static void
decide_set(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    if (key_allowed(object, act->key, v) &&
        cell_allowed(core, object, act, act->value, act->is_reference, v) &&
        dict_find(dict_of(object), act->key) == NULL)
        require_room(object, 1, v);
}

static bool
apply_set(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    (void)answer;
    dict_changed(dict_of(object));
    return put_value(core, object, act->key, act->value, act->is_reference) != NULL;
}

static void
decide_setdefault(struct core *core, struct object *object, const struct act *act,
                  struct verdict *v)
{
    const struct entry *entry = dict_find(dict_of(object), act->key);

    if (entry == NULL) {
        decide_set(core, object, act, v);
        return;
    }
    v->kind = VERDICT_ANSWER;
    v->answer.a = 1;
    cell_answer(entry->value, &v->answer);
}

static bool
apply_setdefault(struct core *core, struct object *object, const struct act *act,
                 struct msg_object_done *answer)
{
    const struct entry *entry;

    dict_changed(dict_of(object));
    entry = put_value(core, object, act->key, act->value, act->is_reference);
    if (entry == NULL)
        return false;
    cell_answer(entry->value, answer);
    return true;
}

/* POP and DELETE. */
static void
decide_take(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core;
    require_entry(object, act, v);
}

static bool
apply_delete(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    struct entry *entry = dict_find(dict_of(object), act->key);

    (void)answer;
    if (entry == NULL)
        return false;
    dict_changed(dict_of(object));
    dict_note(dict_of(object), act->key);
    dict_remove(core, object, entry);
    return true;
}

static bool
apply_pop(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    const struct entry *entry = dict_find(dict_of(object), act->key);

    if (entry == NULL)
        return false;
    buffer_clear(&core->scratch);
    buffer_append_slice(&core->scratch, cell_slice(entry->value));
    answer->value = buffer_slice(&core->scratch);
    answer->is_reference = entry->value->is_reference;
    cell_hand_over(core, entry->value, act->session);
    return apply_delete(core, object, act, answer);
}

/* The fact of a CAS that exchanges is the new value. */
static void
decide_cas(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct entry *entry = dict_find(dict_of(object), act->key);
    struct slice        expected, next;
    bool                absent = act->a == 1, same;

    if (act->a > 1 || act->b > (CAS_EXPECTED_REFERS | CAS_NEW_REFERS) ||
        wire_block_check_values(act->value, 2) != MUSTER_OK) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "the block does not hold two values");
        return;
    }
    expected = wire_block_item(act->value, 0);
    next = wire_block_item(act->value, 1);
    if (!key_allowed(object, act->key, v) ||
        !cell_allowed(core, object, act, next, (act->b & CAS_NEW_REFERS) != 0, v))
        return;
    if (absent || entry == NULL)
        same = absent && entry == NULL;
    else
        same = cell_equals(entry->value, expected, (act->b & CAS_EXPECTED_REFERS) != 0);
    if (same) {
        v->fact.a = 0;
        v->fact.b = 0;
        v->fact.value = next;
        v->fact.is_reference = (act->b & CAS_NEW_REFERS) != 0;
        require_room(object, absent, v);
        return;
    }
    v->kind = VERDICT_ANSWER;
    v->answer.b = entry != NULL;
    if (entry != NULL)
        cell_answer(entry->value, &v->answer);
}

static bool
apply_cas(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    answer->a = 1;
    answer->b = 1;
    return apply_setdefault(core, object, act, answer);
}

/* ---- verbs of many keys ---- */

static void
decide_update(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct batch batch;
    uint32_t     added = 0;

    if (!batch_of(act, act->a, 2, &batch)) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "the block does not hold %llu entries",
                      (unsigned long long)act->a);
        return;
    }
    for (uint32_t i = 0; i < batch.count; i++) {
        struct slice key = wire_block_item(batch.block, 2 * i);

        if (!key_allowed(object, key, v) ||
            !cell_allowed(core, object, act, wire_block_item(batch.block, 2 * i + 1),
                          batch_is_reference(&batch, i), v))
            return;
        added += dict_find(dict_of(object), key) == NULL;
    }
    if (batch.count == 0)
        v->kind = VERDICT_ANSWER;
    else
        require_room(object, added, v);    /* a key that comes twice is counted twice */
}

static bool
apply_update(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    struct batch batch;

    (void)answer;
    if (!batch_of(act, act->a, 2, &batch))
        return false;
    dict_changed(dict_of(object));
    for (uint32_t i = 0; i < batch.count; i++)
        if (put_value(core, object, wire_block_item(batch.block, 2 * i),
                      wire_block_item(batch.block, 2 * i + 1),
                      batch_is_reference(&batch, i)) == NULL)
            return false;
    return true;
}

static void
decide_clear(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    if (dict_of(object)->count == 0)
        v->kind = VERDICT_ANSWER;
}

static bool
apply_clear(struct core *core, struct object *object, const struct act *act,
            struct msg_object_done *answer)
{
    (void)act, (void)answer;
    dict_changed(dict_of(object));
    dict_note_all(dict_of(object));
    dict_clear(core, object);
    return true;
}

static void
decide_copy(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    if (object->transient)
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "it is transient; read its items and copy those");
}

static bool
apply_copy(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    const struct session *session = map_get(&core->sessions, act->session);
    struct object        *copy;
    const struct entry   *entry;
    uint32_t              slot = 0;

    if (object->transient || session == NULL)
        return false;
    object_work(core, dict_of(object)->count * (uint64_t)COPY_WORK);
    copy = object_make(core, object->noun, session->user, false, 0, 0);
    object_tie(core, copy, act->session);
    while ((entry = dict_next(dict_of(object), &slot)) != NULL)
        dict_set(core, copy, entry_key(entry), cell_copy(core, copy, entry->value));
    answer->a = copy->id;
    return true;
}

/* An entry, or the half of it that was asked for; false: it does not fit any more. */
static bool
items_add(struct cell_block *block, const struct entry *entry, uint64_t which)
{
    size_t bytes = (which & ITEMS_KEYS ? entry->key_bytes + 4u : 0) +
                   (which & ITEMS_VALUES ? entry->value->bytes + 4u : 0);

    if (4u + block->block.ends.bytes + block->block.bytes.bytes + bytes > BLOCK_BYTES_MAX)
        return false;
    if (which == ITEMS_BOTH && block->block.count + 2 > BLOCK_ITEMS_MAX)
        return false;
    if ((which & ITEMS_KEYS) && !cell_block_add_text(block, entry_key(entry)))
        return false;
    return !(which & ITEMS_VALUES) || cell_block_add(block, entry->value);
}

static void
decide_items(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct cell_block   block = { 0 };
    uint32_t            slot = dict_slot(dict_of(object), act->a);
    const struct entry *entry;

    if (act->b < ITEMS_KEYS || act->b > ITEMS_BOTH) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "keys (1), values (2) or both (3)");
        return;
    }
    v->kind = VERDICT_ANSWER;
    while ((entry = dict_next(dict_of(object), &slot)) != NULL) {
        if (!items_add(&block, entry, act->b)) {
            v->answer.a = entry->sequence;
            break;
        }
        v->answer.b++;
    }
    cell_block_answer(core, &block, &v->answer);
}

static void
decide_len(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    v->kind = VERDICT_ANSWER;
    v->answer.a = dict_of(object)->count;
}

static void
decide_watch(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct dict      *dict = dict_of(object);
    struct cell_block block = { 0 };

    dict_watch(dict);
    v->kind = VERDICT_ANSWER;
    v->answer.a = dict->version;
    if (act->a == 0 || act->a < dict->log_from || act->a > dict->version) {
        v->answer.c = 1;
        return;
    }
    object_work(core, 2 * dict_changes(dict, act->a, act->key, &block.block));
    if (block.block.count == 0) {
        verdict_wait(v, WATCHERS, MUSTER_ERR_TIMEOUT);
        return;
    }
    v->answer.b = block.block.count;
    cell_block_answer(core, &block, &v->answer);
}

/* ---- the table ---- */

enum { USES_GUARD = USES_C | USES_D, USES_ITEM = USES_KEY | USES_VALUE | USES_REFERENCE };

#define ROW(VERB) [VERB_DICT_##VERB - VERB_DICT_GET]
static const struct data_verb rows[] = {
    ROW(GET)        = { USES_KEY, decide_get, NULL },
    ROW(SET)        = { USES_ITEM | USES_GUARD, decide_set, apply_set },
    ROW(DELETE)     = { USES_KEY | USES_GUARD, decide_take, apply_delete },
    ROW(POP)        = { USES_KEY | USES_GUARD, decide_take, apply_pop },
    ROW(SETDEFAULT) = { USES_ITEM | USES_GUARD, decide_setdefault, apply_setdefault },
    ROW(CONTAINS)   = { USES_KEY, decide_contains, NULL },
    ROW(ITEMS)      = { USES_A | USES_B, decide_items, NULL },
    ROW(UPDATE)     = { USES_A | USES_KEY | USES_VALUE | USES_GUARD, decide_update,
                        apply_update },
    ROW(LEN)        = { 0, decide_len, NULL },
    ROW(CLEAR)      = { USES_GUARD, decide_clear, apply_clear },
    ROW(COPY)       = { 0, decide_copy, apply_copy },
    ROW(CAS)        = { USES_A | USES_B | USES_KEY | USES_VALUE | USES_GUARD, decide_cas,
                        apply_cas },
    ROW(WATCH)      = { USES_A | USES_KEY, decide_watch, NULL },
};
static const struct data_verbs verbs = { rows, VERB_DICT_GET, sizeof(rows) / sizeof(rows[0]) };

static void
decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    if (!guard_holds(core, object, act, v))
        return;
    v->fact.c = 0;
    v->fact.d = 0;
    data_decide(&verbs, core, object, act, v);
}

static bool
apply(struct core *core, struct object *object, const struct act *act,
      struct msg_object_done *answer)
{
    return data_apply(&verbs, core, object, act, answer);
}

/* ---- life, people; the store's hooks are in dict_entries.c ---- */

static bool
check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    if (m->a == 0 && m->b == 0 && m->value.bytes == 0)
        return true;
    v->error = MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "a %s has no settings", wire_noun_name(m->noun));
    return false;
}

static void
make(struct core *core, struct object *object, struct slice initial)
{
    (void)core;
    assert(initial.bytes == 0);
    object->state = dict_new(core);
}

static void
describe(const struct core *core, const struct object *object, struct wire_object *out,
         char text[OBJECT_TEXT_BYTES])
{
    uint32_t count = dict_of(object)->count;

    (void)core;
    out->items = count;
    snprintf(text, OBJECT_TEXT_BYTES, "%u %s", count, count == 1 ? "key" : "keys");
}

const struct noun_rules noun_dict = {
    .check = check, .make = make, .free = dict_free, .decide = decide, .apply = apply,
    .put = dict_put, .get = dict_get, .put_piece = dict_put_piece, .get_piece = dict_get_piece,
    .next_piece = dict_next_piece, .describe = describe, .verify = dict_verify,
    .has_late = true, .late_lane = WATCHERS,
};
