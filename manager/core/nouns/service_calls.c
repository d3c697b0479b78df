/* service_calls.c - the calls of a service and who serves them, in memory and stored
 *
 * See service.h.
 */
#include "service.h"

/* ---- calls ---- */

static uint64_t
call_hash(const struct service *service, uint64_t session, uint64_t request)
{
    return treap_mix(service->seed ^ session, request);
}

struct call *
call_find(const struct service *service, uint64_t session, uint64_t request)
{
    struct call *call = map_get(&service->callers, call_hash(service, session, request));

    while (call != NULL && (call->session != session || call->request != request))
        call = call->next;
    return call;
}

void
call_changed(struct core *core, struct object *object, const struct call *call, int64_t bytes)
{
    object_bytes(core, object, bytes);
    object_piece_dirty(core, object, call->slot);
}

void
call_enter(struct service *service, struct call *call)
{
    uint64_t hash = call_hash(service, call->session, call->request);

    base_grow((void **)&service->calls, &service->call_capacity, call->slot + 1,
              sizeof(struct call *));
    service->calls[call->slot] = call;
    idset_add(&service->slots, call->slot);
    map_put(&service->numbers, call->number, call);
    call->next = map_get(&service->callers, hash);
    map_put(&service->callers, hash, call);
    call->place.key = call->number;
    if (call->state == CALL_QUEUED)
        heap_add(&service->queue, &call->place);
}

static void
call_forget(struct service *service, struct call *call)
{
    uint64_t     hash = call_hash(service, call->session, call->request);
    struct call *first = map_get(&service->callers, hash);

    if (first != call) {
        struct call *before = first;

        while (before->next != call)
            before = before->next;
        before->next = call->next;
    } else if (call->next != NULL) {
        map_put(&service->callers, hash, call->next);
    } else {
        map_remove(&service->callers, hash);
    }
}

void
call_free(struct call *call)
{
    buffer_free(&call->method);
    buffer_free(&call->value);
    free(call);
}

void
call_remove(struct core *core, struct object *object, struct call *call)
{
    struct service *service = object->state;

    if (call->state == CALL_QUEUED)
        heap_remove(&service->queue, &call->place);
    call_forget(service, call);
    map_remove(&service->numbers, call->number);
    idset_remove(&service->slots, call->slot);
    service->calls[call->slot] = NULL;
    call_changed(core, object, call, -(int64_t)(call->method.bytes + call->value.bytes));
    call_free(call);
}

void
call_done(struct core *core, struct object *object, struct call *call, muster_err error,
          struct slice value)
{
    struct service *service = object->state;
    int64_t         before = (int64_t)(call->method.bytes + call->value.bytes);

    assert(call->state != CALL_DONE);
    if (call->state == CALL_QUEUED)
        heap_remove(&service->queue, &call->place);
    call->state = CALL_DONE;
    call->error = (uint8_t)error;
    call->server = 0;
    buffer_free(&call->method);
    buffer_free(&call->value);
    buffer_append_slice(&call->value, value);
    call_changed(core, object, call, (int64_t)value.bytes - before);
    object_wake(core, call->session, call->request);
}

/* ---- servers ---- */

