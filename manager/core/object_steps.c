/* object_steps.c - what sessions ask of shared objects: OPEN, CLOSE, DELETE, DO, LIST
 *
 * 1. A request that was answered already is answered from what is kept, and one
 *    that waits is only brought back to its place: repeating is safe.
 * 2. Limits stop what grows, never what makes room.
 */
#include "object.h"
#include "parse.h"

enum {
    LIST_WORK = 4,                 /* to look at one object for a list */
    TIE_BYTES = 128,               /* of a tie and its place in the map */
    ANSWERS_SHARE = 2,             /* of all that objects may hold: one session's answers */
};

/* ---- OPEN ---- */

static void
open_tell(const struct step *step, const struct object *object, bool existed)
{
    union wire_any m = { .object_opened = { .object = object->id,
                                            .noun = (uint8_t)object->noun,
                                            .existed = existed,
                                            .a = object->a,
                                            .b = object->b } };

    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_OBJECT_OPENED, &m);
}

/* Was this request answered already, or can it not be answered at all? */
static bool
step_answered(struct core *core, const struct step *step)
{
    const struct kept *kept;

    if (step->request == 0) {
        effects_error(step->fx, step->session->id, 0, MUSTER_ERR_INVALID,
                      "a request to a shared object needs a number");
        return true;
    }
    if (step->request > step->session->request_high)
        return false;
    kept = kept_find(step->session, step->request);
    if (kept == NULL)
        return false;
    kept_tell(core, step->session, kept, step->fx);
    return true;
}

static void
step_number_taken(const struct step *step)
{
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                  "another request of this number waits");
}

/* For those that never wait: a second answer to one number could not be kept. */
static bool
step_refused(struct core *core, const struct step *step)
{
    if (step_answered(core, step))
        return true;
    if (wait_find(step->session, step->request) == NULL)
        return false;
    step_number_taken(step);
    return true;
}

static bool
step_may_keep(struct core *core, const struct step *step)
{
    const struct session *session = step->session;
    uint64_t              all_max = core->config.object_bytes_max;

    if (session->kept.count < core->config.answers_kept_max &&
        session->kept_bytes <= all_max / ANSWERS_SHARE && core->answer_bytes <= all_max)
        return true;
    core->counters.refused++;
    if (core->answer_bytes > all_max)
        effects_error(step->fx, session->id, step->request, MUSTER_ERR_BUSY,
                      "answers not seen yet hold %llu bytes, the manager's limit is %llu",
                      (unsigned long long)core->answer_bytes, (unsigned long long)all_max);
    else
        effects_error(step->fx, session->id, step->request, MUSTER_ERR_BUSY,
                      "%u answers (%llu bytes) have not been seen by this session, the limit",
                      session->kept.count, (unsigned long long)session->kept_bytes);
    return false;
}

static uint64_t
objects_bytes_held(const struct core *core)
{
    return core->object_bytes + core->wait_bytes + core->answer_bytes +
           core->ties.count * TIE_BYTES;
}

static bool
step_may_grow(struct core *core, const struct step *step, uint64_t bytes)
{
    if (core->low) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NO_SPACE,
                      "the manager's disk is nearly full");
        return false;
    }
    if (objects_bytes_held(core) + bytes <= core->config.object_bytes_max)
        return true;
    core->counters.refused++;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                  "shared objects hold %llu bytes, the manager's limit is %llu",
                  (unsigned long long)objects_bytes_held(core),
                  (unsigned long long)core->config.object_bytes_max);
    return false;
}

static void
open_old(struct core *core, const struct step *step, struct object *object)
{
    struct record record = { .type = RECORD_TYPE_OBJECT_TIED };

    if (!object_tied(core, step->session->id, object)) {
        if (!step_may_keep(core, step) || !step_may_grow(core, step, TIE_BYTES))
            return;
        record.object_tied = (struct record_object_tied){ object->id, step->session->id,
                                                          step->request };
        object_record(core, step->fx, &record, true);
    }
    open_tell(step, object, true);
}

