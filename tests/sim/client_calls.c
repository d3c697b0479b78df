/* client_calls.c - actors that call a service, and those that serve it
 *
 * Who serves publishes, takes some calls and answers them, or not; then it
 * withdraws, goes on serving without asking for more, or closes the service.
 */
#include "client_objects.h"

enum { CALLS_SERVED_MAX = 6, CALLS_WORK_MS = 2500, CALLS_WAIT_MS = 12000 };

enum { CALLS_CALLING = 1, CALLS_PUBLISHING, CALLS_TAKING, CALLS_WORKING, CALLS_REPLYING,
       CALLS_LEAVING };

static void
service_call(struct actor *actor)
{
    struct msg_object_do m = { .verb = VERB_SERVICE_CALL, .key = slice_text("triple") };
    struct buffer        bytes = { 0 };

    m.wait_ms = (uint32_t)actor_random(actor, CALLS_WAIT_MS);
    write_u64(&bytes, history_item(actor->node->sim->history));
    m.value = buffer_slice(&bytes);
    actor_do(actor, SHARED_SERVICE, &m, CALLS_CALLING);
    buffer_free(&bytes);
}

static void
service_publish(struct actor *actor)
{
    struct msg_object_do m = { .verb = VERB_SERVICE_PUBLISH, .a = 1 };
    struct wire_block    block = { 0 };
    struct buffer        bytes = { 0 };

    wire_block_add(&block, slice_text("triple"));
    wire_block_put(&bytes, &block);
    m.value = buffer_slice(&bytes);
    actor->number = (int64_t)actor_random(actor, CALLS_SERVED_MAX);
    actor_do(actor, SHARED_SERVICE, &m, CALLS_PUBLISHING);
    buffer_free(&bytes);
    wire_block_free(&block);
}

static void
service_next(struct actor *actor)
{
    uint64_t what = actor_random(actor, 10);

    if (actor->number-- > 0)
        ask(actor, SHARED_SERVICE, VERB_SERVICE_NEXT, some_wait_ms(actor), CALLS_TAKING);
    else if (what < 5)
        ask(actor, SHARED_SERVICE, VERB_SERVICE_WITHDRAW, 0, CALLS_LEAVING);
    else if (what < 7 && actor_alone(actor))
        actor_close(actor, actor_object(actor), CALLS_LEAVING);
    else
        actor_round_ends(actor);
}

/* It remembers the number of the call and its argument. */
static void
service_taken(struct actor *actor, const struct msg_object_done *m)
{
    buffer_clear(&actor->ids);
    write_u64(&actor->ids, m->a);
    buffer_append_slice(&actor->ids, m->value);
    actor_rest(actor, CALLS_WORK_MS, CALLS_WORKING);
}

static void
service_reply(struct actor *actor)
{
    struct reader        in = reader_of(buffer_slice(&actor->ids));
    struct msg_object_do m = { .verb = VERB_SERVICE_REPLY, .a = read_u64(&in) };
    struct buffer        bytes = { 0 };

    m.b = actor_random(actor, 8) == 0;
    if (m.b == 1)
        buffer_append_text(&bytes, "it cannot be tripled");
    else
        write_u64(&bytes, history_result(read_u64(&in)));
    m.value = buffer_slice(&bytes);
    actor_do(actor, SHARED_SERVICE, &m, CALLS_REPLYING);
    buffer_free(&bytes);
}

static bool
service_may_say(uint32_t phase, muster_err error)
{
    switch (phase) {
    case CALLS_CALLING:
        return error == MUSTER_ERR_REMOTE || error == MUSTER_ERR_END || went_away(error);
    case CALLS_TAKING:
        return error == MUSTER_ERR_STATE || went_away(error);
    case CALLS_REPLYING:
        return error == MUSTER_ERR_STALE;
    case CALLS_LEAVING:
        return error == MUSTER_ERR_STATE;
    default:
        return false;
    }
}

void
script_service(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    if (error != MUSTER_OK && !service_may_say(actor->phase, error))
        actor_fail(actor, error);
    switch (actor->phase) {
    case 0:
        if (actor_random(actor, 2) == 0)
            service_publish(actor);
        else
            service_call(actor);
        return;
    case CALLS_TAKING:
        if (error == MUSTER_OK) {
            service_taken(actor, m);
            return;
        }
        /* fall through */
    case CALLS_PUBLISHING:
    case CALLS_REPLYING:
        service_next(actor);
        return;
    case CALLS_WORKING:
        if (actor_random(actor, 6) == 0 && actor_alone(actor))
            actor_close(actor, actor_object(actor), CALLS_LEAVING);     /* as if it died */
        else
            service_reply(actor);
        return;
    default:
        actor_round_ends(actor);
    }
}
