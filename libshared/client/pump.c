/* pump.c - a turn of a session: moves everything over the link
 *
 * Take what arrived, let time pass, do what the machine says, send what is ready
 * in as few frames as it fits.  The lock is held; nothing in a turn blocks.  Whose
 * turn it is: drive.c.
 */
#include "drive.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "feed.h"

enum {
    PUMP_RETRY_MS      = 50,      /* after BUSY without a word about when */
    PUMP_STUCK_MS      = 5,       /* a full link is tried again */
    PUMP_GOODBYE_MS    = 500,
    PUMP_RECONNECT_MS_MIN = 50,
    PUMP_RECONNECT_MS_MAX = 2000,
};

static void pump_do(struct muster_session *session, uint64_t now_ms, uint32_t actions);

/* ---- sending ---- */

/* A frame of large messages leaves with its memory, one of many small ones is copied,
 * and its memory used for the next. */
static bool
pump_frame_send(struct muster_session *session)
{
    if (session->frame.bytes / session->frame_messages < LINK_GIVE_BYTES_MIN)
        return link_client_send(session->link, buffer_slice(&session->frame)) == MUSTER_OK;
    return link_client_give(session->link, &session->frame) == MUSTER_OK;
}

/* False when the link is full; the frame stays. */
static bool
pump_flush(struct muster_session *session)
{
    if (session->frame_messages == 0)
        return true;
    if (!session->frame_stuck)
        wire_frame_end(&session->frame, session->frame_messages);
    session->frame_stuck = !pump_frame_send(session);
    if (session->frame_stuck)
        return false;
    buffer_clear(&session->frame);
    session->frame_messages = 0;
    return true;
}

/* Room for one more message; false when the link is full. */
static bool
pump_room(struct muster_session *session, size_t bytes)
{
    if (session->frame_stuck && !pump_flush(session))
        return false;
    if (session->frame_messages > 0 &&
        !wire_frame_fits(&session->frame, session->frame_messages, bytes) && !pump_flush(session))
        return false;
    if (session->frame_messages == 0) {
        buffer_reserve(&session->frame, FRAME_HEADER_BYTES + bytes);
        wire_frame_begin(&session->frame);
    }
    return true;
}

static void
pump_drop_frame(struct muster_session *session)
{
    buffer_clear(&session->frame);
    session->frame_messages = 0;
    session->frame_stuck = false;
}

/* A message of the session itself.  Returns its number, 0 when the link is full. */
static uint64_t
pump_say(struct muster_session *session, uint16_t type, const union wire_any *m)
{
    if (!pump_room(session, 4 * KIB))
        return 0;
    wire_put_any(&session->frame, type, ++session->request_last, m);
    session->frame_messages++;
    return session->request_last;
}

static void
pump_say_hello(struct muster_session *session)
{
    union wire_any m = { 0 };
    char           host[NAME_BYTES_MAX + 1] = "";

    /* What was under way belongs to a connection that is gone. */
    pump_drop_frame(session);
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    machine_hello(&session->machine, &m.hello);
    m.hello.host = slice_text(host);
    m.hello.pid = (uint32_t)getpid();
    session->hello_request = pump_say(session, MSG_TYPE_HELLO, &m);
    (void)pump_flush(session);
}

/* Which answers have arrived: in front of what is sent, or by itself. */
static void
pump_say_seen(struct muster_session *session, uint64_t now_ms, bool alone)
{
    enum { SEEN_HEAD_BYTES = 64, ID_BYTES = 8 };
    union wire_any m = { 0 };

    if (!objects_seen_due(session, now_ms, alone))
        return;
    while (pump_room(session, SEEN_HEAD_BYTES + (size_t)SEEN_EXCEPT_MAX * ID_BYTES) &&
           objects_seen(session, &m.object_seen, &session->seen_ids)) {
        wire_put_any(&session->frame, MSG_TYPE_OBJECT_SEEN, ++session->request_last, &m);
        session->frame_messages++;
    }
}

