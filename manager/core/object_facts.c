/* object_facts.c - shared objects: bodies, texts, verdicts, and facts about what was done
 *
 * 1. The answer to a fact is told when it was applied, and before anything dies
 *    of it: it may point into the state.
 */
#include "object.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- bodies ----
 *
 * Owners share a name space with jobs: bit 62 tells them apart.  Those of
 * transient objects (bit 61) are numbered by the epoch, for what is done to a
 * transient object is not replayed. */

#define BODY_OWNER  ((uint64_t)1 << 62)
#define BODY_LOOSE  ((uint64_t)1 << 61)
#define LOOSE_SHIFT 37

uint64_t
object_body_owner(struct core *core)
{
    if (core->deciding != NULL && core->deciding->transient)
        return BODY_OWNER | BODY_LOOSE | core->epoch << LOOSE_SHIFT | (core->loose_last + 1);
    return BODY_OWNER | (core->body_owner_last + 1);
}

static void
body_loose(struct core *core, uint64_t owner, bool gone)
{
    write_u64(&core->loose_news, owner);
    write_u64(&core->loose_news, gone);
}

void
object_body_take(struct core *core, uint64_t owner)
{
    uint64_t number = owner & ~(BODY_OWNER | BODY_LOOSE);

    if ((owner & BODY_LOOSE) != 0) {
        core->loose_last = number & (((uint64_t)1 << LOOSE_SHIFT) - 1);
        body_loose(core, owner, false);
    } else if (number > core->body_owner_last) {
        core->body_owner_last = number;
        core->dirty = true;
    }
}

void
object_body_gone(struct core *core, uint64_t owner)
{
    assert((owner & BODY_OWNER) != 0);
    if (!core->started)
        return;                 /* the store dropped it with the turn of this fact */
    write_u64(&core->bodies_gone, owner);
    if ((owner & BODY_LOOSE) != 0)
        body_loose(core, owner, true);
}

/* ---- verdicts ---- */

void
verdict_error(struct verdict *v, const struct object *object, muster_err error,
              const char *format, ...)
{
    size_t  used = 0;
    va_list args;

    assert(error != MUSTER_OK);
    v->kind = VERDICT_ERROR;
    v->error = error;
    if (object != NULL) {
        object_error_text(object, MUSTER_OK, v->text);
        used = strlen(v->text);
    }
    va_start(args, format);
    (void)vsnprintf(v->text + used, sizeof(v->text) - used, format, args);
    va_end(args);
}

void
verdict_wait(struct verdict *v, uint32_t lane, muster_err when_over)
{
    assert(lane < OBJECT_LANES && when_over != MUSTER_OK);
    v->kind = VERDICT_WAIT;
    v->lane = lane;
    v->error = when_over;
}

/* `queue "tickets": it is empty`; with OK only what stands in front. */
void
object_error_text(const struct object *object, muster_err error, char text[OBJECT_TEXT_BYTES])
{
    static const char *const texts[MUSTER_ERR_COUNT] = {
        [MUSTER_ERR_EMPTY] = "it is empty",
        [MUSTER_ERR_FULL] = "it is full",
        [MUSTER_ERR_TIMEOUT] = "not in time",
        [MUSTER_ERR_CLOSED] = "it was closed",
        [MUSTER_ERR_CANCELED] = "the request was cancelled",
    };
    const char *what = error != MUSTER_OK ? muster_err_text(error) : "";

    assert(error < MUSTER_ERR_COUNT);
    if (texts[error] != NULL)
        what = texts[error];
    if (object->name != NULL)
        (void)snprintf(text, OBJECT_TEXT_BYTES, "%s \"%.*s\": %s", wire_noun_name(object->noun),
                       SLICE_ARGS(object->name->text), what);
    else
        (void)snprintf(text, OBJECT_TEXT_BYTES, "%s %llu: %s", wire_noun_name(object->noun),
                       (unsigned long long)object->id, what);
}

void
object_answer_rebuilt(struct core *core)
{
    assert(core->did != NULL);
    core->did->rebuilt = true;
}

void
object_answer_error(struct core *core, muster_err error, struct slice text)
{
    struct did *did = core->did;

    assert(did != NULL && error != MUSTER_OK);
    did->error = error;
    (void)snprintf(did->text, sizeof(did->text), "%.*s", SLICE_ARGS(text));
}

/* ---- facts ---- */

void
object_record(struct core *core, struct effects *fx, const struct record *record, bool logged)
{
    assert(apply_check(core, record));
    if (logged)
        record_put(&fx->facts, record);
    apply_record(core, record);
    assert(!core->bad);
}

void
object_fact(struct core *core, struct object *object, const struct act *act, struct effects *fx)
{
    struct record   record = { .type = RECORD_TYPE_OBJECT_DID };
    struct session *session = act->session != 0 ? map_get(&core->sessions, act->session) : NULL;
    struct did      did = { 0 };
    struct wait    *wait;

    assert(!object->dead && core->did == NULL);
    record.object_did = (struct record_object_did){
        .object = object->id, .session = act->session, .request = act->request,
        .verb = act->verb, .thread = act->thread,
        .a = act->a, .b = act->b, .c = act->c, .d = act->d,
        .flags = (act->is_reference ? DID_REFERENCE : 0u) | (act->enters ? DID_ENTERS : 0u),
        .unix_ms = act->unix_ms, .key = act->key, .value = act->value,
    };
    core->did = &did;
    object_record(core, fx, &record, !object->transient);
    core->did = NULL;
    if (session != NULL && act->request != 0 && !act->enters) {
        answer_tell(session->id, act->request, &did.answer, did.error, fx);
        wait = wait_find(session, act->request);
        if (wait != NULL)
            wait_free(core, wait);
    }
    objects_die_off(core);
}

/* ---- from verdicts to facts and answers ---- */

void
verdict_ask(struct core *core, struct object *object, const struct act *act, struct verdict *v_out)
{
    *v_out = (struct verdict){ .fact = *act };
    v_out->fact.unix_ms = core_unix_ms(core);
    core->deciding = object;
    object_rules(object)->decide(core, object, act, v_out);
    core->deciding = NULL;
}

void
verdict_record(struct core *core, struct object *object, const struct verdict *v,
               struct effects *fx)
{
    struct act fact = v->fact;

    fact.enters = v->kind == VERDICT_ENTER;
    if (v->store.owner != 0) {
        effects_body(fx, v->store.owner, v->store.number, fact.value);
        fact.value = slice_of(NULL, 0);
    }
    object_fact(core, object, &fact, fx);
}

static void
verdict_read(const struct act *act, const struct verdict *v, struct effects *fx)
{
    struct effect_body_get *get = effects_body_get(fx);

    get->session = act->session;
    get->request = act->request;
    get->job = v->body.owner;
    get->number = v->body.number;
    get->skip = v->body.skip;
    get->offset = v->body.offset;
    get->total = v->body.total;
}

void
verdict_tell(struct core *core, struct object *object, const struct act *act,
             const struct verdict *v, struct effects *fx)
{
    switch (v->kind) {
    case VERDICT_DO:
        verdict_record(core, object, v, fx);
        break;
    case VERDICT_ANSWER:
        effects_done(fx, act->session, act->request, &v->answer, v->parts, v->part_count);
        break;
    case VERDICT_READ:
        verdict_read(act, v, fx);
        break;
    case VERDICT_ERROR:
        effects_error(fx, act->session, act->request, v->error, "%s", v->text);
        break;
    case VERDICT_WAIT:
    case VERDICT_ENTER:
        assert(false);          /* a wait is made by whoever asked */
    }
}
