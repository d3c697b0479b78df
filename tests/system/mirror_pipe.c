/* mirror_pipe.c - pipes, listeners, services: programs that talk to each other */
#include <poll.h>
#include <signal.h>

#include "mirror.h"

static struct muster_connection *ends[2];

static void
pipe_open(const char *name, bool duplex)
{
    const struct muster_open open = { .name = name };

    OK(muster_pipe_open(session, &open, duplex, CALL_MS, ends, &error));
}

static void
pipe_close(void)
{
    muster_connection_close(ends[0]);
    muster_connection_close(ends[1]);
}

static void
send_text(struct muster_connection *connection, const char *text)
{
    OK(muster_connection_send(connection, text, strlen(text), CALL_MS, &error));
}

static void
receive_text(struct muster_connection *connection, const char *text)
{
    struct muster_bytes message;

    OK(muster_connection_receive(connection, 0, CALL_MS, &message, &error));
    mirror_text(&message, text);
    muster_bytes_free(&message);
}

/* ---- pipe ---- */

static void
pipe_duplex(void)
{
    pipe_open(NULL, true);
    send_text(ends[0], "there");
    send_text(ends[1], "and back");
    receive_text(ends[1], "there");
    receive_text(ends[0], "and back");
    pipe_close();
}

static void
pipe_one_way(void)
{
    struct muster_bytes message;

    pipe_open(NULL, false);
    send_text(ends[1], "one way");
    receive_text(ends[0], "one way");
    GIVES(MUSTER_ERR_STATE, muster_connection_send(ends[0], "x", 1, CALL_MS, &error));
    GIVES(MUSTER_ERR_STATE, muster_connection_receive(ends[1], 0, CALL_MS, &message, &error));
    pipe_close();
}

static void
pipe_boundaries(void)
{
    pipe_open(NULL, false);
    send_text(ends[1], "first");
    send_text(ends[1], "");
    send_text(ends[1], "third");
    receive_text(ends[0], "first");
    receive_text(ends[0], "");
    receive_text(ends[0], "third");
    pipe_close();
}

