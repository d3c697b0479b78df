/* cell.h - what an application stores, as it travels: bytes, or the id of an object */
#ifndef CLIENT_CELL_H
#define CLIENT_CELL_H

#include "handle.h"

struct cell_in {
    struct slice value;          /* may point into `reference`: do not copy the struct */
    bool         is_reference;
    uint8_t      reference[8];
};

void cell_in(struct cell_in *cell, const struct muster_cell *from);

#endif
