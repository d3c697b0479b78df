/* service.c - methods that programs offer to others: the noun
 *
 * See service.h.
 */
#include <stdio.h>

#include "plant.h"
#include "service.h"

enum { LANE_CALLERS, LANE_SERVERS };
enum { VERB_SERVICE_LEFT = VERB_INNER };         /* b: session, c: request */
enum { METHODS_SHOWN_BYTES = 300 };

/* ---- methods ---- */

static bool
method_exposed(const struct service *service, struct slice method)
{
    struct slice block = buffer_slice(&service->methods);

    for (uint32_t i = 0; i < service->method_count; i++) {
        if (slice_equal(wire_block_item(block, i), method))
            return true;
    }
    return false;
}

/* Their names, for people. */
static const char *
methods_text(const struct service *service, struct buffer *out)
{
    buffer_clear(out);
    for (uint32_t i = 0; i < service->method_count; i++) {
        struct slice name = wire_block_item(buffer_slice(&service->methods), i);

        if (out->bytes + name.bytes > METHODS_SHOWN_BYTES) {
            buffer_append_text(out, ", ...");
            break;
        }
        buffer_append_text(out, i > 0 ? ", " : "");
        buffer_append_slice(out, name);
    }
    return buffer_text(out);
}
/* ---- decide ---- */

static void
decide_publish(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    (void)core;
    if (methods_good(act->value, act->a))
        v->kind = VERDICT_DO;
    else
        verdict_error(v, object, MUSTER_ERR_INVALID,
                      "methods have names of 1 to %u bytes of UTF-8", (unsigned)KEY_BYTES_MAX);
}

static void
decide_withdraw(struct core *core, struct object *object, const struct act *act,
                struct verdict *v)
{
    (void)core;
    if (server_is(object->state, act->session))
        v->kind = VERDICT_DO;
    else
        verdict_error(v, object, MUSTER_ERR_STATE, "this session does not serve it");
}

/* Is this a call that can be made now? */
static bool
call_check(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct service *service = object->state;

    if (act->value.bytes > VALUE_BYTES_MAX)
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE, "arguments have at most %u bytes",
                      (unsigned)VALUE_BYTES_MAX);
    else if (service->server_count == 0)
        verdict_error(v, object, MUSTER_ERR_END, "nobody serves it");
    else if (!method_exposed(service, act->key))
        verdict_error(v, object, MUSTER_ERR_NO_KEY, "no such method; it has: %s",
                      methods_text(service, &core->scratch));
    else if (service->slots.count >= CALLS_MAX)
        verdict_error(v, object, MUSTER_ERR_FULL, "%u calls wait already", (unsigned)CALLS_MAX);
    else
        return true;
    return false;
}

static void
decide_call(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct call *call = call_find(object->state, act->session, act->request);

    if (call != NULL && call->state == CALL_DONE) {
        v->kind = VERDICT_DO;
        v->fact.key = (struct slice){ 0 };
        v->fact.value = (struct slice){ 0 };
    } else if (call != NULL) {
        verdict_wait(v, LANE_CALLERS, MUSTER_ERR_TIMEOUT);
    } else if (call_check(core, object, act, v)) {
        verdict_wait(v, LANE_CALLERS, MUSTER_ERR_TIMEOUT);
        v->kind = VERDICT_ENTER;
    }
}

static void
decide_next(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct service   *service = object->state;
    const struct heap_node *first = heap_first(&service->queue);

    (void)core;
    if (!server_is(service, act->session)) {
        verdict_error(v, object, MUSTER_ERR_STATE, "this session does not serve it");
    } else if (first == NULL || lane_busy(object, LANE_SERVERS, act)) {
        verdict_wait(v, LANE_SERVERS, MUSTER_ERR_EMPTY);
    } else {
        v->kind = VERDICT_DO;
        v->fact.a = first->key;
    }
}