static uint32_t
server_place(const struct service *service, uint64_t session)
{
    uint32_t low = 0;
    uint32_t high = service->server_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (service->servers[middle] < session)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool
server_is(const struct service *service, uint64_t session)
{
    uint32_t at = server_place(service, session);

    return at < service->server_count && service->servers[at] == session;
}

void
server_add(struct service *service, uint64_t session)
{
    uint32_t at = server_place(service, session);

    if (server_is(service, session))
        return;
    base_grow((void **)&service->servers, &service->server_capacity, service->server_count + 1,
              sizeof(*service->servers));
    memmove(&service->servers[at + 1], &service->servers[at],
            (service->server_count - at) * sizeof(*service->servers));
    service->servers[at] = session;
    service->server_count++;
}

void
server_remove(struct core *core, struct object *object, uint64_t session)
{
    struct service   *service = object->state;
    uint32_t          at = server_place(service, session);
    struct heap_node *first;

    if (!server_is(service, session))
        return;
    service->server_count--;
    memmove(&service->servers[at], &service->servers[at + 1],
            (service->server_count - at) * sizeof(*service->servers));
    if (service->server_count > 0)
        return;
    while ((first = heap_first(&service->queue)) != NULL)
        call_done(core, object, CONTAINER(first, struct call, place), MUSTER_ERR_END,
                  slice_text("nobody serves it any more"));
}

/* ---- stored ---- */

bool
methods_good(struct slice block, uint64_t count)
{
    if (count > BLOCK_ITEMS_MAX || wire_block_check(block, (uint32_t)count) != MUSTER_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct slice name = wire_block_item(block, i);

        if (name.bytes == 0 || name.bytes > KEY_BYTES_MAX || !parse_utf8(name))
            return false;
    }
    return true;
}

void
service_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct service *service = object->state;

    (void)core;
    write_varint(out, service->last);
    write_varint(out, service->method_count);
    write_bytes(out, buffer_slice(&service->methods));
    write_varint(out, service->server_count);
    for (uint32_t i = 0; i < service->server_count; i++)
        write_varint(out, service->servers[i]);
}

bool
service_get(struct core *core, struct object *object, struct reader *in)
{
    struct service *service = object->state;
    struct slice    methods;
    uint64_t        method_count;
    uint64_t        count;

    service->last = read_varint(in);
    method_count = read_varint(in);
    methods = read_bytes(in, BLOCK_BYTES_MAX);
    count = read_varint(in);
    if (in->bad || count > read_left(in))
        return false;
    if (method_count + methods.bytes > 0 && !methods_good(methods, method_count))
        return false;
    buffer_append_slice(&service->methods, methods);
    service->method_count = (uint32_t)method_count;
    object_bytes(core, object, (int64_t)methods.bytes);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t session = read_varint(in);

        if (in->bad || server_is(service, session) ||
            server_place(service, session) != service->server_count)
            return false;
        server_add(service, session);
    }
    return true;
}

uint32_t
service_next_piece(const struct core *core, const struct object *object, uint32_t from)
{
    const struct service *service = object->state;
    uint32_t              slot;

    (void)core;
    return idset_next(&service->slots, from, &slot) ? slot : UINT32_MAX;
}

void
service_put_piece(const struct core *core, const struct object *object, uint32_t piece,
                  struct buffer *out)
{
    const struct service *service = object->state;
    const struct call    *call;

    (void)core;
    if (!idset_has(&service->slots, piece))
        return;
    call = service->calls[piece];
    write_varint(out, call->number);
    write_varint(out, call->session);
    write_varint(out, call->request);
    write_varint(out, call->server);
    write_u8(out, call->state);
    write_u8(out, call->error);
    write_bytes(out, buffer_slice(&call->method));
    write_bytes(out, buffer_slice(&call->value));
}

/* Do the parts of a call read from a store fit together? */
static bool
call_good(const struct service *service, const struct call *call)
{
    return call->number > 0 && call->number <= service->last && call->session != 0 &&
           call->state < CALL_STATES && call->error < MUSTER_ERR_COUNT &&
           (call->server != 0) == (call->state == CALL_GIVEN) &&
           (call->error == MUSTER_OK || call->state == CALL_DONE) &&
           map_get(&service->numbers, call->number) == NULL &&
           call_find(service, call->session, call->request) == NULL;
}

bool
service_get_piece(struct core *core, struct object *object, uint32_t piece, struct reader *in)
{
    struct service *service = object->state;
    struct call    *call = base_alloc(sizeof(*call));
    struct slice    method;
    struct slice    value;

    call->slot = piece;
    call->number = read_varint(in);
    call->session = read_varint(in);
    call->request = read_varint(in);
    call->server = read_varint(in);
    call->state = read_u8(in);
    call->error = read_u8(in);
    method = read_bytes(in, KEY_BYTES_MAX);
    value = read_bytes(in, VALUE_BYTES_MAX);
    if (in->bad || piece >= CALLS_MAX || !call_good(service, call)) {
        free(call);
        return false;
    }
    buffer_append_slice(&call->method, method);
    buffer_append_slice(&call->value, value);
    call_enter(service, call);
    object_bytes(core, object, (int64_t)(method.bytes + value.bytes));
    return true;
}
