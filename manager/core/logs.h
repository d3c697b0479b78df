/* logs.h - lines that workers and the manager logged (private to this folder)
 *
 *             LOG_PUT, core_log()               the room is wanted for newer ones
 *   (none) ------------------------> kept --------------------------------------> dropped
 *
 * 1. All of it is volatile: a restart begins with none, and the numbers of lines go
 *    on rising over it (the epoch is in their upper bits).
 * 2. Lines stand in the order in which they came, so those of one source in the
 *    order in which they were logged.
 * 3. When the room is used up, the oldest line of the source that has most goes, if
 *    that is more than its share; else the oldest of all.  So who says little is not
 *    pushed out by who says much.
 */
#ifndef LOGS_H
#define LOGS_H

#include "core.h"
#include "heap.h"
#include "list.h"
#include "map.h"

enum {
    LOG_KEPT_BYTES_MIN = 64 * 1024,
    LOG_SHARES         = 8,              /* more than one of so many parts is much */
    LOG_PAGE_BYTES     = 128 * 1024,     /* of lines in one answer */
    LOG_BYTES_PER_S    = 256 * 1024,     /* taken from one worker ... */
    LOG_BYTES_BURST    = 1024 * 1024,    /* ... after it was quiet */
};

#define LOG_OWN_SOURCE "manager"         /* no worker speaks in this name */

struct log_source {
    struct log_source *next;             /* of the same hash */
    struct slice       name;             /* 0-terminated */
    uint64_t           hash, bytes;
    struct list        lines;
    struct heap_node   size;             /* in logs->sizes */
};

struct log_line {
    struct list        all, own;         /* in logs->lines, in source->lines */
    struct log_source *source;
    uint64_t           number, unix_ms;
    uint32_t           bytes;            /* of text */
    uint8_t            level;
    char               text[];
};

struct log_wait {                        /* a LOG_GET that waits */
    struct session  *session;
    uint64_t         request, cursor, lost;
    struct heap_node timer;
    struct list      link, session_link;
    uint8_t          level;
    char             source[NAME_BYTES_MAX + 1];     /* "" = all */
};

struct logs {
    struct list lines;                   /* oldest first */
    struct map  sources;                 /* by hash of the name; none without lines */
    struct heap sizes;                   /* sources, the largest first */
    struct list waits;
    struct heap ends;                    /* of waits */
    uint64_t    bytes, bytes_max;
    uint64_t    last;                    /* number given out last */
    bool        news;                    /* since the waits were looked at */
};

void logs_init(struct logs *logs, uint64_t bytes_max);
void logs_free(struct logs *logs);
void logs_add(struct logs *logs, struct slice source, uint64_t unix_ms, uint8_t level,
              struct slice text);
/* What is kept of a line, and counts for the room. */
uint64_t logs_cost(struct slice text);
/* Aborts when an invariant is broken. */
void logs_verify(const struct logs *logs);

#endif
