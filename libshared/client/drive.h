/* drive.h - what drive.c and pump.c share; see there */
#ifndef CLIENT_DRIVE_H
#define CLIENT_DRIVE_H

#include <poll.h>

#include "client.h"

enum { PUMP_FDS = 3 };

/* pump.c; all but pump_close() with the lock held, by the thread that drives. */
void pump_open(struct muster_session *session);
/* `woken`: the descriptor for waking up is to be read.  Returns for how long to poll. */
int  pump_turn(struct muster_session *session, bool woken);
/* What to poll; the first is the descriptor for waking up. */
void pump_fds(const struct muster_session *session, struct pollfd fds[PUMP_FDS]);
/* Whoever polls stops.  By any thread. */
void pump_wake(struct muster_session *session);
void pump_close(struct muster_session *session);

#endif
