/* client_pipes.c - actors at the ends of pipes: with a name, or met by a listener
 *
 *   OPEN, ATTACH --.
 *   CONNECT -------+--> talk: SENDs and a RECEIVE at a time ... --> DETACH or CLOSE
 *   ACCEPT --------'
 *
 * A speaker sends some parts, several of them on their way, and receives until
 * the other end is closed, or nothing comes any more.
 */
#include <stdlib.h>

#include "client_objects.h"

enum {
    SPEAKER_WINDOW     = 4,            /* parts on their way */
    SPEAKER_PARTS_MAX  = 14,
    SPEAKER_PATIENCE   = 4,            /* waits in vain */
    SPEAKER_WAIT_MS    = 15000,        /* for a part to be taken */
    SPEAKER_BYTES_MAX  = 120,          /* in one answer */
    SPEAKER_LEAVES     = 60,           /* per 1,000 answers: it has enough */
    SPEAKER_PAUSE_MS   = 400,
};

enum { PIPE_OPENED = 1, PIPE_ATTACHING, PIPE_TALKING, PIPE_RECEIVING, PIPE_POLLING,
       PIPE_LEAVING, PIPE_ACCEPTING, PIPE_CONNECTING };

struct sending {
    struct speaker        *speaker;
    struct client_request *request;    /* NULL: free */
};

struct speaker {
    struct hist_object *pipe;
    unsigned            end;
    bool                sends, receives;
    bool                closing;       /* it may not be attached any more */
    uint64_t            next;          /* number of the part to send */
    uint64_t            wanted;        /* and of the one to receive */
    uint32_t            parts_left;
    uint32_t            patience;
    struct sending      sendings[SPEAKER_WINDOW];
};

static struct speaker *
speaker_new(struct actor *actor, struct hist_object *pipe, unsigned end)
{
    struct speaker *speaker = base_alloc(sizeof(*speaker));

    assert(actor->speaker == NULL);
    speaker->pipe = pipe;
    speaker->end = end;
    speaker->next = speaker->wanted = 1;
    speaker->sends = end == 1 || history_pipe_duplex(pipe);
    speaker->receives = end == 0 || history_pipe_duplex(pipe);
    speaker->parts_left = (uint32_t)actor_random(actor, SPEAKER_PARTS_MAX);
    speaker->patience = SPEAKER_PATIENCE;
    for (int i = 0; i < SPEAKER_WINDOW; i++)
        speaker->sendings[i].speaker = speaker;
    actor->speaker = speaker;
    return speaker;
}

/* Its requests are forgotten already. */
void
speaker_free(struct actor *actor)
{
    free(actor->speaker);
    actor->speaker = NULL;
}

bool
speaker_alone(const struct actor *actor)
{
    for (struct list *at = actor->node->actors.next; at != &actor->node->actors; at = at->next) {
        const struct actor *other = CONTAINER(at, struct actor, link);

        if (other != actor && other->speaker != NULL &&
            other->speaker->pipe == actor->speaker->pipe)
            return false;
    }
    return !history_pipe_held(actor->speaker->pipe, 1 - actor->speaker->end,
                              actor->node->bound_session);
}

/* Is another actor of this client at the very same end? */
static bool
speaker_doubles(const struct actor *actor)
{
    for (struct list *at = actor->node->actors.next; at != &actor->node->actors; at = at->next) {
        const struct actor   *other = CONTAINER(at, struct actor, link);
        const struct speaker *there = other->speaker;

        if (other != actor && there != NULL && there->end == actor->speaker->end &&
            there->pipe == actor->speaker->pipe)
            return true;
    }
    return false;
}

/* Nobody waits for what is on its way any more: it is the manager's. */
static void
speaker_ends(struct actor *actor)
{
    struct speaker *speaker = actor->speaker;

    for (int i = 0; i < SPEAKER_WINDOW; i++)
        if (speaker->sendings[i].request != NULL)
            client_forget(speaker->sendings[i].request);
    speaker_free(actor);
    actor_round_ends(actor);
}

/* ---- sending ---- */

static bool
speaker_waits(const struct speaker *speaker)
{
    for (int i = 0; i < SPEAKER_WINDOW; i++)
        if (speaker->sendings[i].request != NULL)
            return true;
    return false;
}

static void
on_sent(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct sending *sending = request->context;
    struct speaker *speaker = sending->speaker;
    muster_err      error = type == MSG_TYPE_ERROR ? error_from_number(m->error.code) : MUSTER_OK;
    bool            shared = !history_pipe_is_private(speaker->pipe);

    actor_answered(request);
    sending->request = NULL;
    if (error == MUSTER_ERR_END || (error == MUSTER_ERR_STATE && shared))
        speaker->parts_left = 0;       /* nobody is there, or another speaks */
    else if (error != MUSTER_OK && error != MUSTER_ERR_TIMEOUT && !speaker->closing)
        sim_fail(request->node->sim, "%s cannot send: %s", request->node->name,
                 muster_err_name(error));
}

static void
speaker_sends(struct actor *actor)
{
    struct speaker *speaker = actor->speaker;
    uint64_t        session = actor->node->bound_session;

    for (int i = 0; i < SPEAKER_WINDOW && speaker->sends && speaker->parts_left > 0; i++) {
        struct sending      *sending = &speaker->sendings[i];
        struct msg_object_do m;
        char                 text[64];

        if (sending->request != NULL)
            continue;
        history_part(speaker->pipe, session, speaker->end, speaker->next, text, &m);
        m.wait_ms = SPEAKER_WAIT_MS;
        sending->request = actor_ask_beside(actor, speaker->pipe, &m, on_sent, sending);
        speaker->next++;
        speaker->parts_left--;
    }
}