/* Text of an error goes into a message of its own: it must be text, and short. */
static struct slice
reply_text(struct core *core, struct slice text)
{
    struct slice cut = slice_cut(text, 0, TEXT_BYTES_MAX - 1);

    /* A cut must not leave half a character behind. */
    for (int i = 0; i < 3 && cut.bytes < text.bytes && !parse_utf8(cut); i++)
        cut.bytes--;
    if (parse_utf8(cut))
        return cut;
    buffer_clear(&core->scratch);
    buffer_append_slice(&core->scratch, cut);
    for (size_t i = 0; i < cut.bytes; i++) {
        if (core->scratch.data[i] < ' ' || core->scratch.data[i] > '~')
            core->scratch.data[i] = '?';
    }
    return buffer_slice(&core->scratch);
}

static void
decide_reply(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct service *service = object->state;
    const struct call    *call = map_get(&service->numbers, act->a);

    if (act->value.bytes > VALUE_BYTES_MAX) {
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE, "a result has at most %u bytes",
                      (unsigned)VALUE_BYTES_MAX);
    } else if (act->b > 1) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "a reply is a result or an error");
    } else if (call == NULL || call->state != CALL_GIVEN || call->server != act->session) {
        verdict_error(v, object, MUSTER_ERR_STALE,
                      "call %llu is not this session's to answer: its caller has gone, or it "
                      "was answered", (unsigned long long)act->a);
    } else {
        v->kind = VERDICT_DO;
        if (act->b == 1)
            v->fact.value = reply_text(core, act->value);
    }
}

typedef void service_decide_fn(struct core *core, struct object *object, const struct act *act,
                               struct verdict *v);

#define SERVICE_VERB(VERB) [VERB_SERVICE_##VERB - VERB_SERVICE_PUBLISH]

static const struct {
    service_decide_fn *decide;
    bool               a, b, key, value;         /* what it may carry */
} service_verbs[] = {
    SERVICE_VERB(PUBLISH)  = { decide_publish, true, false, false, true },
    SERVICE_VERB(WITHDRAW) = { decide_withdraw, false, false, false, false },
    SERVICE_VERB(CALL)     = { decide_call, false, false, true, true },
    SERVICE_VERB(NEXT)     = { decide_next, false, false, false, false },
    SERVICE_VERB(REPLY)    = { decide_reply, true, true, false, true },
};

static void
service_decide(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    uint32_t at = act->verb - VERB_SERVICE_PUBLISH;

    assert(at < sizeof(service_verbs) / sizeof(service_verbs[0]));
    if ((act->a != 0 && !service_verbs[at].a) || (act->b != 0 && !service_verbs[at].b) ||
        act->c != 0 || act->d != 0 || (act->key.bytes > 0 && !service_verbs[at].key) ||
        (act->value.bytes > 0 && !service_verbs[at].value))
        verdict_error(v, object, MUSTER_ERR_INVALID, "it takes fewer arguments");
    else
        service_verbs[at].decide(core, object, act, v);
}

/* ---- apply ---- */

static bool
apply_publish(struct core *core, struct object *object, const struct act *act)
{
    struct service *service = object->state;

    if (act->session == 0 || !methods_good(act->value, act->a))
        return false;
    object_bytes(core, object, (int64_t)act->value.bytes - (int64_t)service->methods.bytes);
    buffer_clear(&service->methods);
    buffer_append_slice(&service->methods, act->value);
    service->method_count = (uint32_t)act->a;
    server_add(service, act->session);
    return true;
}

static bool
apply_withdraw(struct core *core, struct object *object, const struct act *act)
{
    if (!server_is(object->state, act->session))
        return false;
    server_remove(core, object, act->session);
    return true;
}

