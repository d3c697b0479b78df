/* link_socket.c - contexts, sockets, monitors and descriptors to wait on */
#include "link_socket.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

enum { SOCKETS_MAX = 16, LINK_LOCAL_PATH_MAX = 107 };

/* ---- endpoints ---- */

bool
link_endpoint_is_local(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", strlen("ipc://")) == 0;
}

muster_err
link_endpoint_check(const char *endpoint, struct muster_error *error)
{
    const char *rest;

    if (strlen(endpoint) >= LINK_ENDPOINT_BYTES)
        return error_set(error, MUSTER_ERR_INVALID, "the address is longer than %d bytes",
                         LINK_ENDPOINT_BYTES - 1);
    if (link_endpoint_is_local(endpoint)) {
        rest = endpoint + strlen("ipc://");
        if (rest[0] != '/' || strlen(rest) > LINK_LOCAL_PATH_MAX)
            return error_set(
                error, MUSTER_ERR_INVALID,
                "%s: behind ipc:// stands the absolute path of a socket, at most %d bytes",
                endpoint, LINK_LOCAL_PATH_MAX);
        return MUSTER_OK;
    }
    if (strncmp(endpoint, "tcp://", strlen("tcp://")) != 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "%s: an address is tcp://HOST:PORT or ipc:///PATH", endpoint);
    rest = strrchr(endpoint + strlen("tcp://"), ':');
    if (rest == NULL || rest == endpoint + strlen("tcp://") || rest[1] == '\0')
        return error_set(error, MUSTER_ERR_INVALID, "%s: the port is missing, as in tcp://%s:7717",
                         endpoint, rest == NULL ? endpoint + strlen("tcp://") : "HOST");
    return MUSTER_OK;
}

/* ---- sockets ---- */

muster_err
link_set_bytes(void *socket, int option, const void *bytes, size_t count,
               struct muster_error *error)
{
    if (zmq_setsockopt(socket, option, bytes, count) != 0)
        return error_set(error, MUSTER_ERR_INTERNAL, "libzmq refuses option %d: %s", option,
                         zmq_strerror(zmq_errno()));
    return MUSTER_OK;
}

muster_err
link_set_int(void *socket, int option, int value, struct muster_error *error)
{
    return link_set_bytes(socket, option, &value, sizeof(value), error);
}

muster_err
link_context_new(void **context_out, struct muster_error *error)
{
    void *context = zmq_ctx_new();

    if (context == NULL || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) != 0 ||
        zmq_ctx_set(context, ZMQ_IO_THREADS, 1) != 0) {
        error_set(error, MUSTER_ERR_INTERNAL, "libzmq does not start: %s",
                  zmq_strerror(zmq_errno()));
        link_context_free(context);
        return MUSTER_ERR_INTERNAL;
    }
    *context_out = context;
    return MUSTER_OK;
}

void
link_context_free(void *context)
{
    if (context == NULL)
        return;
    while (zmq_ctx_term(context) != 0)
        assert(zmq_errno() == EINTR);
}

/* Options that every socket has, whatever it is for. */
static muster_err
set_common(void *socket, const char *endpoint, uint32_t frame_bytes_max, struct muster_error *error)
{
    const struct {
        int option;
        int value;
    } rows[] = {
        { ZMQ_LINGER, LINK_LINGER_MS },
        { ZMQ_SNDHWM, LINK_FRAMES_QUEUED_MAX },
        { ZMQ_RCVHWM, LINK_FRAMES_QUEUED_MAX },
        { ZMQ_HANDSHAKE_IVL, LINK_HANDSHAKE_MS },
        { ZMQ_IPV6, strchr(endpoint, '[') != NULL },
        /* A peer whose machine is gone: found by the kernel when nothing is on its
         * way, by the limit on retransmission when something is, and by ZMTP's own
         * beats when something in between answers for it. */
        { ZMQ_TCP_KEEPALIVE, 1 },
        { ZMQ_TCP_KEEPALIVE_IDLE, 15 },
        { ZMQ_TCP_KEEPALIVE_INTVL, 5 },
        { ZMQ_TCP_KEEPALIVE_CNT, 3 },
        { ZMQ_TCP_MAXRT, 15000 },
        { ZMQ_HEARTBEAT_IVL, 5000 },
        { ZMQ_HEARTBEAT_TIMEOUT, 15000 },
    };
    int64_t message_bytes_max = (int64_t)frame_bytes_max + LINK_CURVE_BYTES;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        muster_err err = link_set_int(socket, rows[i].option, rows[i].value, error);

        if (err)
            return err;
    }
    return link_set_bytes(socket, ZMQ_MAXMSGSIZE, &message_bytes_max, sizeof(message_bytes_max),
                          error);
}

