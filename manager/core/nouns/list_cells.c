/* list_cells.c - see list_cells.h */
#include "list_cells.h"

enum { CELLS_CAPACITY_MIN = 8, MOVED_PER_WORK = 32 };

struct cells *
cells_new(void)
{
    struct cells *cells = base_alloc(sizeof(*cells));

    cells->place = LIST_PLACES / 2;
    return cells;
}

/* Mark the pieces of places first .. end-1. */
static void
places_dirty(struct core *core, struct object *object, uint32_t first, uint32_t end)
{
    if (first == end)
        return;
    for (uint32_t piece = first / PIECE_CELLS; piece <= (end - 1) / PIECE_CELLS; piece++)
        object_piece_dirty(core, object, piece);
}

void
cells_dirty(struct core *core, struct object *object, uint32_t first, uint32_t count)
{
    const struct cells *cells = object->state;

    assert(first <= cells->count && count <= cells->count - first);
    places_dirty(core, object, cells->place + first, cells->place + first + count);
}

/* Move all into an array of this size.  A quarter of what is free, or three, lies
 * in front: whichever end grows next has room in proportion to what was moved. */
static void
cells_resize(struct cells *cells, uint32_t capacity, bool front)
{
    struct cell **slots = base_array(capacity, sizeof(struct cell *));
    uint32_t      free_slots = capacity - cells->count;
    uint32_t      head = front ? free_slots - free_slots / 4 : free_slots / 4;

    assert(capacity >= cells->count);
    if (cells->count > 0)
        memcpy(slots + head, cells->slots + cells->head, cells->count * sizeof(*slots));
    free(cells->slots);
    cells->slots = slots;
    cells->head = head;
    cells->capacity = capacity;
}

static void
cells_reserve(struct cells *cells, bool front, uint32_t more)
{
    uint32_t room = front ? cells->head : cells->capacity - cells->head - cells->count;

    if (room < more)
        cells_resize(cells, 2 * cells->count + 4 * more + CELLS_CAPACITY_MIN, front);
}

/* So that a list that was long once does not keep the memory. */
static void
cells_shrink(struct cells *cells)
{
    if (cells->capacity > 64 && cells->count < cells->capacity / 8)
        cells_resize(cells, 2 * cells->count + CELLS_CAPACITY_MIN, false);
}

/* There must be places for `more` items at one end. */
static void
places_reserve(struct core *core, struct object *object, bool front, uint32_t more)
{
    struct cells *cells = object->state;

    if (front ? cells->place >= more : LIST_PLACES - cells->place - cells->count >= more)
        return;
    cells_dirty(core, object, 0, cells->count);
    cells->place = (LIST_PLACES - cells->count) / 2;
    cells_dirty(core, object, 0, cells->count);
}

/* The items before `at` move by `added` - `removed` towards the front. */
static void
move_front(struct core *core, struct object *object, uint32_t at, uint32_t removed,
           uint32_t added)
{
    struct cells *cells = object->state;
    struct cell **slots = cells->slots;
    uint32_t      head = cells->head + removed - added;
    uint32_t      place = cells->place + removed - added;
    uint32_t      lowest = place < cells->place ? place : cells->place;

    object_work(core, at / MOVED_PER_WORK);
    memmove(slots + head, slots + cells->head, at * sizeof(*slots));
    places_dirty(core, object, lowest, cells->place + at + removed);
    cells->head = head;
    cells->place = place;
}

/* Those behind them move towards the back. */
static void
move_back(struct core *core, struct object *object, uint32_t at, uint32_t removed, uint32_t added)
{
    struct cells *cells = object->state;
    struct cell **first = cells->slots + cells->head + at;
    uint32_t      left = cells->count - at - removed;
    uint32_t      longest = at + left + (removed > added ? removed : added);

    object_work(core, left / MOVED_PER_WORK);
    memmove(first + added, first + removed, left * sizeof(*first));
    places_dirty(core, object, cells->place + at, cells->place + longest);
}

void
cells_replace(struct core *core, struct object *object, uint32_t at, uint32_t removed,
              struct cell *const *made, uint32_t count)
{
    struct cells *cells = object->state;
    bool          front;

