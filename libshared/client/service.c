/* service.c - methods offered to others, and calls of them (see service.h) */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

struct muster_service {
    struct handle             handle;
    struct muster_method_row *methods;       /* NULL: only calls */
    size_t                    count;
};

void
muster_bytes_copy(struct muster_bytes *out, const void *data, size_t bytes)
{
    *out = (struct muster_bytes){ .data = bytes_copy(slice_of(data, bytes)), .bytes = bytes };
}

muster_err
muster_service_open(struct muster_session *session, const struct muster_open *open,
                    uint32_t timeout_ms, struct muster_service **service_out,
                    struct muster_error *error)
{
    struct muster_service *service = base_alloc(sizeof(*service));
    muster_err err = handle_open(session, NOUN_SERVICE, open, 0, 0, slice_of(NULL, 0), timeout_ms,
                                 &service->handle, NULL, error);

    if (err) {
        free(service);
        return err;
    }
    *service_out = service;
    return MUSTER_OK;
}

void
muster_service_close(struct muster_service *service)
{
    if (service == NULL)
        return;
    handle_close(&service->handle);
    for (size_t i = 0; i < service->count; i++)
        free((char *)(uintptr_t)service->methods[i].name);
    free(service->methods);
    free(service);
}

/* ---- who offers ---- */

static void
service_keep(struct muster_service *service, const struct muster_method_row *methods, size_t count)
{
    service->methods = base_array(count, sizeof(*methods));
    for (; service->count < count; service->count++) {
        service->methods[service->count] = methods[service->count];
        service->methods[service->count].name =
            base_text_copy(slice_text(methods[service->count].name));
    }
}

static muster_err
service_tell(struct muster_service *service, uint32_t timeout_ms, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_SERVICE_PUBLISH, .a = service->count };
    struct slice        *names = base_array(service->count, sizeof(*names));
    struct buffer        block = { 0 };
    muster_err           err;

    for (size_t i = 0; i < service->count; i++)
        names[i] = slice_text(service->methods[i].name);
    err = block_of(names, service->count, &block, error);
    if (!err) {
        m.value = buffer_slice(&block);
        err = handle_do_plain(&service->handle, &m, timeout_ms, error);
    }
    buffer_free(&block);
    free(names);
    return err;
}

muster_err
muster_service_publish(struct muster_session *session, const struct muster_open *open,
                       const struct muster_method_row *methods, size_t count, uint32_t timeout_ms,
                       struct muster_service **service_out, struct muster_error *error)
{
    struct muster_service *service = NULL;
    muster_err             err;

    if (count == 0)
        return error_set(error, MUSTER_ERR_INVALID, "a service needs a method");
    err = muster_service_open(session, open, timeout_ms, &service, error);
    if (err)
        return err;
    service_keep(service, methods, count);
    err = service_tell(service, timeout_ms, error);
    if (err) {
        muster_service_close(service);
        return err;
    }
    *service_out = service;
    return MUSTER_OK;
}

static const struct muster_method_row *
service_find(const struct muster_service *service, struct slice name)
{
    for (size_t i = 0; i < service->count; i++)
        if (slice_equals_text(name, service->methods[i].name))
            return &service->methods[i];
    return NULL;
}

/* Call our method and send what it says. */
static muster_err
service_answer(struct muster_service *service, const struct msg_object_done *next,
               uint32_t timeout_ms, struct muster_error *error)
{
    CALL_SCOPE(service->handle.session);
    const struct muster_method_row *method = service_find(service, next->key);
    struct muster_request           request = { .data = next->value.data,
                                                .bytes = next->value.bytes, .caller = next->b };
    struct msg_object_do            m = { .verb = VERB_SERVICE_REPLY, .a = next->a };
    struct muster_bytes             reply = { 0 };
    struct muster_error             failed = { 0 };
    muster_err                      err;

    if (method == NULL) {
        err = error_set(&failed, MUSTER_ERR_NO_KEY, "this program has no such method any more");
    } else {
        request.method = method->name;
        err = method->call(method->context, &request, &reply, &failed);
    }
    m.b = err != MUSTER_OK;
    m.value = slice_of(reply.data, reply.bytes);
    if (err)
        m.value = slice_text(failed.detail[0] != '\0' ? failed.detail : muster_err_text(err));
    /* The caller gets what was made for him. */
    scope_afresh(&scope_);
    err = handle_do_plain(&service->handle, &m, timeout_ms, error);
    muster_bytes_free(&reply);
    /* Whoever called has given up: that is no failure of ours. */
    return err == MUSTER_ERR_STALE ? MUSTER_OK : err;
}

muster_err
muster_service_serve(struct muster_service *service, bool once, uint32_t timeout_ms,
                     struct muster_error *error)
{
    CALL_SCOPE(service->handle.session);
    const struct msg_object_do m = { .verb = VERB_SERVICE_NEXT };
    uint64_t                   deadline_ms = deadline_after(timeout_ms);
    bool                       served = false;
    muster_err                 err = MUSTER_OK;

    if (service->methods == NULL)
        return error_set(error, MUSTER_ERR_STATE, "this program did not publish the service");
    do {
        uint64_t   now_ms = clock_now_ms();
        uint32_t   left_ms = timeout_ms;
        struct ask next;

        if (deadline_ms != CLIENT_NEVER)
            left_ms = deadline_ms > now_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
        err = handle_do(&service->handle, &m, left_ms, &next, error);
        if (err)
            break;
        served = true;
        err = service_answer(service, &next.m.object_done, MUSTER_FOREVER, error);
        ask_free(&next);
    } while (!err && !once);
    if (err == MUSTER_ERR_EMPTY)
        err = served ? MUSTER_OK : error_set(error, MUSTER_ERR_TIMEOUT, "nobody called");
    return err;
}

/* ---- who calls ---- */

muster_err
muster_service_call(struct muster_service *service, const char *method, const void *data,
                    size_t bytes, uint32_t timeout_ms, struct muster_bytes *reply_out,
                    struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_SERVICE_CALL, .key = slice_text(method),
                                     .value = slice_of(data, bytes) };

    return handle_do_bytes(&service->handle, &m, timeout_ms, reply_out, error);
}
