/* dict_entries.c - see dict_entries.h
 *
 * 1. `slots` rises by sequence number; a hole stays where an entry was until
 *    there are more holes than entries.  So insertion is O(1), a removal or a
 *    position that is looked up O(log n), both over a long time.
 */
#include "dict_entries.h"

enum { HOLES_MIN = 32 };

#define PIECES_PER_LAP (1u << 24)
#define LAP_SEQUENCES  ((uint64_t)PIECES_PER_LAP * PIECE_ENTRIES)
#define SEQUENCE_MAX   ((uint64_t)1 << 48)     /* out of reach; so laps are few */

static uint32_t
piece_of(uint64_t sequence)
{
    return (uint32_t)(sequence / PIECE_ENTRIES % PIECES_PER_LAP);
}

struct dict *
dict_new(const struct core *core)
{
    struct dict *dict = base_alloc(sizeof(*dict));

    dict->seed = core->config.seed;
    dict->version = DICT_FIRST;
    dict->log_from = DICT_FIRST;
    list_init(&dict->log);
    return dict;
}

struct entry *
dict_find(const struct dict *dict, struct slice key)
{
    struct entry *entry = map_get(&dict->keys, dict_hash(dict, key));

    while (entry != NULL && !slice_equal(entry_key(entry), key))
        entry = entry->next;
    return entry;
}