/* ---- talking ---- */

static void
speaker_leaves(struct actor *actor)
{
    struct speaker      *speaker = actor->speaker;
    struct msg_object_do m = { .verb = VERB_PIPE_DETACH, .a = speaker->end };

    speaker->closing = true;
    if (speaker_alone(actor)) {
        actor_close(actor, speaker->pipe, PIPE_LEAVING);
        return;
    }
    if (speaker->receives)
        m.c = speaker->wanted;
    history_takes(speaker->pipe, speaker->end, m.c);
    actor_do_at(actor, speaker->pipe, &m, PIPE_LEAVING);
}

static void
speaker_receives(struct actor *actor)
{
    struct speaker      *speaker = actor->speaker;
    bool                 polls = actor_random(actor, 6) == 0;
    struct msg_object_do m = { .verb = polls ? VERB_PIPE_POLL : VERB_PIPE_RECEIVE,
                               .a = speaker->end, .b = speaker->wanted };

    m.wait_ms = some_wait_ms(actor);
    if (!polls) {
        m.c = actor_random(actor, SPEAKER_BYTES_MAX);
        history_takes(speaker->pipe, speaker->end, m.b);
    }
    actor_do_at(actor, speaker->pipe, &m, polls ? PIPE_POLLING : PIPE_RECEIVING);
}

static void
speaker_talks(struct actor *actor)
{
    struct speaker *speaker = actor->speaker;
    bool            busy;

    speaker_sends(actor);
    busy = speaker_waits(speaker) || speaker->parts_left > 0;
    if (sim_chance(actor->node->sim, SPEAKER_LEAVES))
        speaker_leaves(actor);
    else if (speaker->receives && speaker->patience > 0)
        speaker_receives(actor);
    else if (speaker->sends && busy)
        actor_rest(actor, SPEAKER_PAUSE_MS, PIPE_TALKING);
    else
        speaker_leaves(actor);
}

/* What came, or why nothing did. */
static void
speaker_heard(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct speaker *speaker = actor->speaker;
    bool            shared = !history_pipe_is_private(speaker->pipe);

    if (error == MUSTER_OK && actor->phase == PIPE_RECEIVING)
        speaker->wanted += m->a;
    else if (error == MUSTER_ERR_IO)
        speaker->wanted++;             /* it is lost */
    else if (error == MUSTER_ERR_END || (error == MUSTER_ERR_STATE && shared))
        speaker->receives = false;
    else if (went_away(error))
        speaker->patience--;
    else if (error != MUSTER_OK)
        actor_fail(actor, error);
    if (actor_random(actor, 3) == 0)
        actor_rest(actor, SPEAKER_PAUSE_MS, PIPE_TALKING);
    else
        speaker_talks(actor);
}

static void
script_speaker(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    switch (actor->phase) {
    case PIPE_TALKING:
        speaker_talks(actor);
        return;
    case PIPE_RECEIVING:
    case PIPE_POLLING:
        speaker_heard(actor, error, m);
        return;
    default:
        assert(actor->phase == PIPE_LEAVING);
        if (error != MUSTER_OK && (error != MUSTER_ERR_STATE ||
                                   history_pipe_is_private(actor->speaker->pipe)))
            actor_fail(actor, error);
        speaker_ends(actor);
    }
}

/* ---- a pipe with a name ---- */

static void
pipe_attached(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct speaker *speaker = actor->speaker;

    if (error == MUSTER_OK) {
        speaker->next = m->b;
        speaker->wanted = m->c;
        speaker_talks(actor);
        return;
    }
    if (error != MUSTER_ERR_END)
        actor_fail(actor, error);
    history_pipe_over(actor->node->sim->history, speaker->pipe);
    speaker_free(actor);
    actor_round_ends(actor);
}

void
script_pipe(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct msg_object_do attach = { .verb = VERB_PIPE_ATTACH };
    struct speaker      *speaker;

    switch (actor->phase) {
    case 0:
        speaker = speaker_new(actor, history_pipe_named(actor->node->sim->history),
                              (unsigned)actor_random(actor, 2));
        if (speaker_doubles(actor)) {  /* a program numbers what it sends from an end itself */
            speaker_free(actor);
            actor_round_ends(actor);
            return;
        }
        actor->phase = PIPE_OPENED;
        actor_open(actor, speaker->pipe);
        return;
    case PIPE_OPENED:
        if (error != MUSTER_OK)
            actor_fail(actor, error);
        attach.a = actor->speaker->end;
        actor_do_at(actor, actor->speaker->pipe, &attach, PIPE_ATTACHING);
        return;
    case PIPE_ATTACHING:
        pipe_attached(actor, error, m);
        return;
    default:
        script_speaker(actor, error, m);
    }
}

/* ---- a pipe that a listener made ---- */

void
script_listener(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    bool accepts = actor->phase == PIPE_ACCEPTING;

    switch (actor->phase) {
    case 0:
        if (actor_random(actor, 5) < 2)
            ask(actor, SHARED_LISTENER, VERB_LISTENER_ACCEPT, some_wait_ms(actor),
                PIPE_ACCEPTING);
        else
            ask(actor, SHARED_LISTENER, VERB_LISTENER_CONNECT, some_wait_ms(actor),
                PIPE_CONNECTING);
        return;
    case PIPE_ACCEPTING:
    case PIPE_CONNECTING:
        if (error == MUSTER_OK) {
            (void)speaker_new(actor, history_pipe_of(actor->node->sim->history, m->a),
                              accepts ? 0 : 1);
            speaker_talks(actor);
            return;
        }
        if (!went_away(error))
            actor_fail(actor, error);
        actor_round_ends(actor);
        return;
    default:
        script_speaker(actor, error, m);
    }
}
