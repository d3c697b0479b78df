/* noun_pipe.h - what the listener needs of the pipes that it makes */
#ifndef NOUN_PIPE_H
#define NOUN_PIPE_H

#include "object.h"

/* In apply: `end` is 0 or 1 and not closed; a session may be attached already. */
void pipe_attach(struct core *core, struct object *object, uint64_t session, unsigned end);
/* False: it was not attached. */
bool pipe_detach(struct core *core, struct object *object, uint64_t session, unsigned end);

#endif
