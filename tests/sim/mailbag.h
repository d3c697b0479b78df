/* mailbag.h - what the manager sends, joined into frames, handed to the network
 *
 * `struct outbox` is this bag, so that the manager's own answer.c fills it
 * through outbox_add() (manager/outbox.h).
 */
#ifndef SIM_MAILBAG_H
#define SIM_MAILBAG_H

#include "map.h"
#include "outbox.h"
#include "world.h"

struct outbox {
    struct sim *sim;
    struct map  peers;         /* peer -> struct mailbag_peer */
};

/* Send everything, or drop it. */
void mailbag_empty(struct outbox *bag, bool send);

#endif
