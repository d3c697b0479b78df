/* error.h - every way a call of muster can fail
 *
 * One table: the number that travels and that programs compare, the name, the
 * text for people, and what to do next.  Numbers are never reused.  The exit
 * status is what the `muster` program ends with when this error stops it.
 */
#ifndef MUSTER_ERROR_H
#define MUSTER_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_API       __attribute__((visibility("default")))
#define MUSTER_MUST_CHECK __attribute__((warn_unused_result))

/*  X(number, name, exit status, text, what to do next) */
#define MUSTER_ERRORS(X)                                                       \
  X( 0, OK,           0,  "done",                                              \
     "")                                                                       \
  X( 1, INVALID,      2,  "malformed or not allowed here",                     \
     "check the arguments against the manual")                                 \
  X( 2, DENIED,       67, "this key may not do that",                          \
     "use a key of another role, or ask whoever runs the manager")             \
  X( 3, NOT_FOUND,    66, "no such object",                                    \
     "list what exists: `muster jobs`, `muster workers`, `muster object list`") \
  X( 4, EXISTS,       73, "it exists already",                                 \
     "choose another name or remove the old one")                              \
  X( 5, STALE,        75, "the lease was lost",                                \
     "discard the result; another worker has the task")                        \
  X( 6, TIMEOUT,      124,"not within the time that was given",                \
     "wait longer, or repeat the request: repeating is safe")                  \
  X( 7, FULL,         75, "a limit is reached",                                \
     "wait until something ends, or raise the limit at the manager")           \
  X( 8, BUSY,         75, "the manager is overloaded",                         \
     "try again a little later")                                               \
  X( 9, CLOSED,       75, "it is closed",                                      \
     "open a new one")                                                         \
  X(10, CANCELED,     130,"it was cancelled",                                  \
     "submit it again if it is still wanted")                                  \
  X(11, INTERRUPTED,  130,"interrupted",                                       \
     "nothing was undone; ask for the state before repeating")                 \
  X(12, AUTH,         77, "the manager refused this key",                      \
     "enrol the key with `muster key add`, or check that it was not revoked")  \
  X(13, WRONG_MANAGER,68, "the other side does not hold the expected manager key", \
     "check the address, and that the authkey file belongs to this manager")   \
  X(14, VERSION,      76, "the manager speaks another protocol version",       \
     "install matching versions of muster on both sides")                      \
  X(15, UNREACHABLE,  69, "nobody answers at this address",                    \
     "check the address and that the manager runs")                            \
  X(16, SESSION,      75, "the session has ended",                             \
     "connect again")                                                          \
  X(17, IO,           74, "input or output failed",                            \
     "see the detail")                                                         \
  X(18, NO_MEMORY,    71, "out of memory",                                     \
     "give it more memory or ask for less at a time")                          \
  X(19, NO_SPACE,     72, "the manager's disk is full",                        \
     "free space in the manager's directory; running work still ends")         \
  X(20, TOO_LARGE,    65, "larger than the limit",                             \
     "split it, or pass a file name instead of its content")                   \
  X(21, CONFLICT,     65, "the same deduplication key with other content",     \
     "use a new key for a new job")                                            \
  X(22, STATE,        75, "not possible in its present state",                 \
     "look at the state first")                                                \
  X(23, KEY_TEXT,     78, "the key text is damaged, or is no key of muster",   \
     "copy the line again from the original file, or see `muster key`")        \
  X(24, KEY_FILE,     78, "the key file is not safe to use",                   \
     "it must be a regular file of yours, mode 0600, with one link")           \
  X(25, UNSUPPORTED,  76, "not supported by the other side",                   \
     "update the other side")                                                  \
  X(26, INTERNAL,     70, "a defect in muster",                                \
     "please report it with the log")                                           \
  X(27, EMPTY,        75, "nothing is there",                                  \
     "wait longer, or put something in first")                                 \
  X(28, NOT_OWNER,    75, "held by someone else, or by nobody",                \
     "acquire it before using it; release it where it was acquired")           \
  X(29, BROKEN_BARRIER, 75, "the barrier is broken",                           \
     "reset it, then wait again")                                              \
  X(30, END,          75, "the other end is closed and all was read",          \
     "close this end as well")                                                 \
  X(31, TOO_SHORT,    65, "the buffer is too short",                           \
     "take the message that was handed over, and give a larger buffer next time") \
  X(32, RANGE,        65, "index out of bounds",                               \
     "look at the length first")                                               \
  X(33, NO_KEY,       66, "no such key",                                       \
     "look whether it is there, or set it first")                              \
  X(34, TYPE,         65, "another kind of object or value",                   \
     "open it as what it is; see `muster object list`")                        \
  X(35, FENCED,       75, "guarded by a lock that is held with another token", \
     "stop: another holder has the lock; acquire it again")                    \
  X(36, REMOTE,       1,  "the other side failed",                             \
     "see the detail: it is what the function or service said")                \
  X(37, BROKEN_POOL,  75, "the pool cannot run anything any more",             \
     "make a new one; see `muster workers`")

typedef enum muster_err {
#define MUSTER_ERROR_ENUM(number, name, status, text, advice) MUSTER_ERR_##name = number,
    MUSTER_ERRORS(MUSTER_ERROR_ENUM)
#undef MUSTER_ERROR_ENUM
    MUSTER_ERR_COUNT
} muster_err;

#define MUSTER_OK MUSTER_ERR_OK

#define MUSTER_DETAIL_BYTES 480

/* What failed, to which object.  `detail` is one line without a newline and
 * may be empty; control characters in it have been escaped. */
struct muster_error {
    muster_err code;
    char       detail[MUSTER_DETAIL_BYTES];
};

/* Never NULL; an unknown number gives a text that says so. */
MUSTER_API const char *muster_err_name(muster_err err);
MUSTER_API const char *muster_err_text(muster_err err);
MUSTER_API const char *muster_err_advice(muster_err err);
MUSTER_API int muster_err_exit_status(muster_err err);

#ifdef __cplusplus
}
#endif
#endif
