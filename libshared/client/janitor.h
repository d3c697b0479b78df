/* janitor.h - a private folder that goes away when we are killed
 *
 * A small child makes the folder and waits.  When we die, however that
 * happens, its pipe closes and it removes the folder; when somebody else has
 * taken the folder over, it is sent away.
 */
#ifndef CLIENT_JANITOR_H
#define CLIENT_JANITOR_H

#include <sys/types.h>

#include "errors.h"

struct janitor {
    pid_t pid;             /* 0: none */
    int   pipe[2];         /* it lives as long as we hold the second; with the first, too,
                              a word to a janitor that was killed is no SIGPIPE */
};

/* Make a folder from `template` (as for mkdtemp), 0700; the name is put there.
 * Errors: IO, NO_SPACE. */
muster_err janitor_start(struct janitor *janitor, char *template, struct muster_error *error);
/* The folder is not its business any more. */
void       janitor_dismiss(struct janitor *janitor);

#endif