static void
pump_send(struct muster_session *session, uint64_t now_ms)
{
    struct list *at = session->unsent.next;

    if (session->machine.state != MACHINE_READY)
        return;
    pump_say_seen(session, now_ms, list_empty(&session->unsent));
    while (at != &session->unsent) {
        struct call *call = CONTAINER(at, struct call, link);

        at = at->next;
        if (call->not_before_ms > now_ms)
            continue;
        if (call->hooks != NULL && call->hooks->holds(call))
            break;
        if (call->hooks != NULL)
            call->hooks->sending(call, now_ms);
        if (!pump_room(session, call->message.bytes))
            return;
        buffer_append_slice(&session->frame, buffer_slice(&call->message));
        session->frame_messages++;
        call->sends++;
        list_remove(&call->link);
        list_append(&session->sent, &call->link);
        call->state = CALL_SENT;
    }
    (void)pump_flush(session);
}

/* ---- connections ---- */

static void
pump_open_link(struct muster_session *session, uint64_t now_ms)
{
    struct link_client_config config = { .endpoint = session->address,
                                         .key = session->key,
                                         .frame_bytes_max = FRAME_BYTES_MAX,
                                         .reconnect_ms_min = PUMP_RECONNECT_MS_MIN,
                                         .reconnect_ms_max = PUMP_RECONNECT_MS_MAX };
    struct muster_error error = { 0 };
    muster_err          err = link_client_open(&config, &session->link, &error);

    if (err)
        pump_do(session, now_ms, machine_fail(&session->machine, err, error.detail));
}