static bool
call_begin(struct core *core, struct object *object, const struct act *act)
{
    struct service *service = object->state;
    struct call    *call;

    if (act->session == 0 || service->slots.count >= CALLS_MAX || service->server_count == 0 ||
        act->key.bytes > KEY_BYTES_MAX || act->value.bytes > VALUE_BYTES_MAX)
        return false;
    call = base_alloc(sizeof(*call));
    call->number = ++service->last;
    call->session = act->session;
    call->request = act->request;
    call->slot = (uint32_t)idset_run_end(&service->slots, 0);
    buffer_append_slice(&call->method, act->key);
    buffer_append_slice(&call->value, act->value);
    call_enter(service, call);
    call_changed(core, object, call, (int64_t)(act->key.bytes + act->value.bytes));
    return true;
}

static bool
apply_call(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    struct call *call = call_find(object->state, act->session, act->request);

    if (act->enters)
        return call == NULL && call_begin(core, object, act);
    if (call == NULL || call->state != CALL_DONE)
        return false;
    /* The call goes, its answer has to stay a little longer. */
    buffer_clear(&core->scratch);
    buffer_append_slice(&core->scratch, buffer_slice(&call->value));
    if (call->error != MUSTER_OK)
        object_answer_error(core, (muster_err)call->error, buffer_slice(&core->scratch));
    else
        answer->value = buffer_slice(&core->scratch);
    call_remove(core, object, call);
    return true;
}

static bool
apply_next(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    struct service *service = object->state;
    struct call    *call = map_get(&service->numbers, act->a);

    if (call == NULL || call->state != CALL_QUEUED || !server_is(service, act->session))
        return false;
    heap_remove(&service->queue, &call->place);
    call->state = CALL_GIVEN;
    call->server = act->session;
    call_changed(core, object, call, 0);
    answer->a = call->number;
    answer->b = call->session;
    answer->key = buffer_slice(&call->method);
    answer->value = buffer_slice(&call->value);
    return true;
}

static bool
apply_reply(struct core *core, struct object *object, const struct act *act)
{
    struct service *service = object->state;
    struct call    *call = map_get(&service->numbers, act->a);

    if (call == NULL || call->state != CALL_GIVEN || call->server != act->session ||
        act->b > 1 || act->value.bytes > VALUE_BYTES_MAX ||
        (act->b == 1 && !parse_utf8(act->value)))
        return false;
    call_done(core, object, call, act->b == 1 ? MUSTER_ERR_REMOTE : MUSTER_OK, act->value);
    return true;
}

/* Its caller has given up. */
static bool
apply_left(struct core *core, struct object *object, const struct act *act)
{
    struct call *call = call_find(object->state, act->b, act->c);

    if (call == NULL)
        return false;
    call_remove(core, object, call);
    return true;
}

static bool
service_apply(struct core *core, struct object *object, const struct act *act,
              struct msg_object_done *answer)
{
    switch (act->verb) {
    case VERB_SERVICE_PUBLISH:
        return apply_publish(core, object, act);
    case VERB_SERVICE_WITHDRAW:
        return apply_withdraw(core, object, act);
    case VERB_SERVICE_CALL:
        return apply_call(core, object, act, answer);
    case VERB_SERVICE_NEXT:
        return apply_next(core, object, act, answer);
    case VERB_SERVICE_REPLY:
        return apply_reply(core, object, act);
    case VERB_SERVICE_LEFT:
        return apply_left(core, object, act);
    default:
        return false;
    }
}

/* Its calls go with it; those it was given have failed. */
static void
service_session_ended(struct core *core, struct object *object, uint64_t session)
{
    struct service *service = object->state;
    uint32_t        slot;

    for (uint32_t from = 0; idset_next(&service->slots, from, &slot); from = slot + 1) {
        struct call *call = service->calls[slot];

        if (call->session == session)
            call_remove(core, object, call);
        else if (call->state == CALL_GIVEN && call->server == session &&
                 !PLANT_GOES_ON(service, call))
            call_done(core, object, call, MUSTER_ERR_REMOTE,
                      slice_text("the program that served it died"));
    }
    server_remove(core, object, session);
}

/* ---- callers that leave ---- */