/* The settings are good for this noun; else it is told what is not. */
static bool
open_checked(struct core *core, const struct step *step, const struct msg_object_open *m)
{
    const struct noun_rules *rules = noun_rules_of(m->noun);
    struct verdict           v = { 0 };

    if (rules == NULL) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_UNSUPPORTED,
                      "this manager has no %s", wire_noun_name(m->noun));
        return false;
    }
    if (m->name.bytes > 0 && !parse_name(m->name, NAME_BYTES_MAX)) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                      "a name has 1 to %u of A-Z a-z 0-9 . _ - and begins with none of . -",
                      NAME_BYTES_MAX);
        return false;
    }
    if (rules->check == NULL || rules->check(core, m, &v))
        return true;
    effects_error(step->fx, step->session->id, step->request,
                  v.error != MUSTER_OK ? v.error : MUSTER_ERR_INVALID, "%s \"%.*s\": %s",
                  wire_noun_name(m->noun), SLICE_ARGS(m->name), v.text);
    return false;
}

static void
open_new(struct core *core, const struct step *step, const struct msg_object_open *m)
{
    struct record record = { .type = RECORD_TYPE_OBJECT_MADE };

    if (!open_checked(core, step, m) || !step_may_keep(core, step) ||
        !step_may_grow(core, step, m->value.bytes))
        return;
    if (core->objects.count >= core->config.objects_max) {
        core->counters.refused++;
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                      "the manager has %llu shared objects, its limit",
                      (unsigned long long)core->objects.count);
        return;
    }
    record.object_made = (struct record_object_made){
        .object = core->object_last + 1, .noun = m->noun, .name = m->name,
        .owner = step->session->user->name, .transient = m->transient, .a = m->a, .b = m->b,
        .value = m->value, .session = step->session->id, .request = step->request,
    };
    object_record(core, step->fx, &record, true);
    open_tell(step, object_find(core, core->object_last), false);
}

void
step_object_open(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_open *m = &any->object_open;
    struct object *object = NULL;
    uint64_t       session = step->session->id;

    if (step_refused(core, step))
        return;
    if (m->object != 0)
        object = object_find(core, m->object);
    else if (m->name.bytes > 0)
        object = object_named(core, m->name);

    if (object == NULL && m->object != 0)
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no object %llu (any more)", (unsigned long long)m->object);
    else if (object == NULL && m->mode == OPEN_OLD)
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no %s \"%.*s\"", wire_noun_name(m->noun), SLICE_ARGS(m->name));
    else if (object == NULL)
        open_new(core, step, m);
    else if (object->noun != m->noun)
        effects_error(step->fx, session, step->request, MUSTER_ERR_TYPE,
                      "\"%.*s\" (object %llu) is of the noun %s, not %s", SLICE_ARGS(m->name),
                      (unsigned long long)object->id, wire_noun_name(object->noun),
                      wire_noun_name(m->noun));
    else if (m->mode == OPEN_NEW)
        effects_error(step->fx, session, step->request, MUSTER_ERR_EXISTS,
                      "the %s \"%.*s\" exists already", wire_noun_name(m->noun),
                      SLICE_ARGS(m->name));
    else
        open_old(core, step, object);
}

/* ---- CLOSE, DELETE ---- */

/* Was this CLOSE done before, and the object opened again since?  The answers to both
 * were lost, and both come once more: what is open now was not meant. */
static bool
close_is_over(struct core *core, const struct step *step, uint64_t object)
{
    const struct kept *kept = kept_from(step->session, step->request + 1);
    uint64_t           looked = 0;

    while (kept != NULL && (kept->kind != KEPT_OPENED || kept->object != object)) {
        kept = kept_from(step->session, kept->request + 1);
        looked++;
    }
    object_work(core, looked);
    return kept != NULL;
}

void
step_object_close(struct core *core, const struct step *step, const union wire_any *m)
{
    struct object *object = object_find(core, m->object_close.object);
    struct record  record = { .type = RECORD_TYPE_OBJECT_UNTIED };
    bool           tied = object != NULL && object_tied(core, step->session->id, object);

    if (tied && !close_is_over(core, step, object->id)) {
        session_waits_close(core, step->session, object, step->fx);
        record.object_untied = (struct record_object_untied){ object->id, step->session->id };
        object_record(core, step->fx, &record, true);
    }
    effects_ack(step->fx, step->session->id, step->request, tied);
}

