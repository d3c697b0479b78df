/* task_keys.h - keys of tasks: made, written for the task to read, wiped when it ended
 *
 * For tasks whose job asked for keys.  A key file is an ordinary authkey: a secret of
 * this task alone, and the manager's public key.
 *
 * 1. A secret lies in sodium_malloc memory and, while its task runs, in one file: mode
 *    0600, owned by whom the task runs as, in the folder of this worker's scratch
 *    folders, beside and not in the task's own, which may be its output.
 * 2. It is never an argument, in an environment or in a log: those have the path.
 * 3. Wiped and removed when the task has ended, however it ended.  Should the worker be
 *    killed, the nursery removes the folder.
 */
#ifndef WORKER_TASK_KEYS_H
#define WORKER_TASK_KEYS_H

#include "auth.h"
#include "map.h"
#include "spawn.h"
#include "wire.h"

struct task_keys {
    const char              *scratch;           /* all borrowed */
    const struct spawn_user *user;              /* that tasks run as */
    const struct key        *worker;            /* whose manager theirs is, too */
    struct map               by_task;           /* task -> struct task_key */
};

void task_keys_free(struct task_keys *keys);
/* Make a pair for a task that has none.  Errors: NO_MEMORY. */
muster_err task_keys_make(struct task_keys *keys, uint64_t task, const struct wire_token *token,
                          uint8_t public_out[KEY_PUBLIC_BYTES], struct muster_error *error);
/* The file with its key, written at the first call; the path lives until it is
 * forgotten.  Errors: IO, NO_SPACE. */
muster_err task_keys_file(struct task_keys *keys, uint64_t task, const char **path_out,
                          struct muster_error *error);
/* The task ended: nothing is left of its key.  Does nothing for one without. */
void       task_keys_forget(struct task_keys *keys, uint64_t task);

#endif