static void
service_wait_dropped(struct core *core, struct object *object, struct wait *wait,
                     struct effects *fx)
{
    struct act fact = { .verb = VERB_SERVICE_LEFT, .b = wait->act.session,
                        .c = wait->act.request, .unix_ms = core_unix_ms(core) };

    if (wait->act.verb != VERB_SERVICE_CALL || object->dead ||
        call_find(object->state, fact.b, fact.c) == NULL)
        return;
    object_fact(core, object, &fact, fx);
}

/* One that was away while its answer came gets it all the same. */
static bool
service_timed_out(struct core *core, struct object *object, struct wait *wait,
                  struct effects *fx)
{
    const struct call *call = call_find(object->state, wait->act.session, wait->act.request);
    struct act         fact = wait->act;

    if (wait->act.verb != VERB_SERVICE_CALL || call == NULL || call->state != CALL_DONE) {
        service_wait_dropped(core, object, wait, fx);
        return false;
    }
    fact.key = (struct slice){ 0 };
    fact.value = (struct slice){ 0 };
    fact.unix_ms = core_unix_ms(core);
    object_fact(core, object, &fact, fx);
    return true;
}

/* ---- the noun ---- */

static bool
service_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    if (m->a == 0 && m->b == 0 && m->value.bytes == 0)
        return true;
    v->error = MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "a service has no settings");
    return false;
}

static void
service_make(struct core *core, struct object *object, struct slice initial)
{
    struct service *service = base_alloc(sizeof(*service));

    (void)initial;
    service->seed = core->config.seed[0];
    object->state = service;
}

static void
service_free(struct core *core, struct object *object)
{
    struct service *service = object->state;
    uint32_t        slot;

    (void)core;
    for (uint32_t from = 0; idset_next(&service->slots, from, &slot); from = slot + 1)
        call_free(service->calls[slot]);
    free(service->calls);
    heap_free(&service->queue);
    map_free(&service->numbers);
    map_free(&service->callers);
    idset_free(&service->slots);
    buffer_free(&service->methods);
    free(service->servers);
    free(service);
    object->state = NULL;
}

static void
service_describe(const struct core *core, const struct object *object, struct wire_object *out,
                 char text[OBJECT_TEXT_BYTES])
{
    const struct service *service = object->state;
    struct buffer         names = { 0 };

    (void)core;
    out->items = service->slots.count;
    snprintf(text, OBJECT_TEXT_BYTES, "%u serve it, %u calls are queued; methods: %s",
             service->server_count, service->queue.count, methods_text(service, &names));
    buffer_free(&names);
}

static void
service_verify(const struct core *core, const struct object *object)
{
    const struct service *service = object->state;
    uint32_t              queued = 0;
    uint32_t              slot;

    for (uint32_t i = 0; i < service->server_count; i++) {
        assert(i == 0 || service->servers[i - 1] < service->servers[i]);
        assert(object_tied(core, service->servers[i], object));
    }
    for (uint32_t from = 0; idset_next(&service->slots, from, &slot); from = slot + 1) {
        const struct call *call = service->calls[slot];

        assert(call->slot == slot && map_get(&service->numbers, call->number) == call);
        assert(call_find(service, call->session, call->request) == call);
        assert(object_tied(core, call->session, object));
        assert((call->state == CALL_QUEUED) == (call->place.place != 0));
        assert((call->state == CALL_GIVEN) == (call->server != 0));
        queued += call->state == CALL_QUEUED;
    }
    assert(queued == service->queue.count && service->slots.count == service->numbers.count);
    assert(service->server_count > 0 || queued == 0);
}

const struct noun_rules noun_service = {
    .check = service_check,
    .make = service_make,
    .free = service_free,
    .decide = service_decide,
    .apply = service_apply,
    .session_ended = service_session_ended,
    .timed_out = service_timed_out,
    .wait_dropped = service_wait_dropped,
    .put = service_put,
    .get = service_get,
    .put_piece = service_put_piece,
    .get_piece = service_get_piece,
    .next_piece = service_next_piece,
    .describe = service_describe,
    .verify = service_verify,
};
