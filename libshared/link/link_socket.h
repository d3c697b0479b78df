/* link_socket.h - what the server and the client side of link/ share
 *
 * Every return code of libzmq is looked at: a security option that silently
 * does not take effect would leave the door open.
 */
#ifndef LINK_SOCKET_H
#define LINK_SOCKET_H

#include <zmq.h>

#include "link.h"

enum {
    LINK_FRAMES_QUEUED_MAX = 32,       /* per peer and direction: bounds memory (x frame size) */
    LINK_HANDSHAKE_MS      = 10000,    /* a connection that is not through by then is closed */
    LINK_LINGER_MS         = 100,      /* for what is on its way when a socket is closed */
    LINK_CURVE_BYTES       = 64,       /* room that encryption adds to a frame */
    LINK_ENDPOINT_BYTES    = 256,
};

/* Only tcp:// and ipc://; says what is wrong with anything else. */
muster_err link_endpoint_check(const char *endpoint, struct muster_error *error);
bool       link_endpoint_is_local(const char *endpoint);       /* ipc:// */

/* A context with one I/O thread, and a socket in it with every common option set. */
muster_err link_context_new(void **context_out, struct muster_error *error);
muster_err link_socket_new(void *context, int type, const char *endpoint, uint32_t frame_bytes_max,
                           void **socket_out, struct muster_error *error);
void       link_socket_close(void *socket);                    /* NULL is allowed */
void       link_context_free(void *context);                   /* NULL is allowed */

muster_err link_set_int(void *socket, int option, int value, struct muster_error *error);
muster_err link_set_bytes(void *socket, int option, const void *bytes, size_t count,
                          struct muster_error *error);

/* A message of these bytes; or of the buffer's, whose memory it takes over. */
void link_message_copy(zmq_msg_t *message, struct slice frame);
void link_message_take(zmq_msg_t *message, struct buffer *frame);
/* zmq_msg_recv(), zmq_msg_send() and zmq_send() without waiting, also when a signal comes:
 * libzmq looks into its mailbox now and then, and that may be interrupted, whatever lies
 * in its queues. */
int  link_message_receive(zmq_msg_t *message, void *socket);
int  link_message_send(zmq_msg_t *message, void *socket);
int  link_send_more(void *socket, const void *bytes, size_t count);

/* The socket monitor: events as libzmq queues them.  Opened before the socket is bound or
 * connected: its descriptor tells of every event from then on. */
struct link_event {
    uint16_t type;         /* ZMQ_EVENT_... */
    uint32_t value;        /* mostly a descriptor */
};
muster_err link_monitor_open(void *context, void *socket, int events, void **monitor_out,
                             struct muster_error *error);
bool       link_monitor_next(void *monitor, struct link_event *event_out);

/* One descriptor that stands for sockets and more, and is readable for as long as
 * there may be something to do.
 *
 * What libzmq 4.3.4 does: ZMQ_FD is readable while commands of other threads wait for
 * the socket.  A receive that finds nothing takes all of them first, so the descriptor
 * tells of whatever comes later.  A send takes them now and then: what they brought can
 * be received, and nothing tells of it.  So whoever sent, or did not receive until there
 * was nothing, is `unsure`, and link_waker_fd() looks before he waits. */
struct link_waker {
    int  epoll_fd;
    int  more_fd;          /* eventfd: set while `armed` */
    int  timer_fd;
    bool armed;
    bool unsure;           /* of the socket that is sent to and received from */
};
enum link_waker_source { LINK_WAKER_SOCKET = 1, LINK_WAKER_MONITOR = 2, LINK_WAKER_OTHER = 4 };

muster_err link_waker_open(struct link_waker *waker, struct muster_error *error);
void       link_waker_close(struct link_waker *waker);
muster_err link_waker_watch(struct link_waker *waker, void *socket, enum link_waker_source source,
                            struct muster_error *error);
void       link_waker_arm(struct link_waker *waker);           /* there is more */
void       link_waker_disarm(struct link_waker *waker);
void       link_waker_timer(struct link_waker *waker, uint64_t after_ms);   /* 0 = off */
/* What is readable now: sources, added up. */
unsigned   link_waker_look(const struct link_waker *waker);
/* Armed when something can be received though no descriptor tells so. */
int        link_waker_fd(struct link_waker *waker, void *socket);

#endif
