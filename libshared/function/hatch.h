/* hatch.h - what a worker and its hatchery say to each other
 *
 * One message per packet of a SOCK_SEQPACKET socket: u8 kind, u64 child, i32 number,
 * text; MAKE has three descriptors with it.  The hatchery is a process of the worker
 * (with task modules), or of a program that serves functions of its own and may have
 * another version of muster than its worker.
 *
 *   hatchery -> worker
 *     LOADING  text: what it does now, for the case that it dies of it
 *     NAME     text: a function; one message each
 *     READY    number: version of these messages; child: pid of the hatchery; no more
 *              names (answers LIST)
 *     REFUSED  text: it cannot serve
 *     PONG     it lives (answers PING)
 *     MADE     child, number: its pid
 *     GONE     child: it is dead with everything below it; number: exit code, or -N
 *   worker -> hatchery
 *     LIST     say the names, then READY
 *     MAKE     child (a number never used before) + socket, page, output: see serve.h
 *     KILL     child, number: signal to it and to what it started
 *     PING     say PONG
 *
 * A worker never waits for its hatchery, which may have been stopped; a hatchery waits
 * for its worker, and ends with it.
 */
#ifndef FUNCTION_HATCH_H
#define FUNCTION_HATCH_H

#include "limits.h"
#include "wire.h"

enum { HATCH_VERSION = 1, HATCH_FDS = 3 };

enum hatch_kind {
    HATCH_LOADING = 1, HATCH_NAME = 2, HATCH_READY = 3, HATCH_REFUSED = 4, HATCH_GONE = 5,
    HATCH_MADE = 6, HATCH_PONG = 7,
    HATCH_MAKE = 16, HATCH_KILL = 17, HATCH_LIST = 18, HATCH_PING = 19,
};

struct hatch {
    enum hatch_kind kind;
    uint64_t        child;
    int32_t         number;
    struct slice    text;          /* at most TEXT_BYTES_MAX; received: until the next call */
};

/* `fds` is NULL, or HATCH_FDS of them, which stay the caller's.  False: the other side is
 * gone, or (with MSG_DONTWAIT in `flags`) there is no room: errno EAGAIN. */
bool hatch_send(int socket, int flags, const struct hatch *message, const int *fds);
/* 1: a message (for MAKE with its descriptors in fds_out, now the caller's); 0: nothing
 * now (with MSG_DONTWAIT in `flags`), or a signal came; -1: the other side is gone, or
 * said what cannot be read. */
int  hatch_receive(int socket, int flags, struct hatch *message_out, int fds_out[HATCH_FDS]);

#endif
