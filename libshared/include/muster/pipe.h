/* pipe.h - message pipes between programs, and where to meet (Pipe, Listener, Client)
 *
 * See object.h for what holds for all calls.  A pipe has two ends; messages are
 * bytes, up to 1 GiB, and arrive whole, in order, once.  Several megabytes may be
 * on their way in each direction; then a sender waits for the receiver.  What was
 * sent and not yet received lives in the manager's memory and with its sender: a
 * restart of the manager loses nothing while the sender lives.
 *
 * One program uses an end at a time, from one thread per direction.  An end may be
 * handed to another program, which opens the pipe by name or id.  Like a
 * descriptor after fork(), an end that nobody uses must be closed: END comes when
 * all who had the other end have closed it, or died.
 */
#ifndef MUSTER_PIPE_H
#define MUSTER_PIPE_H

#include <muster/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_connection;        /* one end */

/* A new pipe.  Not `duplex`: ends_out[0] only receives, ends_out[1] only sends; the
 * wrong way round: STATE. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pipe_open(struct muster_session *session, const struct muster_open *open, bool duplex,
                 uint32_t timeout_ms, struct muster_connection *ends_out[2],
                 struct muster_error *error);
/* One end (0 or 1) of a pipe that exists, by name or id. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pipe_attach(struct muster_session *session, const struct muster_open *open, int end,
                   uint32_t timeout_ms, struct muster_connection **end_out,
                   struct muster_error *error);
/* What was sent before still arrives. */
MUSTER_API void     muster_connection_close(struct muster_connection *connection);
MUSTER_API uint64_t muster_connection_object(const struct muster_connection *connection);

/* Returns when the message is on its way (it is copied); waits while the window is
 * full.  END: the other end is closed.  A message of more than 4 MiB waits on the
 * way: when that takes too long it breaks off, and the connection is CLOSED. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_connection_send(struct muster_connection *connection, const void *data, size_t bytes,
                       uint32_t timeout_ms, struct muster_error *error);
/* The next message, at most bytes_max long (0 = any length): a longer one gives
 * TOO_LARGE and stays.  END: the other end is closed and all was read.  TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_connection_receive(struct muster_connection *connection, size_t bytes_max,
                          uint32_t timeout_ms, struct muster_bytes *message_out,
                          struct muster_error *error);
/* Into a buffer.  TOO_SHORT: *message_out (may be NULL for others) holds the message. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_connection_receive_into(struct muster_connection *connection, void *buffer, size_t size,
                               uint32_t timeout_ms, size_t *bytes_out,
                               struct muster_bytes *message_out, struct muster_error *error);
/* A message piece by piece as it comes, in bounded memory, for large ones.  When the
 * sink gives an error the rest of the message is passed over, then it is returned. */
typedef muster_err muster_connection_sink(void *context, const void *data, size_t bytes,
                                          uint64_t total);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_connection_receive_to(struct muster_connection *connection, uint32_t timeout_ms,
                             muster_connection_sink *sink, void *context,
                             struct muster_error *error);
/* Is there something to receive (END counts)?  TIMEOUT: not in time. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_connection_poll(struct muster_connection *connection, uint32_t timeout_ms,
                       struct muster_error *error);
/* A descriptor that polls readable when there is something to receive; it belongs to
 * the connection.  Negative: none could be made. */
MUSTER_API int muster_connection_fileno(struct muster_connection *connection);

/* ---- rendezvous ---- */
struct muster_listener;
/* `backlog` connectors may wait; 0 = 128. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_listener_open(struct muster_session *session, const struct muster_open *open,
                     uint32_t backlog, uint32_t timeout_ms, struct muster_listener **listener_out,
                     struct muster_error *error);
MUSTER_API void muster_listener_close(struct muster_listener *listener);
/* who_out: user and host of the connector, for people; may be NULL. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_listener_accept(struct muster_listener *listener, uint32_t timeout_ms,
                       struct muster_connection **connection_out, char who_out[145],
                       struct muster_error *error);
/* Meet whoever listens under this name.  NOT_FOUND: nobody ever did; TIMEOUT; FULL. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_connect(struct muster_session *session, const char *name, uint32_t timeout_ms,
               struct muster_connection **connection_out, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