static void
pipe_eof(void)
{
    struct muster_bytes message;

    pipe_open(NULL, true);
    send_text(ends[1], "last words");
    muster_connection_close(ends[1]);
    receive_text(ends[0], "last words");
    GIVES(MUSTER_ERR_END, muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    GIVES(MUSTER_ERR_END, muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    muster_connection_close(ends[0]);
}

/* Hold end 1 of a named pipe, say so, and stay until killed. */
static void
hold_end(void)
{
    const struct muster_open  open = { .name = "held" };
    struct muster_connection *end = NULL;

    OK(muster_pipe_attach(session, &open, 1, CALL_MS, &end, &error));
    send_text(end, "attached");
    for (;;)
        pause();
}

static void
pipe_eof_on_death(void)
{
    struct muster_bytes message;
    pid_t               pid;

    pipe_open("held", true);
    pid = mirror_program(hold_end);
    receive_text(ends[0], "attached");
    muster_connection_close(ends[1]);
    GIVES(MUSTER_ERR_TIMEOUT, muster_connection_receive(ends[0], 0, SOON_MS, &message, &error));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* Its session has to end first: the manager of this test gives it 3 seconds. */
    GIVES(MUSTER_ERR_END, muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    muster_connection_close(ends[0]);
    OK(muster_object_delete(session, MUSTER_PIPE, "held", CALL_MS, &error));
}

static void
pipe_too_short(void)
{
    struct muster_bytes message;
    char                buffer[8];
    size_t              bytes = 0;

    pipe_open(NULL, false);
    send_text(ends[1], "fits");
    send_text(ends[1], "does not fit");
    OK(muster_connection_receive_into(ends[0], buffer, sizeof(buffer), CALL_MS, &bytes, NULL,
                                      &error));
    assert_int_equal(bytes, 4);
    assert_memory_equal(buffer, "fits", 4);
    GIVES(MUSTER_ERR_TOO_SHORT, muster_connection_receive_into(ends[0], buffer, sizeof(buffer),
                                                               CALL_MS, &bytes, &message, &error));
    mirror_text(&message, "does not fit");
    muster_bytes_free(&message);
    pipe_close();
}

static void
pipe_bytes_max(void)
{
    struct muster_bytes message;

    pipe_open(NULL, false);
    send_text(ends[1], "twelve bytes");
    GIVES(MUSTER_ERR_TOO_LARGE, muster_connection_receive(ends[0], 11, CALL_MS, &message, &error));
    receive_text(ends[0], "twelve bytes");
    pipe_close();
}

/* Not before somebody polls for it. */
static void
send_when_polled(void)
{
    const struct muster_open  open = { .name = "polled" };
    struct muster_connection *end = NULL;

    OK(muster_pipe_attach(session, &open, 1, CALL_MS, &end, &error));
    while (mirror_waiting("polled") == 0)
        continue;
    send_text(end, "at last");
    muster_connection_close(end);
}

static void
pipe_poll_waits(void)
{
    pid_t pid;

    pipe_open("polled", false);
    pid = mirror_program(send_when_polled);
    OK(muster_connection_poll(ends[0], MUSTER_FOREVER, &error));
    receive_text(ends[0], "at last");
    mirror_ended(pid);
    pipe_close();
    OK(muster_object_delete(session, MUSTER_PIPE, "polled", CALL_MS, &error));
}

static void
pipe_poll(void)
{
    struct muster_bytes message;
    struct pollfd       fd = { .events = POLLIN };

    pipe_open(NULL, false);
    GIVES(MUSTER_ERR_TIMEOUT, muster_connection_poll(ends[0], MUSTER_NO_WAIT, &error));
    fd.fd = muster_connection_fileno(ends[0]);
    assert_int_equal(poll(&fd, 1, 0), 0);
    send_text(ends[1], "here");
    OK(muster_connection_poll(ends[0], MUSTER_FOREVER, &error));
    assert_int_equal(poll(&fd, 1, CALL_MS), 1);
    receive_text(ends[0], "here");
    assert_int_equal(poll(&fd, 1, 0), 0);
    muster_connection_close(ends[1]);
    OK(muster_connection_poll(ends[0], CALL_MS, &error));      /* the end counts */
    assert_int_equal(poll(&fd, 1, CALL_MS), 1);
    GIVES(MUSTER_ERR_END, muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    muster_connection_close(ends[0]);
}

enum { LARGE = 20 * 1024 * 1024 };

static uint8_t
large_byte(size_t at)
{
    return (uint8_t)(at * 31 + at / 4099);
}

static void
send_large(void)
{
    const struct muster_open  open = { .name = "large" };
    struct muster_connection *end = NULL;
    uint8_t                  *data = malloc(LARGE);

    for (size_t i = 0; i < LARGE; i++)
        data[i] = large_byte(i);
    OK(muster_pipe_attach(session, &open, 1, CALL_MS, &end, &error));
    OK(muster_connection_send(end, data, LARGE, CALL_MS, &error));
    send_text(end, "small");
    muster_connection_close(end);
    free(data);
}

struct piece {
    size_t at;
    bool   good;
};

static muster_err
take_piece(void *context, const void *data, size_t bytes, uint64_t total)
{
    struct piece  *piece = context;
    const uint8_t *at = data;

    piece->good = piece->good && total == LARGE;
    for (size_t i = 0; i < bytes; i++)
        piece->good = piece->good && at[i] == large_byte(piece->at + i);
    piece->at += bytes;
    return MUSTER_OK;
}

static void
pipe_large(void)
{
    struct muster_bytes message;
    struct piece        piece = { .good = true };
    pid_t               pid;

    pipe_open("large", false);
    pid = mirror_program(send_large);
    OK(muster_connection_receive_to(ends[0], CALL_MS, take_piece, &piece, &error));
    assert_int_equal(piece.at, LARGE);
    assert_true(piece.good);
    receive_text(ends[0], "small");
    mirror_ended(pid);
    pid = mirror_program(send_large);
    OK(muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    assert_int_equal(message.bytes, LARGE);
    for (size_t i = 0; i < LARGE; i++)
        assert_int_equal(((const uint8_t *)message.data)[i], large_byte(i));
    muster_bytes_free(&message);
    mirror_ended(pid);
    pipe_close();
    OK(muster_object_delete(session, MUSTER_PIPE, "large", CALL_MS, &error));
}

static void
pipe_slow_reader(void)
{
    static uint8_t piece[1024 * 1024];
    muster_err     err = MUSTER_OK;
    int            sent = 0;

    pipe_open(NULL, false);
    while (!err && sent < 100) {
        err = muster_connection_send(ends[1], piece, sizeof(piece), SOON_MS, &error);
        sent += err == MUSTER_OK;
    }
    assert_int_equal(err, MUSTER_ERR_TIMEOUT);         /* the window is full */
    assert_true(sent >= 3 && sent <= 6);
    muster_connection_close(ends[1]);
    muster_connection_close(ends[0]);
}

static void
echo_by_name(void)
{
    const struct muster_open  open = { .name = "handed" };
    struct muster_connection *end = NULL;
    struct muster_bytes       message;

    OK(muster_pipe_attach(session, &open, 1, CALL_MS, &end, &error));
    OK(muster_connection_receive(end, 0, CALL_MS, &message, &error));
    OK(muster_connection_send(end, message.data, message.bytes, CALL_MS, &error));
    muster_bytes_free(&message);
    muster_connection_close(end);
}

static void
pipe_handed_over(void)
{
    struct muster_bytes message;
    pid_t               pid;

    pipe_open("handed", true);
    send_text(ends[0], "to whoever has the other end");
    pid = mirror_program(echo_by_name);
    receive_text(ends[0], "to whoever has the other end");
    mirror_ended(pid);
    muster_connection_close(ends[1]);
    GIVES(MUSTER_ERR_END, muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    muster_connection_close(ends[0]);
    OK(muster_object_delete(session, MUSTER_PIPE, "handed", CALL_MS, &error));
}

/* ---- listener ---- */

static void
connect_and_greet(void)
{
    struct muster_connection *connection = NULL;

    OK(muster_connect(session, "desk", CALL_MS, &connection, &error));
    send_text(connection, "hello");
    receive_text(connection, "welcome");
    muster_connection_close(connection);
}

static void
listener_rendezvous(void)
{
    const struct muster_open  open = { .name = "desk" };
    struct muster_listener   *listener = NULL;
    struct muster_connection *connection = NULL;
    struct muster_bytes       message;
    char                      who[145] = "";
    pid_t                     pid;

    OK(muster_listener_open(session, &open, 0, CALL_MS, &listener, &error));
    pid = mirror_program(connect_and_greet);
    OK(muster_listener_accept(listener, CALL_MS, &connection, who, &error));
    assert_non_null(strstr(who, "client"));
    receive_text(connection, "hello");
    send_text(connection, "welcome");
    GIVES(MUSTER_ERR_END, muster_connection_receive(connection, 0, CALL_MS, &message, &error));
    mirror_ended(pid);
    muster_connection_close(connection);
    muster_listener_close(listener);
    OK(muster_object_delete(session, MUSTER_LISTENER, "desk", CALL_MS, &error));
}

static void
listener_timeouts(void)
{
    const struct muster_open  open = { .name = "closed-desk" };
    struct muster_listener   *listener = NULL;
    struct muster_connection *connection = NULL;

    GIVES(MUSTER_ERR_NOT_FOUND, muster_connect(session, "nowhere", CALL_MS, &connection, &error));
    OK(muster_listener_open(session, &open, 0, CALL_MS, &listener, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_listener_accept(listener, SOON_MS, &connection, NULL, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_connect(session, "closed-desk", SOON_MS, &connection, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_listener_accept(listener, SOON_MS, &connection, NULL, &error));
    muster_listener_close(listener);
    OK(muster_object_delete(session, MUSTER_LISTENER, "closed-desk", CALL_MS, &error));
}

/* ---- service ---- */

static muster_err
method_upper(void *context, const struct muster_request *request, struct muster_bytes *reply_out,
             struct muster_error *failed)
{
    const char *text = request->data;

    (void)context;
    if (request->bytes == 0) {
        snprintf(failed->detail, sizeof(failed->detail), "nothing to raise");
        return MUSTER_ERR_INVALID;
    }
    muster_bytes_copy(reply_out, text, request->bytes);
    for (size_t i = 0; i < request->bytes; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            ((char *)reply_out->data)[i] = (char)(text[i] - 'a' + 'A');
    return MUSTER_OK;
}

static const struct muster_method_row methods[] = { { "upper", method_upper, NULL } };

/* Serve two calls and leave. */
static void
serve_upper(void)
{
    const struct muster_open open = { .name = "text" };
    struct muster_service   *service = NULL;

    OK(muster_service_publish(session, &open, methods, 1, CALL_MS, &service, &error));
    for (int i = 0; i < 2; i++)
        OK(muster_service_serve(service, true, CALL_MS, &error));
    muster_service_close(service);
}

static struct muster_service *
service_open(const char *name)
{
    const struct muster_open open = { .name = name };
    struct muster_service   *service = NULL;

    OK(muster_service_open(session, &open, CALL_MS, &service, &error));
    return service;
}

/* Until somebody serves it. */
static muster_err
call_soon(struct muster_service *service, const char *method, const char *text,
          struct muster_bytes *reply)
{
    muster_err err;

    do
        err = muster_service_call(service, method, text, strlen(text), CALL_MS, reply, &error);
    while (err == MUSTER_ERR_END);
    return err;
}

static void
service_calls(void)
{
    struct muster_service *service = service_open("text");
    struct muster_bytes    reply;
    pid_t                  pid = mirror_program(serve_upper);

    OK(call_soon(service, "upper", "hello", &reply));
    mirror_text(&reply, "HELLO");
    muster_bytes_free(&reply);
    GIVES(MUSTER_ERR_NO_KEY,
          muster_service_call(service, "lower", "x", 1, CALL_MS, &reply, &error));
    assert_non_null(strstr(error.detail, "upper"));
    GIVES(MUSTER_ERR_REMOTE, muster_service_call(service, "upper", "", 0, CALL_MS, &reply, &error));
    assert_non_null(strstr(error.detail, "nothing to raise"));
    mirror_ended(pid);
    GIVES(MUSTER_ERR_END, muster_service_call(service, "upper", "x", 1, CALL_MS, &reply, &error));
    muster_service_close(service);
    OK(muster_object_delete(session, MUSTER_SERVICE, "text", CALL_MS, &error));
}

static muster_err
method_die(void *context, const struct muster_request *request, struct muster_bytes *reply_out,
           struct muster_error *failed)
{
    (void)context;
    (void)request;
    (void)reply_out;
    (void)failed;
    _exit(0);
}

static void
serve_and_die(void)
{
    static const struct muster_method_row row = { "die", method_die, NULL };
    const struct muster_open              open = { .name = "fragile" };
    struct muster_service                *service = NULL;

    OK(muster_service_publish(session, &open, &row, 1, CALL_MS, &service, &error));
    fail_msg("still alive: %s", muster_err_name(muster_service_serve(service, true, CALL_MS,
                                                                     &error)));
}

static void
service_death(void)
{
    struct muster_service *service = service_open("fragile");
    struct muster_bytes    reply;
    pid_t                  pid = mirror_program(serve_and_die);

    GIVES(MUSTER_ERR_REMOTE, call_soon(service, "die", "", &reply));
    mirror_ended(pid);
    muster_service_close(service);
    OK(muster_object_delete(session, MUSTER_SERVICE, "fragile", CALL_MS, &error));
}

static const struct statement statements[] = {
    { "Pipe(duplex): two ends, both ways", pipe_duplex },
    { "Pipe(duplex=false): first end only receives, second only sends, the wrong way round is an "
      "error", pipe_one_way },
    { "Pipe: each end may be handed to another program by name", pipe_handed_over },
    { "Connection: send_bytes, recv_bytes: message boundaries kept", pipe_boundaries },
    { "Connection: EOF once the peer closed and all was read", pipe_eof },
    { "Connection: a peer whose session dies also gives EOF", pipe_eof_on_death },
    { "Connection: recv_bytes_into(buffer): a buffer too small gives BUFFER_TOO_SHORT and still "
      "hands over the message", pipe_too_short },
    { "Connection: recv_bytes(maxlength)", pipe_bytes_max },
    { "Connection: poll(timeout), fileno, close", pipe_poll },
    { "Connection: poll(none) waits", pipe_poll_waits },
    { "Connection: large messages in parts, whole or piece by piece", pipe_large },
    { "Connection: a slow reader slows its writer", pipe_slow_reader },
    { "Listener/Client: listen(name), accept, connect(name) give an authenticated Pipe between two "
      "programs", listener_rendezvous },
    { "Listener/Client: with time-outs", listener_timeouts },
    { "service: methods by name, bytes in and bytes out; unexposed method: error; the error text "
      "of the remote side arrives", service_calls },
    { "service: the death of who serves it is told", service_death },
};

int
main(void)
{
    return MIRROR("pipes and services", statements);
}
