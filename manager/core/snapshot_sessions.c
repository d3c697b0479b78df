/* snapshot_sessions.c - sessions as stored objects: see snapshot.c */
#include "state.h"

enum { OBJECT_VERSION = 1 };

static void
put_token(const struct wire_token *token, struct buffer *out)
{
    write_varint(out, token->job);
    write_varint(out, token->index);
    write_varint(out, token->attempt);
    write_varint(out, token->epoch);
}

void
snapshot_put_session(const struct session *session, struct buffer *out)
{
    const struct worker *worker = session->worker;
    uint32_t             count = worker != NULL ? worker->done_count : 0;

    write_u8(out, OBJECT_VERSION);
    write_varint(out, session->secret);
    write_u8(out, (uint8_t)session->role);
    record_put_bytes(out, session->user->name);
    record_put_bytes(out, slice_text(worker != NULL ? worker->name : ""));
    write_varint(out, count);
    for (uint32_t i = 0; i < count; i++)        /* oldest first */
        put_token(&worker->done[(worker->done_next + DONE_MAX - count + i) % DONE_MAX], out);
}

static bool
load_worker(struct core *core, struct session *session, struct slice name, struct reader *in)
{
    uint64_t count = snapshot_number(in, DONE_MAX);

    if (session->worker == NULL && session->role == ROLE_WORKER)
        worker_new(core, session);
    if (session->worker == NULL)
        return count == 0 && name.bytes == 0 && read_ended(in);
    memcpy(session->worker->name, name.data, name.bytes);
    for (uint64_t i = 0; i < count && !in->bad; i++) {
        struct wire_token token;

        token.job = read_varint(in);
        token.index = (uint32_t)snapshot_number(in, TASKS_PER_JOB_MAX);
        token.attempt = (uint32_t)snapshot_number(in, UINT32_MAX);
        token.epoch = read_varint(in);
        worker_done(session->worker, &token);
    }
    return read_ended(in);
}

bool
snapshot_load_session(struct core *core, uint64_t id, struct reader *in)
{
    struct session *session = map_get(&core->sessions, id);
    uint64_t        secret;
    uint8_t         role;
    struct slice    user, name;

    if (id == 0 || read_u8(in) != OBJECT_VERSION || (session != NULL && !session->stub))
        return false;
    secret = read_varint(in);
    role = read_u8(in);
    user = record_get_bytes(in, NAME_BYTES_MAX);
    name = record_get_bytes(in, NAME_BYTES_MAX);
    /* A stub is a worker: someone holds a lease of it. */
    if (in->bad || role == ROLE_NONE || role >= ROLE_COUNT ||
        (session != NULL && role != ROLE_WORKER))
        return false;
    if (session == NULL)
        session = session_new(core, id);
    session->stub = false;
    session->stored = true;
    session->secret = secret;
    session_belongs(core, session, (enum wire_role)role, user);
    return load_worker(core, session, name, in);
}
