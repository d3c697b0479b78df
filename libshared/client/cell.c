/* cell.c - see cell.h */
#include "cell.h"

#include <endian.h>
#include <string.h>

void
cell_in(struct cell_in *cell, const struct muster_cell *from)
{
    uint64_t object = htole64(from->object);

    *cell = (struct cell_in){ .value = slice_of(from->data, from->bytes),
                              .is_reference = from->object != 0 };
    if (!cell->is_reference)
        return;
    memcpy(cell->reference, &object, sizeof(object));
    cell->value = slice_of(cell->reference, sizeof(cell->reference));
}
