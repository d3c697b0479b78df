/* cell.h - what objects that hold data share: cells, batches of them, verbs in a table
 *
 * A cell is bytes, or a reference to another object.
 *
 * 1. Whoever stores a reference must have its object open; the object then
 *    lives as long as a cell refers to it.  Anonymous objects that refer to
 *    each other in a ring keep each other alive: to be rid of them, take one
 *    out of the ring, or empty it.
 * 2. What a transient object does is not replayed, so it can keep no other
 *    object alive: it holds bytes only.
 * 3. A cell of an object that was deleted stays; opening it says NOT_FOUND.
 */
#ifndef CELL_H
#define CELL_H

#include "object.h"

enum {
    CELL_COST_BYTES = 48,          /* what a cell costs besides its bytes; counts for limits */
    REFERENCE_BYTES = 8,           /* an id, little-endian */
};

struct cell {
    uint32_t bytes;
    bool     is_reference;
    uint8_t  data[];
};

static inline struct slice
cell_slice(const struct cell *cell)
{
    return slice_of(cell->data, cell->bytes);
}

/* In decide: may the session of `act` store this?  False: *v says why not. */
bool         cell_allowed(const struct core *core, const struct object *object,
                          const struct act *act, struct slice value, bool is_reference,
                          struct verdict *v);
/* In apply: refers to the object and counts the bytes.  NULL: no such object, too large. */
struct cell *cell_make(struct core *core, struct object *object, struct slice value,
                       bool is_reference);
struct cell *cell_copy(struct core *core, struct object *object, const struct cell *cell);
void         cell_free(struct core *core, struct object *object, struct cell *cell);
bool         cell_equals(const struct cell *cell, struct slice value, bool is_reference);
void         cell_answer(const struct cell *cell, struct msg_object_done *answer);
/* It is taken out and handed to this session, which gets what it refers to opened. */
void         cell_hand_over(struct core *core, const struct cell *cell, uint64_t session);
void         cell_put(const struct cell *cell, struct buffer *out);
/* Counts the bytes; references are counted already (object->refs is stored).  NULL: malformed. */
struct cell *cell_get(struct core *core, struct object *object, struct reader *in);

/* In decide: is there room for another object?  False: *v says no. */
bool may_make(const struct core *core, const struct object *object, struct verdict *v);

/* ---- several in one request: a block of `count` times `per` byte strings, and
 * in the key one byte for each of the `count`: 1 = it is a reference ---- */
struct batch {
    struct slice block, flags;
    uint32_t     count;
};
/* False: malformed. */
bool batch_of(const struct act *act, uint64_t count, uint32_t per, struct batch *batch_out);
static inline bool
batch_is_reference(const struct batch *batch, uint32_t at)
{
    return batch->flags.bytes > 0 && ((const uint8_t *)batch->flags.data)[at] == 1;
}

/* ---- several in one answer ---- */
struct cell_block {
    struct wire_block block;
    struct buffer     flags;
};
/* A byte string without a flag, and a cell with one.  False: full, nothing added. */
bool cell_block_add_text(struct cell_block *block, struct slice text);
bool cell_block_add(struct cell_block *block, const struct cell *cell);
/* Into value and key of the answer (by way of core->scratch); frees the block. */
void cell_block_answer(struct core *core, struct cell_block *block,
                       struct msg_object_done *answer);

/* ---- verbs ---- */
enum {                             /* what a request may carry; the rest must be zero or empty */
    USES_A = 1, USES_B = 2, USES_C = 4, USES_D = 8, USES_KEY = 16, USES_VALUE = 32,
    USES_REFERENCE = 64,
};
/* v->kind is VERDICT_DO when it is called. */
typedef void data_decide_fn(struct core *core, struct object *object, const struct act *act,
                            struct verdict *v);
typedef bool data_apply_fn(struct core *core, struct object *object, const struct act *act,
                           struct msg_object_done *answer);
struct data_verb {
    uint32_t        uses;
    data_decide_fn *decide;        /* NULL: it can always be done */
    data_apply_fn  *apply;         /* NULL: it only reads */
};
struct data_verbs {
    const struct data_verb *rows;  /* of the verbs from `first` on */
    uint32_t                first, count;
};
void data_decide(const struct data_verbs *verbs, struct core *core, struct object *object,
                 const struct act *act, struct verdict *v);
bool data_apply(const struct data_verbs *verbs, struct core *core, struct object *object,
                const struct act *act, struct msg_object_done *answer);

#endif