static void
pump_reconnect(struct muster_session *session, uint64_t now_ms)
{
    sigset_t all, before;

    /* Signals are the application's: none shall be delivered to threads that the
     * link starts from here, whichever thread this is. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pump_close(session);
    pump_drop_frame(session);
    pump_open_link(session, now_ms);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Everything unanswered goes out again, in the order in which it was asked. */
static void
pump_resend(struct muster_session *session)
{
    struct muster_error lost;

    (void)error_set(&lost, MUSTER_ERR_TIMEOUT, "the connection was lost before the answer came");
    while (!list_empty(&session->sent)) {
        struct call *call = CONTAINER(session->sent.prev, struct call, link);

        if (call->once)
            call_end(call, &lost);
        else
            call_again(call, 0);
    }
    objects_resumed(session);
    waiters_wake(session, &session->machine);
}

static void
pump_give_up(struct muster_session *session)
{
    while (!list_empty(&session->sent))
        call_end(CONTAINER(session->sent.next, struct call, link), &session->machine.error);
    while (!list_empty(&session->unsent))
        call_end(CONTAINER(session->unsent.next, struct call, link), &session->machine.error);
    waiters_wake(session, NULL);
}

static void
pump_do(struct muster_session *session, uint64_t now_ms, uint32_t actions)
{
    objects_check_session(session);
    if (actions & MACHINE_GIVE_UP)
        pump_give_up(session);
    if (actions & MACHINE_RECONNECT)
        pump_reconnect(session, now_ms);
    if (actions & MACHINE_SAY_HELLO)
        pump_say_hello(session);
    if (actions & MACHINE_SEND)
        pump_resend(session);
    if (actions & MACHINE_SAY_BEAT) {
        union wire_any m = { .beat = { .sent_ms = now_ms } };

        (void)pump_say(session, MSG_TYPE_BEAT, &m);
    }
}

static void
pump_link(struct muster_session *session, uint64_t now_ms)
{
    static const enum machine_link events[] = {
        [LINK_CONNECTING]    = MACHINE_LINK_DOWN,
        [LINK_CONNECTED]     = MACHINE_LINK_UP,
        [LINK_REFUSED]       = MACHINE_LINK_REFUSED,
        [LINK_WRONG_MANAGER] = MACHINE_LINK_STRANGER,
        [LINK_LOST]          = MACHINE_LINK_DOWN,
    };
    struct muster_error why = { 0 };
    uint64_t            connections = 0;
    enum link_state     state;

    if (session->link == NULL)
        return;
    state = link_client_state(session->link, &connections, &why);
    pump_do(session, now_ms,
            machine_on_link(&session->machine, now_ms, events[state], connections, why.detail));
}

/* ---- answers ---- */

static void
pump_greeted(struct muster_session *session, uint64_t now_ms, const struct wire_message *message)
{
    union wire_any m;
    uint32_t       actions = 0;

    session->hello_request = 0;
    if (wire_decode_any(message->type, message->body, &m) != MUSTER_OK)
        actions = machine_fail(&session->machine, MUSTER_ERR_VERSION,
                               "the answer to HELLO is not in this protocol");
    else if (message->type == MSG_TYPE_WELCOME)
        actions = machine_on_welcome(&session->machine, now_ms, &m.welcome);
    else if (message->type == MSG_TYPE_ERROR)
        actions = machine_on_refusal(&session->machine, now_ms, &m.error);
    pump_do(session, now_ms, actions);
}

static void
pump_error(struct muster_session *session, uint64_t now_ms, const struct wire_message *message)
{
    struct call        *call = map_get(&session->calls, message->request);
    struct msg_error    m;
    struct muster_error error;
    muster_err          code;
    bool                again;

    if (wire_decode_error(message->body, &m) != MUSTER_OK)
        return;
    code = error_from_number(m.code);
    if (code == MUSTER_ERR_SESSION) {
        /* The request stays and is asked again in the new session. */
        pump_do(session, now_ms, machine_on_session_lost(&session->machine, now_ms));
        return;
    }
    if (call == NULL || code == MUSTER_OK)
        return;
    (void)error_set(&error, code, "%.*s", (int)m.detail.bytes, (const char *)m.detail.data);
    again = !call->once &&
            (code == MUSTER_ERR_BUSY || (call->retry != NULL && call->retry(call, code)));
    if (!again) {
        call_end(call, &error);
        return;
    }
    call->error = error;        /* told when the time-out comes first */
    call_again(call, now_ms + (m.retry_after_ms > 0 ? m.retry_after_ms : PUMP_RETRY_MS));
}

static void
pump_message(struct muster_session *session, uint64_t now_ms, const struct wire_message *message)
{
    struct call *call;

    if (message->request != 0 && message->request == session->hello_request) {
        pump_greeted(session, now_ms, message);
        return;
    }
    if (message->request != 0 && message->request == session->goodbye_request) {
        session->close_by_ms = 0;
        return;
    }
    if (message->type == MSG_TYPE_ERROR) {
        pump_error(session, now_ms, message);
        return;
    }
    call = map_get(&session->calls, message->request);
    if (call == NULL)
        return;                 /* BEAT_ACK, or an answer that nobody waits for any more */
    if (call->piece != NULL) {
        call->piece(call, message->type, message->body);
        return;
    }
    call->error = (struct muster_error){ 0 };
    call->answer_type = message->type;
    buffer_append_slice(&call->answer, message->body);
    call_end(call, NULL);
}

/* Nothing was asked that is not answered: what else comes is no hurry. */
static bool
pump_idle(const struct muster_session *session)
{
    return session->machine.state == MACHINE_READY && session->calls.count == 0 &&
           !session->closing;
}

/* What lies at the link, until there is nothing or nobody waits for more. */
static void
pump_receive(struct muster_session *session, uint64_t now_ms)
{
    struct slice        bytes;
    struct wire_frame   frame;
    struct wire_message message;

    while (session->link != NULL && link_client_receive(session->link, &bytes)) {
        machine_on_heard(&session->machine, now_ms);
        if (wire_frame_open(bytes, &frame) != MUSTER_OK)
            continue;
        while (wire_frame_next(&frame, &message) == MUSTER_OK) {
            const struct link_client *link = session->link;

            pump_message(session, now_ms, &message);
            if (session->link != link)
                break;          /* the frame went with the connection */
        }
        if (pump_idle(session))
            break;
    }
}

/* ---- time ---- */

static void
pump_deadlines(struct muster_session *session, uint64_t now_ms)
{
    struct heap_node *first;

    while ((first = heap_first(&session->deadlines)) != NULL && first->key <= now_ms) {
        struct call        *call = CONTAINER(first, struct call, deadline);
        struct muster_error error;

        if (call->hooks != NULL && call->hooks->expired(call, now_ms))
            continue;
        error = call->error;
        if (error.code == MUSTER_OK && session->machine.state == MACHINE_READY)
            (void)error_set(&error, MUSTER_ERR_TIMEOUT, "no answer from %s in time",
                            session->address);
        else if (error.code == MUSTER_OK)
            (void)error_set(&error, MUSTER_ERR_TIMEOUT, "%s is away: %s", session->address,
                            session->machine.error.detail);
        call_end(call, &error);
    }
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int
pump_poll_ms(const struct muster_session *session, uint64_t now_ms)
{
    uint64_t wake_ms = earlier(machine_wake_ms(&session->machine), feeds_wake_ms(session));

    if (heap_first(&session->deadlines) != NULL)
        wake_ms = earlier(wake_ms, heap_first(&session->deadlines)->key);
    if (session->frame_stuck)
        wake_ms = earlier(wake_ms, now_ms + PUMP_STUCK_MS);
    else if (session->machine.state == MACHINE_READY) {
        for (struct list *at = session->unsent.next; at != &session->unsent; at = at->next) {
            const struct call *call = CONTAINER(at, struct call, link);

            if (call->hooks != NULL && call->hooks->holds(call))
                break;
            wake_ms = earlier(wake_ms, call->not_before_ms);
        }
        wake_ms = earlier(wake_ms, session->objects.seen_at_ms);
    }
    if (session->closing)
        wake_ms = earlier(wake_ms, session->close_by_ms);
    if (wake_ms <= now_ms)
        return 0;
    return wake_ms - now_ms > 60000 ? 60000 : (int)(wake_ms - now_ms);
}

static void
pump_goodbye(struct muster_session *session, uint64_t now_ms)
{
    union wire_any m = { 0 };

    if (!session->closing || session->goodbye_request != 0)
        return;
    if (session->machine.state != MACHINE_READY) {
        session->close_by_ms = 0;
        return;
    }
    if (session->close_by_ms == CLIENT_NEVER)
        session->close_by_ms = now_ms + PUMP_GOODBYE_MS;
    pump_say_seen(session, CLIENT_NEVER, true);     /* what was given is ours */
    session->goodbye_request = pump_say(session, MSG_TYPE_GOODBYE, &m);
    (void)pump_flush(session);
}

static void
pump_interrupts(struct muster_session *session)
{
    uint64_t interrupts = atomic_load(&session->interrupts);

    if (interrupts != session->interrupts_told) {
        session->interrupts_told = interrupts;
        waiters_wake(session, NULL);
    }
}

int
pump_turn(struct muster_session *session, unsigned told)
{
    uint64_t  now_ms = clock_now_ms();
    eventfd_t count;

    if ((told & PUMP_WOKEN) != 0)
        (void)eventfd_read(session->wake_fd, &count);
    pump_interrupts(session);
    if ((told & PUMP_LINK) != 0 || session->machine.state != MACHINE_READY)
        pump_link(session, now_ms);
    if ((told & PUMP_FRAMES) != 0)
        pump_receive(session, now_ms);
    pump_do(session, now_ms, machine_on_time(&session->machine, now_ms));
    pump_deadlines(session, now_ms);
    feeds_on_time(session, now_ms);
    pump_send(session, now_ms);
    pump_goodbye(session, now_ms);
    return pump_poll_ms(session, now_ms);
}

void
pump_fds(const struct muster_session *session, struct pollfd fds[PUMP_FDS])
{
    int link_fd = session->link != NULL ? link_client_fd(session->link) : -1;
    int state_fd = session->link != NULL ? link_client_state_fd(session->link) : -1;

    fds[0] = (struct pollfd){ .fd = session->wake_fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = link_fd, .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = state_fd, .events = POLLIN };
}

void
pump_wake(struct muster_session *session)
{
    (void)eventfd_write(session->wake_fd, 1);
}

void
pump_open(struct muster_session *session)
{
    pump_open_link(session, clock_now_ms());
}

void
pump_close(struct muster_session *session)
{
    if (session->link != NULL)
        link_client_close(session->link);
    session->link = NULL;
}
