/* drive.h - what drive.c and pump.c share; see there */
#ifndef CLIENT_DRIVE_H
#define CLIENT_DRIVE_H

#include <poll.h>

#include "client.h"

/* What a poll tells: the descriptor for waking up, frames, a change of the link. */
enum { PUMP_FDS = 3, PUMP_WOKEN = 1, PUMP_FRAMES = 2, PUMP_LINK = 4 };

/* pump.c; all but pump_close() with the lock held, by the thread that drives. */
void pump_open(struct muster_session *session);
/* `told`: by the poll before.  Returns for how long to poll. */
int  pump_turn(struct muster_session *session, unsigned told);
/* What to poll, in the order of the bits above.  Made anew before every poll. */
void pump_fds(const struct muster_session *session, struct pollfd fds[PUMP_FDS]);
/* Whoever polls stops.  By any thread. */
void pump_wake(struct muster_session *session);
void pump_close(struct muster_session *session);

#endif
