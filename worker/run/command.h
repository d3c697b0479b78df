/* command.h - from a job's description and a task's input to strings for execve
 *
 * Pure.  Placeholders (see placeholder.h) are replaced when the description says
 * that its arguments hold them.  The input is the item, or the number in an array.
 * Without placeholders it is appended as the last argument, unless it is standard
 * input or empty.
 */
#ifndef RUN_COMMAND_H
#define RUN_COMMAND_H

#include "wire.h"

struct command_task {
    const struct wire_spec  *spec;
    const struct wire_token *token;
    struct slice             input;        /* the item */
    const char              *scratch;      /* MUSTER_TASK_DIR */
    const char              *worker;       /* MUSTER_WORKER */
    const char *const       *base_env;     /* NAME=VALUE, NULL-terminated */
    const char              *key_file;     /* MUSTER_AUTHKEY_FILE, with MUSTER_ADDRESS; NULL: */
    const char              *address;      /* the task has no key */
};

/* Append argv, environment and working directory, each with a final zero.
 * Errors: TOO_LARGE (the arguments would grow beyond all bounds). */
muster_err command_put(const struct command_task *task, struct buffer *strings,
                       uint32_t *argc_out, uint32_t *envc_out, struct muster_error *error);
/* The command's name as it was asked for, for messages. */
struct slice command_name(struct slice strings);

/* The part of `environ` that tasks may see, and PATH when there is none.  With
 * `user` and `home` not NULL, USER, LOGNAME and HOME tell of them instead.
 * One allocation for all; free() it. */
const char **command_base_env(char *const *environment, const char *user, const char *home);

#endif
