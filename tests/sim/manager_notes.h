/* manager_notes.h - what the answers of the manager tell the checker of jobs */
#ifndef SIM_MANAGER_NOTES_H
#define SIM_MANAGER_NOTES_H

#include "effects.h"
#include "history.h"

/* The answer to the request that was just stepped, of those from `first` on; false: none
 * yet.  Slices point into the effects. */
bool notes_answer(const struct effects *fx, uint32_t first, uint64_t session, uint64_t request,
                  uint16_t *type_out, union wire_any *m_out);
/* `stamp` has session and times. */
void notes_of_answer(struct notes *notes, const struct note *stamp, struct history *history,
                     uint16_t asked, const union wire_any *m, uint16_t type,
                     const union wire_any *answer);

/* A public key as the checker knows it. */
uint64_t notes_key_number(struct slice key);

#endif