muster_err
link_socket_new(void *context, int type, const char *endpoint, uint32_t frame_bytes_max,
                void **socket_out, struct muster_error *error)
{
    void      *socket = zmq_socket(context, type);
    muster_err err;

    if (socket == NULL)
        return error_set(error, MUSTER_ERR_INTERNAL, "no socket: %s", zmq_strerror(zmq_errno()));
    err = set_common(socket, endpoint, frame_bytes_max, error);
    if (err)
        link_socket_close(socket);
    else
        *socket_out = socket;
    return err;
}

void
link_socket_close(void *socket)
{
    int rc = socket != NULL ? zmq_close(socket) : 0;

    assert(rc == 0);
    (void)rc;
}

/* ---- messages ---- */

void
link_message_copy(zmq_msg_t *message, struct slice frame)
{
    int rc = zmq_msg_init_size(message, frame.bytes);

    assert(rc == 0);
    (void)rc;
    if (frame.bytes > 0)
        memcpy(zmq_msg_data(message), frame.data, frame.bytes);
}

/* Called by whichever thread is done with the message. */
static void
message_free(void *data, void *hint)
{
    (void)hint;
    free(data);
}

void
link_message_take(zmq_msg_t *message, struct buffer *frame)
{
    int rc = zmq_msg_init_data(message, frame->data, frame->bytes, message_free, NULL);

    assert(rc == 0);
    (void)rc;
    *frame = (struct buffer){ 0 };
}