void
step_object_delete(struct core *core, const struct step *step, const union wire_any *m)
{
    struct object *object = object_find(core, m->object_delete.object);
    struct record  record = { .type = RECORD_TYPE_OBJECT_DELETED };
    char           text[OBJECT_TEXT_BYTES];

    if (step_refused(core, step))
        return;
    if (object == NULL) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no object %llu (any more)",
                      (unsigned long long)m->object_delete.object);
        return;
    }
    if (object->owner != step->session->user && step->session->role != ROLE_ADMIN) {
        object_error_text(object, MUSTER_OK, text);
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_DENIED,
                      "%sonly %.*s or an admin may delete it", text,
                      SLICE_ARGS(object->owner->name));
        return;
    }
    if (!step_may_keep(core, step))
        return;
    object_waits_close(core, object, step->fx);
    record.object_deleted = (struct record_object_deleted){ object->id, step->session->id,
                                                            step->request };
    object_record(core, step->fx, &record, true);
    effects_ack(step->fx, step->session->id, step->request, 1);
}

/* ---- DO ---- */

/* Verbs that bring bytes which stay: they stop at the limit, all others may go on,
 * for some of them make room. */
static const bool verb_grows[VERB_COUNT] = {
    [VERB_QUEUE_PUT] = true,       [VERB_QUEUE_PUT_PART] = true, [VERB_VALUE_SET] = true,
    [VERB_ARRAY_SET] = true,       [VERB_ARRAY_ADD] = true,      [VERB_ARRAY_CAS] = true,
    [VERB_VALUE_CAS] = true,       [VERB_LIST_APPEND] = true,    [VERB_LIST_EXTEND] = true,
    [VERB_LIST_INSERT] = true,     [VERB_LIST_SET] = true,       [VERB_LIST_SET_SLICE] = true,
    [VERB_DICT_SET] = true,        [VERB_DICT_SETDEFAULT] = true, [VERB_DICT_UPDATE] = true,
    [VERB_DICT_COPY] = true,       [VERB_DICT_CAS] = true,       [VERB_PIPE_SEND] = true,
    [VERB_SERVICE_PUBLISH] = true, [VERB_SERVICE_CALL] = true,   [VERB_SERVICE_REPLY] = true,
};

static enum wire_noun
verb_noun(const struct object *object)
{
    return object->noun == NOUN_NAMESPACE ? NOUN_DICT : object->noun;
}

/* The object, if this session may ask it this; else it was told why not. */
static struct object *
do_asked(struct core *core, const struct step *step, const struct msg_object_do *m)
{
    const struct wire_verb_rule *rule = wire_verb_rule(m->verb);
    struct object *object = object_find(core, m->object);
    uint64_t       session = step->session->id;
    char           text[OBJECT_TEXT_BYTES];

    if (object == NULL) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no object %llu (any more)", (unsigned long long)m->object);
        return NULL;
    }
    if (rule->kind != VERB_NONE && rule->noun == verb_noun(object) &&
        object_tied(core, session, object))
        return object;
    object_error_text(object, MUSTER_OK, text);
    if (rule->kind == VERB_NONE)
        effects_error(step->fx, session, step->request, MUSTER_ERR_UNSUPPORTED,
                      "%sthis manager knows no verb %u", text, m->verb);
    else if (rule->noun != verb_noun(object))
        effects_error(step->fx, session, step->request, MUSTER_ERR_TYPE,
                      "%s\"%s\" is for a %s", text, rule->name, wire_noun_name(rule->noun));
    else
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "%sthis session has not opened it", text);
    return NULL;
}

/* May it be done, as far as limits go? */
static bool
do_allowed(struct core *core, const struct step *step, const struct object *object,
           const struct msg_object_do *m)
{
    enum wire_verb_kind kind = wire_verb_rule(m->verb)->kind;
    uint64_t            bytes = m->key.bytes + m->value.bytes;

    if ((kind == VERB_WRITE || kind == VERB_WAIT) && !step_may_keep(core, step))
        return false;
    if (m->verb == VERB_DICT_COPY) {
        bytes += object->bytes;
        if (core->objects.count >= core->config.objects_max) {
            effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                          "the manager has %llu shared objects, its limit",
                          (unsigned long long)core->objects.count);
            return false;
        }
    }
    return !verb_grows[m->verb] || step_may_grow(core, step, bytes);
}

/* Waits have a limit of their own as large as that of all content: who waits for
 * something to become free must be able to when all is full. */
static bool
do_may_wait(struct core *core, const struct step *step, const struct act *act)
{
    uint64_t bytes = core->wait_bytes + sizeof(struct wait) + act->key.bytes + act->value.bytes;

    if (bytes > core->config.object_bytes_max) {
        core->counters.refused++;
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_BUSY,
                      "requests that wait hold %llu bytes, the manager's limit is %llu",
                      (unsigned long long)core->wait_bytes,
                      (unsigned long long)core->config.object_bytes_max);
        return false;
    }
    if (step->session->wait_map.count < core->config.waits_per_session_max)
        return true;
    core->counters.refused++;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_BUSY,
                  "%u requests of this session wait, the limit",
                  (unsigned)step->session->wait_map.count);
    return false;
}

