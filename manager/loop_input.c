/* loop_input.c - from a frame to the core's steps
 *
 * 1. A frame's bad message costs that message; its neighbours are taken.
 * 2. Nothing of a frame is kept: the core copies what it wants to keep.
 */
#include "loop_parts.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "observe.h"

/* ---- one message ---- */

static struct core_from
loop_from(const struct admit_from *from)
{
    return (struct core_from){ .session = from->session,
                               .role = from->role,
                               .user = from->user,
                               .address = from->address };
}

/* Answers made before there is a session go to the connection itself. */
static void
loop_address(struct effects *fx, uint32_t first, uint64_t peer)
{
    for (uint32_t i = first; i < fx->send_count; i++) {
        if (fx->sends[i].session == 0)
            fx->sends[i].peer = peer;
    }
}

void
loop_cut(struct loop *loop, uint64_t now_ms, uint64_t peer, muster_err why)
{
    uint64_t session = admit_peer_session(loop->admit, peer);

    if (session != 0)
        core_expel(loop->core, now_ms, session, why, loop->gathering);
    link_server_cut(loop->link, peer);
}

static void
loop_refuse(struct loop *loop, uint64_t now_ms, uint64_t peer, uint64_t request, muster_err err,
            const struct muster_error *error)
{
    struct effects *fx = loop->gathering;
    union wire_any  m = { .error = { .code = (uint16_t)err,
                                     .retry_after_ms = err == MUSTER_ERR_BUSY
                                                           ? admit_retry_ms(loop->admit, peer)
                                                           : 0,
                                     .detail = slice_text(error->detail) } };

    effects_send(fx, admit_peer_session(loop->admit, peer), request, MSG_TYPE_ERROR, &m);
    if (err == MUSTER_ERR_DENIED)
        link_server_refused(loop->link, peer, error->detail);
    if (admit_is_bad(err) && admit_bad(loop->admit, peer)) {
        log_warn("cutting peer %llu: too many bad messages, the last: %s",
                 (unsigned long long)peer, error->detail);
        loop_cut(loop, now_ms, peer, err);
    }
}

static void
loop_status(struct loop *loop, uint64_t now_ms, const struct core_from *from, uint64_t request)
{
    struct observe_input in = { 0 };
    struct buffer        list = { 0 };
    uint32_t             count = 0;
    union wire_any       m = { .status = { .epoch = core_epoch(loop->core),
                                           .up_ms = now_ms - loop->started_ms,
                                           .pid = (uint32_t)getpid(),
                                           .software = slice_text(MUSTER_VERSION) } };

    core_count(loop->core, &in.core);
    admit_count(loop->admit, &in.admit);
    link_server_count(loop->link, &in.link);
    store_count(loop->store, &in.store);
    observe_status(&list, &count, &in);
    m.status.counters = (struct wire_list){ buffer_slice(&list), count };
    effects_send(loop->gathering, from->session, request, MSG_TYPE_STATUS, &m);
    buffer_free(&list);
}

/* Bytes that the turn is to answer with, where they are not made yet by estimate:
 * a body at its largest, a block that is only searched by a part of it. */
static uint64_t
loop_answers(const struct effects *fx)
{
    enum { BLOCK_BYTES_SEARCHED = 1024 };

    return fx->out.bytes + ((uint64_t)fx->results_count + fx->get_count) * CHUNK_BYTES_MAX +
           fx->numbers.bytes / sizeof(uint64_t) * BLOCK_BYTES_SEARCHED;
}

/* The key of a connection that came in with one of a task; empty: with one that stays. */
static struct slice
loop_lent_key(const struct loop *loop, uint64_t peer)
{
    const struct link_peer *known = map_get(&loop->peers, peer);
    bool                    lent = false;

    if (known == NULL ||
        (link_server_entry(loop->link, known->key, &lent) != NULL && !lent))
        return slice_of(NULL, 0);
    return slice_of(known->key, KEY_BYTES);
}

/* A key that authorized_keys names is somebody's already. */
static muster_err
loop_check_key(const struct loop *loop, const struct msg_task_key *m, struct muster_error *error)
{
    bool lent = true;

    if (m->key.bytes == KEY_BYTES && link_server_entry(loop->link, m->key.data, &lent) != NULL &&
        !lent)
        return error_set(error, MUSTER_ERR_CONFLICT, "the key is in authorized_keys already");
    return MUSTER_OK;
}

static muster_err
loop_step(struct loop *loop, uint64_t now_ms, uint64_t peer, const struct wire_message *message,
          struct muster_error *error)
{
    struct admit_from admitted;
    struct core_from  from;
    union wire_any    m;
    muster_err        err;

