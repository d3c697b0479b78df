/* dict_entries.h - the entries of a shared dict (private to dict.c)
 *
 * 1. Every entry has a sequence number, which rises with each key that is put in
 *    and is never used again: order of insertion is order of sequence numbers.
 *    Overwriting keeps it.  So it is a position that stays good while entries
 *    come and go.
 * 2. Found by the hash of the key, then by the key itself.  The hash is another
 *    in every life of the manager, so that nobody can choose keys that share one;
 *    nothing that is told or stored depends on it.
 * 3. What is stored together: PIECE_ENTRIES consecutive sequence numbers.  The
 *    number of a piece has 24 bits; after 2^32 insertions old pieces are shared by
 *    later entries, which makes them larger and nothing worse.
 * 4. Each fact that changes something raises the version by one.  The log says
 *    which keys the last versions changed; it is volatile, bounded, and begins
 *    when the dict is first watched.
 */
#ifndef DICT_ENTRIES_H
#define DICT_ENTRIES_H

#include "cell.h"

enum {
    DICT_LENGTH_MAX   = 1000000,
    DICT_FIRST        = 1,         /* version of a new one */
    ENTRY_COST_BYTES  = 64,        /* besides key and cell; counts for limits */
    PIECE_ENTRIES     = 256,
    LOG_BYTES_MAX     = 128 * KIB,
    CHANGE_COST_BYTES = 64,        /* in the log, besides the key */
};

static_assert(LOG_BYTES_MAX + 4u <= (unsigned)BLOCK_BYTES_MAX &&
                  LOG_BYTES_MAX / CHANGE_COST_BYTES <= (unsigned)BLOCK_ITEMS_MAX,
              "all keys of the log must fit a block");

struct entry {
    struct entry *next;            /* of the same hash */
    uint64_t      hash, sequence;
    struct cell  *value;
    uint32_t      key_bytes;
    uint8_t       key[];
};

struct entry_slot {
    uint64_t      sequence;
    struct entry *entry;           /* NULL: it was taken out */
};

struct change {
    struct list link;
    uint64_t    version, hash;
    uint32_t    key_bytes;
    uint8_t     key[];
};

struct dict {
    const uint64_t    *seed;       /* of its hashes: the core's */
    uint64_t           version, sequence_last;
    struct map         keys;       /* (d) hash -> struct entry */
    struct entry_slot *slots;      /* (d) by sequence; with holes, at most half and a few */
    uint32_t           slot_count, slot_capacity;
    uint32_t           count;
    /* (v) */
    bool               watched;    /* once, in this life of the manager */
    uint64_t           log_from;   /* all changes above this version are in the log */
    struct list        log;        /* struct change, oldest first; empty until it is watched */
    struct map         log_keys;   /* hash -> the newest change of it */
    size_t             log_bytes;
};

static inline struct slice
entry_key(const struct entry *entry)
{
    return slice_of(entry->key, entry->key_bytes);
}
static inline uint64_t
dict_hash(const struct dict *dict, struct slice key)
{
    return siphash(dict->seed, key);
}
static inline bool
dict_key_good(struct slice key)
{
    return key.bytes > 0 && key.bytes <= KEY_BYTES_MAX;
}

struct dict  *dict_new(const struct core *core);
void          dict_free(struct core *core, struct object *object);
struct entry *dict_find(const struct dict *dict, struct slice key);     /* NULL: not there */
/* Takes the cell over.  The dict must not be full when the key is new. */
struct entry *dict_set(struct core *core, struct object *object, struct slice key,
                       struct cell *value);
void          dict_remove(struct core *core, struct object *object, struct entry *entry);
void          dict_clear(struct core *core, struct object *object);
/* Walk: from the slot of the first sequence number >= `sequence`; NULL at the end. */
uint32_t      dict_slot(const struct dict *dict, uint64_t sequence);
struct entry *dict_next(const struct dict *dict, uint32_t *slot);

/* ---- dict_log.c: versions ---- */
void dict_changed(struct dict *dict);                    /* once per fact, before ... */
void dict_note(struct dict *dict, struct slice key);     /* ... each key that it changed */
void dict_note_all(struct dict *dict);                   /* too many to tell */
void dict_watch(struct dict *dict);
/* The keys (of this one, unless it is empty) that changed behind `version`, which is
 * at least log_from, each once, into the block.  Returns how many changes it looked at. */
uint32_t dict_changes(const struct dict *dict, uint64_t version, struct slice key,
                      struct wire_block *block);

/* Hooks of the noun. */
void     dict_put(const struct core *core, const struct object *object, struct buffer *out);
bool     dict_get(struct core *core, struct object *object, struct reader *in);
void     dict_put_piece(const struct core *core, const struct object *object, uint32_t piece,
                        struct buffer *out);
bool     dict_get_piece(struct core *core, struct object *object, uint32_t piece,
                        struct reader *in);
uint32_t dict_next_piece(const struct core *core, const struct object *object, uint32_t from);
void     dict_verify(const struct core *core, const struct object *object);

#endif
