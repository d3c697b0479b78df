/* objects_notes.h - what leaves the manager, noted for the checker of shared objects */
#ifndef SIM_OBJECTS_NOTES_H
#define SIM_OBJECTS_NOTES_H

#include "effects.h"
#include "history.h"

/* How much of the effects of a turn the checker has seen. */
struct noted {
    uint32_t leases, pruned, ended, sends, keys;
};

/* Requests of shared objects and OBJECT_SEEN; anything else is left out. */
void objects_note_asked(struct notes *notes, uint64_t session, const struct wire_message *message,
                        uint64_t at_ms);
/* Sessions that ended: before the request that is stepped is noted. */
void objects_note_ended(struct noted *noted, struct notes *notes,
                        const struct effects *fx, uint64_t at_ms);
/* Those, and then the answers: what a session held was free before it was given. */
void objects_note_effects(struct noted *noted, struct notes *notes,
                          const struct effects *fx, uint64_t at_ms);

#endif