    err = admit_check(loop->admit, now_ms, peer, message->type,
                      MESSAGE_HEADER_BYTES + message->body.bytes, &admitted, error);
    if (err)
        return err;
    err = wire_decode_any(message->type, message->body, &m);
    if (err)
        return error_set(error, err, "message 0x%02x does not follow the protocol", message->type);
    if (message->type == MSG_TYPE_HELLO) {
        err = admit_check_hello(loop->admit, peer, &m.hello, error);
        if (err)
            return err;
    } else if (message->type == MSG_TYPE_WORKER_JOIN) {
        err = admit_check_join(loop->admit, peer, &m.worker_join, error);
        if (err)
            return err;
    } else if (message->type == MSG_TYPE_TASK_KEY) {
        err = loop_check_key(loop, &m.task_key, error);
        if (err)
            return err;
    }

    if (loop_answers(loop->gathering) - loop->frame_begin > LOOP_FRAME_ANSWERS_MAX ||
        core_work(loop->core) - loop->frame_work > LOOP_FRAME_WORK_MAX)
        return error_set(error, MUSTER_ERR_BUSY, "one frame asks for too much; ask again");

    from = loop_from(&admitted);
    if (message->type == MSG_TYPE_HELLO)
        from.key = loop_lent_key(loop, peer);
    if (message->type == MSG_TYPE_STATUS_GET) {
        loop_status(loop, now_ms, &from, message->request);
        return MUSTER_OK;
    }
    core_step(loop->core, now_ms, &from, message->request, message->type, &m, loop->gathering);
    if (message->type == MSG_TYPE_HELLO && loop->gathering->opened != 0) {
        uint64_t before = admit_bind(loop->admit, peer, loop->gathering->opened);

        if (before != 0)
            link_server_cut(loop->link, before);
    }
    return MUSTER_OK;
}

/* ---- one frame ---- */

static muster_err
loop_peer_open(struct loop *loop, const struct link_peer *from, struct muster_error *error)
{
    const struct auth_entry *entry;
    struct link_peer        *known;
    struct admit_who         who;
    char                     fingerprint[20];
    muster_err               err;

    if (admit_peer_known(loop->admit, from->peer))
        return MUSTER_OK;
    entry = link_server_entry(loop->link, from->key, NULL);
    if (entry == NULL)
        return error_set(error, MUSTER_ERR_AUTH, "the key was revoked, or its task has ended");
    who = (struct admit_who){ .role = (enum wire_role)entry->role,
                              .user = entry->name,
                              .fingerprint = auth_key_fingerprint(fingerprint, from->key),
                              .address = from->address,
                              .queues = entry->queues };
    err = admit_peer_open(loop->admit, from->peer, &who, error);
    if (err)
        return err;
    known = base_alloc(sizeof(*known));
    *known = *from;
    map_put(&loop->peers, from->peer, known);
    return MUSTER_OK;
}

static void
loop_frame(struct loop *loop, uint64_t now_ms, const struct link_peer *from, struct slice bytes)
{
    struct muster_error error = { 0 };
    struct wire_frame   frame;
    struct wire_message message = { 0 };
    uint32_t            first = loop->gathering->send_count;
    muster_err          err;

    err = loop_peer_open(loop, from, &error);
    if (err) {
        log_warn("turning away a peer at %s: %s", from->address, error.detail);
        link_server_cut(loop->link, from->peer);
        return;
    }
    loop->frame_begin = loop_answers(loop->gathering);
    loop->frame_work = core_work(loop->core);
    err = wire_frame_open(bytes, &frame);
    while (!err) {
        err = wire_frame_next(&frame, &message);
        if (err)
            break;
        loop->steps++;
        err = loop_step(loop, now_ms, from->peer, &message, &error);
        if (err)
            loop_refuse(loop, now_ms, from->peer, message.request, err, &error);
        err = MUSTER_OK;        /* one bad message does not spoil its neighbours */
    }
    if (err != MUSTER_ERR_CLOSED) {
        error_set(&error, MUSTER_ERR_INVALID, "the frame does not follow the protocol");
        loop_refuse(loop, now_ms, from->peer, 0, MUSTER_ERR_INVALID, &error);
    }
    admit_work(loop->admit, from->peer, core_work(loop->core) - loop->frame_work);
    loop_address(loop->gathering, first, from->peer);
}

void
loop_receive(struct loop *loop)
{
    uint64_t         now_ms = clock_now_ms();
    struct link_peer from;
    struct slice     bytes;

    while (!loop->stopping && loop->steps < LOOP_TURN_STEPS_MAX &&
           loop->gathering->arena.bytes < LOOP_TURN_BYTES_MAX &&
           core_work(loop->core) - loop->turn_work < LOOP_TURN_WORK_MAX &&
           link_server_receive(loop->link, &from, &bytes))
        loop_frame(loop, now_ms, &from, bytes);
}

void
loop_gone(struct loop *loop)
{
    uint64_t peer, session;

    while (link_server_gone(loop->link, &peer)) {
        free(map_remove(&loop->peers, peer));
        outbox_gone(loop->outbox, peer);
        if (admit_peer_gone(loop->admit, peer, &session) && session != 0)
            core_away(loop->core, clock_now_ms(), session);
    }
}