    assert(at <= cells->count && removed <= cells->count - at);
    assert(cells->count - removed + count <= LIST_LENGTH_MAX);
    front = at < cells->count - at - removed;
    for (uint32_t i = 0; i < removed; i++)
        cell_free(core, object, *cells_at(cells, at + i));
    if (count > removed) {
        cells_reserve(cells, front, count - removed);
        places_reserve(core, object, front, count - removed);
    }
    if (count == removed)
        cells_dirty(core, object, at, count);
    else if (front)
        move_front(core, object, at, removed, count);
    else
        move_back(core, object, at, removed, count);
    cells->count += count - removed;
    for (uint32_t i = 0; i < count; i++)
        *cells_at(cells, at + i) = made[i];
    cells_shrink(cells);
    if (cells->count == 0)
        cells->place = LIST_PLACES / 2;
}

void
cells_free(struct core *core, struct object *object)
{
    struct cells *cells = object->state;

    for (uint32_t i = 0; i < cells->count; i++)
        cell_free(core, object, *cells_at(cells, i));
    free(cells->slots);
    free(cells);
    object->state = NULL;
}

/* ---- store and tests ---- */

void
cells_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct cells *cells = object->state;

    (void)core;
    write_varint(out, cells->place);
}

bool
cells_get(struct core *core, struct object *object, struct reader *in)
{
    struct cells *cells = object->state;
    uint64_t      place = read_varint(in);

    (void)core;
    if (in->bad || place >= LIST_PLACES)
        return false;
    cells->place = (uint32_t)place;
    return cells->count == 0;
}

/* The items that lie in a piece: index of the first, and their number. */
static uint32_t
piece_items(const struct cells *cells, uint32_t piece, uint32_t *first_out)
{
    uint64_t from = (uint64_t)piece * PIECE_CELLS;
    uint64_t end = from + PIECE_CELLS;
    uint64_t cells_end = (uint64_t)cells->place + cells->count;

    if (from < cells->place)
        from = cells->place;
    if (end > cells_end)
        end = cells_end;
    if (from >= end)
        return 0;
    *first_out = (uint32_t)(from - cells->place);
    return (uint32_t)(end - from);
}

void
cells_put_piece(const struct core *core, const struct object *object, uint32_t piece,
                struct buffer *out)
{
    const struct cells *cells = object->state;
    uint32_t            first = 0;
    uint32_t            count = piece_items(cells, piece, &first);

    (void)core;
    for (uint32_t i = 0; i < count; i++)
        cell_put(*cells_at(cells, first + i), out);
}

bool
cells_get_piece(struct core *core, struct object *object, uint32_t piece, struct reader *in)
{
    struct cells *cells = object->state;
    uint64_t      place = (uint64_t)piece * PIECE_CELLS;

    if (place < cells->place)      /* the first one begins where the list does */
        place = cells->place;
    if (place != (uint64_t)cells->place + cells->count || read_left(in) == 0)
        return false;
    while (read_left(in) > 0) {
        struct cell *cell;

        if (place / PIECE_CELLS != piece || cells->count == LIST_LENGTH_MAX)
            return false;
        cell = cell_get(core, object, in);
        if (cell == NULL)
            return false;
        cells_reserve(cells, false, 1);
        cells->count++;
        *cells_at(cells, cells->count - 1) = cell;
        place++;
    }
    return true;
}

uint32_t
cells_next_piece(const struct core *core, const struct object *object, uint32_t from)
{
    const struct cells *cells = object->state;
    uint32_t            first = cells->place / PIECE_CELLS;

    (void)core;
    if (cells->count == 0)
        return UINT32_MAX;
    if (from < first)
        return first;
    return from <= (cells->place + cells->count - 1) / PIECE_CELLS ? from : UINT32_MAX;
}

void
cells_verify(const struct core *core, const struct object *object)
{
    const struct cells *cells = object->state;
    uint64_t            bytes = 0;

    (void)core;
    assert(cells->count <= LIST_LENGTH_MAX);
    assert(cells->head + cells->count <= cells->capacity);
    assert(cells->place + cells->count <= LIST_PLACES);
    for (uint32_t i = 0; i < cells->count; i++)
        bytes += (*cells_at(cells, i))->bytes + (uint64_t)CELL_COST_BYTES;
    assert(object->bytes == bytes);
}
