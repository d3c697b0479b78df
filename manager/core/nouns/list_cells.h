/* list_cells.h - the items of a shared list (private to list.c and list_sort.c)
 *
 * 1. An item has an index, which changes with every insertion before it, and a
 *    place, which is what it is stored by: PIECE_CELLS places make a piece.
 *    Places are consecutive, too; `place` is that of the first item.
 * 2. A change in the middle moves the shorter side, in memory and in places
 *    alike, so that both ends cost O(1) and dirty one piece; the middle costs a
 *    move of 8 bytes per item of the shorter side, and its pieces.
 * 3. Places run out when a list creeps to one end (append, pop the first, for a
 *    few million times): then all of them are given anew around the middle.
 * 4. Which side moves, and when places are given anew, follows from the list
 *    alone, so that a replay gives the same places.
 */
#ifndef LIST_CELLS_H
#define LIST_CELLS_H

#include "cell.h"

enum {
    LIST_LENGTH_MAX = 1000000,
    /* Sorting is one step, in which nobody else is served: some 30 ms at most. */
    LIST_SORT_ITEMS_MAX = 128 * 1024,
    LIST_SORT_BYTES_MAX = 16 * MIB,
    LIST_PLACES     = 1 << 22,
    PIECE_CELLS     = 64,
};

static_assert(LIST_PLACES / 4 > LIST_LENGTH_MAX, "places given anew must last");
static_assert(LIST_PLACES % PIECE_CELLS == 0 && LIST_PLACES / PIECE_CELLS <= 1 << 24,
              "the number of a piece must fit");

struct cells {
    struct cell **slots;
    uint32_t      head, count, capacity;   /* in use: slots[head .. head + count - 1] */
    uint32_t      place;
};

static inline struct cell **
cells_at(const struct cells *cells, uint32_t index)
{
    assert(index < cells->count);
    return &cells->slots[cells->head + index];
}

struct cells *cells_new(void);
/* Replace `removed` items from `at` on by those of `made`, which it takes over. */
void cells_replace(struct core *core, struct object *object, uint32_t at, uint32_t removed,
                   struct cell *const *made, uint32_t count);
/* These items were exchanged in place. */
void cells_dirty(struct core *core, struct object *object, uint32_t first, uint32_t count);
void cells_free(struct core *core, struct object *object);

/* Hooks of the noun. */
void     cells_put(const struct core *core, const struct object *object, struct buffer *out);
bool     cells_get(struct core *core, struct object *object, struct reader *in);
void     cells_verify(const struct core *core, const struct object *object);
void     cells_put_piece(const struct core *core, const struct object *object, uint32_t piece,
                         struct buffer *out);
bool     cells_get_piece(struct core *core, struct object *object, uint32_t piece,
                         struct reader *in);
uint32_t cells_next_piece(const struct core *core, const struct object *object, uint32_t from);

/* ---- list_sort.c ---- */
enum list_sort { SORT_BYTES, SORT_INTEGERS, SORT_DOUBLES, SORT_DECIMALS, SORT_KINDS };
/* The first item that cannot be sorted so: a reference, or no such number.
 * UINT32_MAX: there is none. */
uint32_t list_sort_check(const struct cells *cells, enum list_sort by);
/* Stable.  The check must have passed; the caller marks the items dirty. */
void     list_sort(struct cells *cells, enum list_sort by, bool descending);

#endif
