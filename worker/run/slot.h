/* slot.h - the loop's side of a keeper: one socket and two pipes
 *
 * The pipes are made once and serve task after task, so that a task without
 * output costs nothing for them.  After the keeper said ENDED nobody is left
 * who could write, and what is in them belongs to the task that ended.
 *
 *   NEW --READY--> IDLE --run--> BUSY --ENDED--> IDLE
 *                    socket closed: BROKEN --gone (nursery)--> closed
 */
#ifndef RUN_SLOT_H
#define RUN_SLOT_H

#include "buffer.h"
#include "errors.h"
#include "nursery.h"
#include "order.h"

enum slot_state { SLOT_CLOSED, SLOT_NEW, SLOT_IDLE, SLOT_BUSY, SLOT_BROKEN };

struct slot {
    uint32_t        number;
    enum slot_state state;
    int             socket;
    int             pipes[2];     /* read ends: stdout, stderr */
    pid_t           keeper;       /* known from READY on */
};

/* Errors: IO (no descriptors, the nursery is gone). */
muster_err slot_open(struct slot *slot, uint32_t number, const struct nursery *nursery,
                     struct muster_error *error);
void       slot_close(struct slot *slot);
/* Start a task in an idle slot (or a new one: its keeper reads it when it is
 * ready).  `strings` as order.h says; stdin_fd may be -1 and stays the caller's. */
muster_err slot_run(struct slot *slot, struct order *order, struct slice strings, int stdin_fd,
                    struct muster_error *error);
void       slot_kill(const struct slot *slot, uint64_t task, bool hard);
/* 1: a report; 0: nothing now; -1: the keeper is gone (the slot is BROKEN now). */
int        slot_receive(struct slot *slot, struct report *report_out);
/* Nobody is left who could write: only when the keeper is dead. */
void       slot_pipe_ended(struct slot *slot, unsigned stream);

#endif
