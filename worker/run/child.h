/* child.h - the loop's side of a child that runs calls (see serve.h, page.h)
 *
 *   NEW --READY frame--> READY --finish--> LEAVING      any: GONE from the hatchery
 *
 * 1. Nothing here waits: what the socket does not take now is kept until the next flush.
 * 2. Calls are numbered 1, 2, 3 ... in the order in which they are handed over, and are
 *    begun in that order.
 */
#ifndef RUN_CHILD_H
#define RUN_CHILD_H

#include <sys/types.h>

#include "frames.h"
#include "page.h"

enum child_state { CHILD_CLOSED, CHILD_NEW, CHILD_READY, CHILD_LEAVING };

enum { CHILD_CALLS_MAX = 1 << 30 };    /* then it makes room for another */

struct child {
    uint64_t         number;           /* at the hatchery */
    enum child_state state;
    int              socket;           /* readable: child_listen() */
    int              output;           /* what the call printed so far */
    struct page     *page;
    pid_t            pid;              /* known from READY on */
    uint32_t         next;             /* number of the next call */
    struct buffer    out;              /* not taken by the socket yet: [out_at, ...) */
    size_t           out_at;
    struct buffer    in;               /* taken from the page: [in_at, ...) */
    size_t           in_at;
    bool             finish;           /* close our side when `out` is empty */
};

/* Have one made.  Errors: IO (no descriptors, the hatchery is gone). */
muster_err child_open(struct child *child, uint64_t number, int hatchery, const char *worker,
                      struct muster_error *error);
void child_close(struct child *child);
void child_spec(struct child *child, const struct frame_spec *spec);
/* The next call has this key file. */
void child_key(struct child *child, const char *address, const char *path);
/* Returns the call's number. */
uint32_t child_call(struct child *child, uint32_t index, uint32_t attempt, struct slice argument);
/* No more calls: it ends when it has served those that it was handed. */
void child_finish(struct child *child);
/* True when all of it is sent. */
bool child_flush(struct child *child);
/* Hear its bell, and take what it said. False: it wrote nonsense. */
bool child_listen(struct child *child);
/* Close its socket: it gets no more calls, and is heard no more but by its page. */
void child_hang_up(struct child *child);
/* 1: a frame that it said (its slices live until the next call); 0: no more; -1: nonsense. */
int  child_next(struct child *child, struct frame *frame_out);
/* Calls that are not begun are not wanted any more; returns the one begun last. */
uint32_t child_take_back(struct child *child);
/* What the present call has printed: at most `bytes_max` from its end. */
void     child_printed(const struct child *child, size_t bytes_max, struct buffer *out);
uint64_t child_printed_bytes(const struct child *child);

#endif