int
link_message_receive(zmq_msg_t *message, void *socket)
{
    int rc;

    do {
        rc = zmq_msg_recv(message, socket, ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc;
}

int
link_message_send(zmq_msg_t *message, void *socket)
{
    int rc;

    do {
        rc = zmq_msg_send(message, socket, ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc;
}

int
link_send_more(void *socket, const void *bytes, size_t count)
{
    int rc;

    do {
        rc = zmq_send(socket, bytes, count, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc;
}

/* ---- monitors ---- */

muster_err
link_monitor_open(void *context, void *socket, int events, void **monitor_out,
                  struct muster_error *error)
{
    static atomic_uint next;
    int                ready = 0;
    size_t             bytes = sizeof(ready);
    char               name[64];
    void              *monitor = zmq_socket(context, ZMQ_PAIR);
    muster_err         err = MUSTER_OK;

    if (monitor == NULL)
        return error_set(error, MUSTER_ERR_INTERNAL, "no socket: %s", zmq_strerror(zmq_errno()));
    snprintf(name, sizeof(name), "inproc://monitor.%u", atomic_fetch_add(&next, 1));
    /* Without a limit on the queue: at one, libzmq's I/O thread would wait for us. */
    err = link_set_int(monitor, ZMQ_RCVHWM, 0, error);
    if (!err)
        err = link_set_int(monitor, ZMQ_LINGER, 0, error);
    if (!err && (zmq_socket_monitor(socket, name, events) != 0 || zmq_connect(monitor, name) != 0))
        err = error_set(error, MUSTER_ERR_INTERNAL, "no socket monitor: %s",
                        zmq_strerror(zmq_errno()));
    /* Nothing is signalled to a reader that has not looked once and found nothing. */
    while (!err && zmq_getsockopt(monitor, ZMQ_EVENTS, &ready, &bytes) != 0)
        assert(zmq_errno() == EINTR);
    if (err)
        link_socket_close(monitor);
    else
        *monitor_out = monitor;
    return err;
}

bool
link_monitor_next(void *monitor, struct link_event *event_out)
{
    zmq_msg_t part;
    bool      got;
    int       more;

    zmq_msg_init(&part);
    got = link_message_receive(&part, monitor) >= 0;
    if (got) {
        const uint8_t *data = zmq_msg_data(&part);

        assert(zmq_msg_size(&part) == 6);
        memcpy(&event_out->type, data, sizeof(event_out->type));
        memcpy(&event_out->value, data + 2, sizeof(event_out->value));
    }
    for (more = got && zmq_msg_more(&part); more; more = zmq_msg_more(&part)) {
        if (link_message_receive(&part, monitor) < 0)
            break;
    }
    zmq_msg_close(&part);
    return got;
}

/* ---- waiting ---- */

static muster_err
watch_fd(struct link_waker *waker, int fd, enum link_waker_source source,
         struct muster_error *error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = source };

    if (epoll_ctl(waker->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return error_errno(error, MUSTER_ERR_IO, "watch a socket");
    return MUSTER_OK;
}

muster_err
link_waker_open(struct link_waker *waker, struct muster_error *error)
{
    muster_err err;

    waker->armed = false;
    waker->unsure = false;
    waker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    waker->more_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    waker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (waker->epoll_fd < 0 || waker->more_fd < 0 || waker->timer_fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "make a descriptor to wait on");
    err = watch_fd(waker, waker->more_fd, LINK_WAKER_OTHER, error);
    return err ? err : watch_fd(waker, waker->timer_fd, LINK_WAKER_OTHER, error);
}

void
link_waker_close(struct link_waker *waker)
{
    int fds[] = { waker->epoll_fd, waker->more_fd, waker->timer_fd };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] > 0)         /* 0: never opened */
            close(fds[i]);
    }
    memset(waker, 0, sizeof(*waker));
}

muster_err
link_waker_watch(struct link_waker *waker, void *socket, enum link_waker_source source,
                 struct muster_error *error)
{
    int    fd = -1;
    size_t bytes = sizeof(fd);

    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &bytes) != 0)
        return error_set(error, MUSTER_ERR_INTERNAL, "a socket has no descriptor: %s",
                         zmq_strerror(zmq_errno()));
    return watch_fd(waker, fd, source, error);
}

void
link_waker_arm(struct link_waker *waker)
{
    if (!waker->armed)
        waker->armed = eventfd_write(waker->more_fd, 1) == 0;
}

void
link_waker_disarm(struct link_waker *waker)
{
    eventfd_t count;

    if (waker->armed)
        waker->armed = eventfd_read(waker->more_fd, &count) != 0;
}

void
link_waker_timer(struct link_waker *waker, uint64_t after_ms)
{
    struct itimerspec when = { .it_value = { .tv_sec = (time_t)(after_ms / 1000),
                                             .tv_nsec = (long)(after_ms % 1000) * 1000000 } };
    int               rc = timerfd_settime(waker->timer_fd, 0, &when, NULL);

    assert(rc == 0);            /* setting it also takes back that it was readable */
    (void)rc;
}

unsigned
link_waker_look(const struct link_waker *waker)
{
    struct epoll_event events[4];
    int                count = epoll_wait(waker->epoll_fd, events, 4, 0);
    unsigned           sources = 0;

    for (int i = 0; i < count; i++)
        sources |= events[i].data.u32;
    return sources;
}

int
link_waker_fd(struct link_waker *waker, void *socket)
{
    int    events = 0;
    size_t bytes = sizeof(events);

    if (waker->unsure && !waker->armed) {
        if (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &bytes) != 0)
            events = ZMQ_POLLIN;        /* it fails with the context only: make them look */
        if ((events & ZMQ_POLLIN) != 0)
            link_waker_arm(waker);
        else
            waker->unsure = false;
    }
    return waker->epoll_fd;
}