static void
do_wait(struct core *core, const struct step *step, struct object *object, const struct act *act,
        uint32_t wait_ms, struct verdict *v)
{
    struct wait *wait;

    /* One that was entered before a restart has no wait any more: its noun is asked. */
    if (v->kind == VERDICT_WAIT && wait_ms == 0 && object_rules(object)->timed_out == NULL) {
        if (v->text[0] == '\0')
            object_error_text(object, v->error, v->text);
        effects_error(step->fx, step->session->id, step->request, v->error, "%s", v->text);
        return;
    }
    if (!do_may_wait(core, step, act))
        return;
    if (v->kind == VERDICT_ENTER)
        verdict_record(core, object, v, step->fx);
    wait = wait_new(core, step->session, object, act, wait_ms, v);
    if (wait_ms == 0)
        wait_over(core, wait, step->fx);
}

/* A request that waits comes again. */
static void
do_again(struct core *core, const struct step *step, struct wait *wait,
         const struct msg_object_do *m)
{
    if (wait->object->id != m->object || wait->act.verb != m->verb) {
        step_number_taken(step);
        return;
    }
    wait_resume(core, wait, m->wait_ms);
}

void
step_object_do(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_do *m = &any->object_do;
    struct wait   *wait;
    struct object *object;
    struct verdict v;
    struct act     act = { .session = step->session->id, .request = step->request,
                           .verb = m->verb, .thread = m->thread, .a = m->a, .b = m->b, .c = m->c,
                           .d = m->d, .is_reference = m->is_reference, .key = m->key,
                           .value = m->value };

    if (step_answered(core, step))
        return;
    wait = step->request <= step->session->request_high ? wait_find(step->session, step->request)
                                                        : NULL;
    if (wait != NULL) {
        do_again(core, step, wait, m);
        return;
    }
    object = do_asked(core, step, m);
    if (object == NULL || !do_allowed(core, step, object, m))
        return;
    verdict_ask(core, object, &act, &v);
    if (v.kind == VERDICT_WAIT || v.kind == VERDICT_ENTER)
        do_wait(core, step, object, &act, m->wait_ms, &v);
    else
        verdict_tell(core, object, &act, &v, step->fx);
}

/* ---- LIST ---- */

static void
list_put(const struct core *core, const struct object *object, struct buffer *out)
{
    char               text[OBJECT_TEXT_BYTES] = "";
    struct wire_object item = { .object = object->id,
                                .noun = (uint8_t)object->noun,
                                .owner = object->owner->name,
                                .transient = object->transient,
                                .sessions = object->ties,
                                .waiting = object->waiting,
                                .bytes = object->bytes };

    if (object->name != NULL)
        item.name = object->name->text;
    object_rules(object)->describe(core, object, &item, text);
    item.text = slice_text(text);
    wire_put_object(out, &item);
}

static bool
list_wants(const struct object *object, const struct msg_object_list_get *m)
{
    return object != NULL && (!m->of_noun || object->noun == m->noun) && object->id > m->after;
}

void
step_object_list(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_list_get *m = &any->object_list_get;
    struct buffer  items = { 0 };
    union wire_any answer = { .object_list = { .more = 0 } };
    uint32_t       count = 0;

    if (m->name.bytes > 0) {
        const struct object *object = object_named(core, m->name);

        if (list_wants(object, m)) {
            list_put(core, object, &items);
            count++;
        }
    }
    for (uint32_t i = order_find(&core->object_order, m->after + 1);
         m->name.bytes == 0 && i < core->object_order.count; i++) {
        const struct object *object = object_find(core, order_at(&core->object_order, i));

        object_work(core, LIST_WORK);
        if (!list_wants(object, m))
            continue;
        if (count == LIST_ITEMS_MAX || items.bytes > BLOCK_BYTES_MAX) {
            answer.object_list.more = 1;
            break;
        }
        list_put(core, object, &items);
        count++;
    }
    answer.object_list.objects = (struct wire_list){ buffer_slice(&items), count };
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_OBJECT_LIST, &answer);
    buffer_free(&items);
}