uint32_t
dict_slot(const struct dict *dict, uint64_t sequence)
{
    uint32_t low = 0, high = dict->slot_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (dict->slots[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct entry *
dict_next(const struct dict *dict, uint32_t *slot)
{
    while (*slot < dict->slot_count) {
        struct entry *entry = dict->slots[(*slot)++].entry;

        if (entry != NULL)
            return entry;
    }
    return NULL;
}

/* ---- slots ---- */

static void
chain_add(struct dict *dict, struct entry *entry)
{
    entry->next = map_get(&dict->keys, entry->hash);
    map_put(&dict->keys, entry->hash, entry);
}

static void
chain_remove(struct dict *dict, struct entry *entry)
{
    struct entry *first = map_get(&dict->keys, entry->hash);

    if (first == entry) {
        if (entry->next != NULL)
            map_put(&dict->keys, entry->hash, entry->next);
        else
            map_remove(&dict->keys, entry->hash);
        return;
    }
    while (first->next != entry)
        first = first->next;
    first->next = entry->next;
}

static void
slot_add(struct dict *dict, struct entry *entry)
{
    base_grow((void **)&dict->slots, &dict->slot_capacity, dict->slot_count + 1,
              sizeof(dict->slots[0]));
    dict->slots[dict->slot_count++] = (struct entry_slot){ entry->sequence, entry };
    dict->count++;
}

/* Without holes, in as much memory as that takes; so is the map of keys. */
static void
dict_compact(struct dict *dict)
{
    struct entry_slot *slots = base_array(dict->count, sizeof(*slots));
    uint32_t           count = 0, slot = 0;
    struct entry      *entry;

    map_free(&dict->keys);
    while ((entry = dict_next(dict, &slot)) != NULL) {
        slots[count++] = (struct entry_slot){ entry->sequence, entry };
        chain_add(dict, entry);
    }
    assert(count == dict->count);
    free(dict->slots);
    dict->slots = slots;
    dict->slot_count = count;
    dict->slot_capacity = count;
}

static void
slot_remove(struct dict *dict, const struct entry *entry)
{
    uint32_t slot = dict_slot(dict, entry->sequence);

    assert(slot < dict->slot_count && dict->slots[slot].entry == entry);
    dict->slots[slot].entry = NULL;
    dict->count--;
    if (dict->slot_count - dict->count > dict->count + HOLES_MIN)
        dict_compact(dict);
}

/* ---- entries ---- */

static struct entry *
entry_new(struct core *core, struct object *object, uint64_t sequence, struct slice key,
          struct cell *value)
{
    struct entry *entry = base_alloc(sizeof(*entry) + key.bytes);

    entry->hash = dict_hash(object->state, key);
    entry->sequence = sequence;
    entry->value = value;
    entry->key_bytes = (uint32_t)key.bytes;
    memcpy(entry->key, key.data, key.bytes);
    object_bytes(core, object, (int64_t)key.bytes + ENTRY_COST_BYTES);
    return entry;
}

static void
entry_free(struct core *core, struct object *object, struct entry *entry)
{
    object_bytes(core, object, -((int64_t)entry->key_bytes + ENTRY_COST_BYTES));
    cell_free(core, object, entry->value);
    free(entry);
}

struct entry *
dict_set(struct core *core, struct object *object, struct slice key, struct cell *value)
{
    struct dict  *dict = object->state;
    struct entry *entry = dict_find(dict, key);

    assert(dict_key_good(key));
    if (entry != NULL) {
        cell_free(core, object, entry->value);
        entry->value = value;
    } else {
        assert(dict->count < DICT_LENGTH_MAX && dict->sequence_last < SEQUENCE_MAX);
        entry = entry_new(core, object, ++dict->sequence_last, key, value);
        chain_add(dict, entry);
        slot_add(dict, entry);
    }
    object_piece_dirty(core, object, piece_of(entry->sequence));
    return entry;
}

void
dict_remove(struct core *core, struct object *object, struct entry *entry)
{
    struct dict *dict = object->state;

    chain_remove(dict, entry);
    slot_remove(dict, entry);
    object_piece_dirty(core, object, piece_of(entry->sequence));
    entry_free(core, object, entry);
}

static void
entries_free(struct core *core, struct object *object)
{
    struct dict  *dict = object->state;
    uint32_t      slot = 0;
    struct entry *entry;

    while ((entry = dict_next(dict, &slot)) != NULL)
        entry_free(core, object, entry);
    map_free(&dict->keys);
    free(dict->slots);
    dict->slots = NULL;
    dict->slot_count = 0;
    dict->slot_capacity = 0;
    dict->count = 0;
}

void
dict_clear(struct core *core, struct object *object)
{
    const struct dict *dict = object->state;
    uint32_t           slot = 0;
    const struct entry *entry;

    while ((entry = dict_next(dict, &slot)) != NULL)
        object_piece_dirty(core, object, piece_of(entry->sequence));
    entries_free(core, object);
}

void
dict_free(struct core *core, struct object *object)
{
    entries_free(core, object);
    dict_note_all(object->state);
    free(object->state);
    object->state = NULL;
}

/* ---- store ---- */

void
dict_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct dict *dict = object->state;

    (void)core;
    write_varint(out, dict->version);
    write_varint(out, dict->sequence_last);
}

bool
dict_get(struct core *core, struct object *object, struct reader *in)
{
    struct dict *dict = object->state;
    uint64_t     version = read_varint(in);
    uint64_t     sequence_last = read_varint(in);

    (void)core;
    if (in->bad || version < DICT_FIRST || sequence_last > SEQUENCE_MAX)
        return false;
    dict->version = version;
    dict->log_from = version;
    dict->sequence_last = sequence_last;
    return dict->count == 0;
}

void
dict_put_piece(const struct core *core, const struct object *object, uint32_t piece,
               struct buffer *out)
{
    const struct dict *dict = object->state;

    (void)core;
    assert(piece < PIECES_PER_LAP);
    for (uint64_t lap = 0; lap <= dict->sequence_last / LAP_SEQUENCES; lap++) {
        uint64_t            first = lap * LAP_SEQUENCES + (uint64_t)piece * PIECE_ENTRIES;
        uint32_t            slot = dict_slot(dict, first);
        const struct entry *entry;

        while ((entry = dict_next(dict, &slot)) != NULL &&
               entry->sequence - first < PIECE_ENTRIES) {
            write_varint(out, entry->sequence);
            record_put_bytes(out, entry_key(entry));
            cell_put(entry->value, out);
        }
    }
}

static bool
get_entry(struct core *core, struct object *object, uint32_t piece, uint64_t above,
          struct reader *in)
{
    struct dict  *dict = object->state;
    uint64_t      sequence = read_varint(in);
    struct slice  key = record_get_bytes(in, KEY_BYTES_MAX);
    struct cell  *value;
    struct entry *entry;

    if (in->bad || !dict_key_good(key) || sequence <= above ||
        sequence > dict->sequence_last || piece_of(sequence) != piece ||
        dict->count == DICT_LENGTH_MAX || dict_find(dict, key) != NULL)
        return false;
    value = cell_get(core, object, in);
    if (value == NULL)
        return false;
    entry = entry_new(core, object, sequence, key, value);
    chain_add(dict, entry);
    slot_add(dict, entry);
    return true;
}

/* Merge the slots from `from` on, which rise by themselves, into those before. */
static void
slots_merge(struct dict *dict, uint32_t from)
{
    uint32_t           left = dict->slot_count - from;
    struct entry_slot *later = base_array(left, sizeof(*later));
    uint32_t           to = dict->slot_count;

    if (left > 0)
        memcpy(later, dict->slots + from, left * sizeof(*later));
    while (left > 0) {
        if (from > 0 && dict->slots[from - 1].sequence > later[left - 1].sequence)
            dict->slots[--to] = dict->slots[--from];
        else
            dict->slots[--to] = later[--left];
    }
    free(later);
}

bool
dict_get_piece(struct core *core, struct object *object, uint32_t piece, struct reader *in)
{
    const struct dict *dict = object->state;
    uint32_t           from = dict->slot_count;
    uint64_t           above = 0;
    bool               good = read_left(in) > 0;

    while (good && read_left(in) > 0) {
        good = get_entry(core, object, piece, above, in);
        above = dict->slot_count > 0 ? dict->slots[dict->slot_count - 1].sequence : 0;
    }
    slots_merge(object->state, from);
    return good;
}

uint32_t
dict_next_piece(const struct core *core, const struct object *object, uint32_t from)
{
    const struct dict *dict = object->state;
    uint32_t           found = UINT32_MAX;

    (void)core;
    if (from >= PIECES_PER_LAP)
        return UINT32_MAX;
    for (uint64_t lap = 0; lap <= dict->sequence_last / LAP_SEQUENCES; lap++) {
        uint32_t slot = dict_slot(dict, lap * LAP_SEQUENCES + (uint64_t)from * PIECE_ENTRIES);
        const struct entry *entry = dict_next(dict, &slot);

        if (entry != NULL && entry->sequence / LAP_SEQUENCES == lap &&
            piece_of(entry->sequence) < found)
            found = piece_of(entry->sequence);
    }
    return found;
}

void
dict_verify(const struct core *core, const struct object *object)
{
    const struct dict  *dict = object->state;
    uint32_t            slot = 0, count = 0;
    uint64_t            bytes = 0, before = 0;
    const struct entry *entry;

    (void)core;
    assert(dict->count <= DICT_LENGTH_MAX && dict->version >= DICT_FIRST);
    while ((entry = dict_next(dict, &slot)) != NULL) {
        assert(entry->sequence > before && entry->sequence <= dict->sequence_last);
        assert(dict_find(dict, entry_key(entry)) == entry);
        before = entry->sequence;
        bytes += entry->key_bytes + (uint64_t)ENTRY_COST_BYTES;
        bytes += entry->value->bytes + (uint64_t)CELL_COST_BYTES;
        count++;
    }
    assert(count == dict->count && slot - count <= count + HOLES_MIN);
    assert(object->bytes == bytes);
    assert(dict->log_from <= dict->version && dict->log_bytes <= (size_t)LOG_BYTES_MAX);
}
