/* notify.h - tell whoever started us how far we are
 *
 * Two listeners: systemd (NOTIFY_SOCKET, see sd_notify(3), whose protocol is
 * one datagram and stable by promise) and a parent that gave us --ready-fd.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/* Say READY=1, write "1\n" to ready_fd and close it; -1: no such descriptor. */
void notify_ready(int ready_fd);
/* Say STOPPING=1. */
void notify_stopping(void);

#endif
