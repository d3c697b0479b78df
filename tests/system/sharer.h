/* sharer.h - what sharer.c and its stories share */
#ifndef SHARER_H
#define SHARER_H

#include <muster/callback.h>
#include <muster/lock.h>
#include <muster/queue.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern struct muster_session *session;
extern struct muster_error    error;

/* Tell the error and exit. */
void ended(const char *what);
void connect_session(void);
/* False: there is no such part. */
bool story_run(const char *part);

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != MUSTER_OK)                                                                   \
            ended(#call);                                                                          \
    } while (0)

#define WANT(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "sharer: line %d: not so: %s\n", __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define GIVES(wanted, call)                                                                        \
    do {                                                                                           \
        muster_err got_ = (call);                                                                  \
        if (got_ != (wanted)) {                                                                    \
            fprintf(stderr, "sharer: line %d: %s gave %s (%s)\n", __LINE__, #call,                 \
                    muster_err_name(got_), got_ ? error.detail : "");                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Threads look for what others bring about. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int tries_ = 0; !(condition); tries_++) {                                             \
            WANT(tries_ < 20000);                                                                  \
            poll(NULL, 0, 1);                                                                      \
        }                                                                                          \
    } while (0)

#endif
