/* workers.c - the fleet as the manager sees it */
#include "client.h"

#include <stdlib.h>
#include <string.h>

#include "parse.h"

static_assert((int)MUSTER_WORKER_AWAY + 1 == (int)WORKER_STATE_COUNT,
              "public states are those that travel");

const char *
muster_worker_state_name(enum muster_worker_state state)
{
    return wire_worker_state_name((unsigned)state);
}

static char *
worker_texts(const struct wire_list *list)
{
    struct buffer text = { 0 };
    struct reader in = reader_of(list->bytes);

    for (uint32_t i = 0; i < list->count; i++) {
        struct wire_text item;

        if (!wire_get_text(&in, &item))
            break;
        if (i > 0)
            buffer_append_text(&text, ",");
        buffer_append_slice(&text, item.text);
    }
    (void)buffer_text(&text);
    return (char *)text.data;
}

static char *
worker_resources(const struct wire_list *list)
{
    struct buffer text = { 0 };
    struct reader in = reader_of(list->bytes);

    for (uint32_t i = 0; i < list->count; i++) {
        struct wire_resource item;

        if (!wire_get_resource(&in, &item))
            break;
        buffer_printf(&text, "%s%.*s=%llu", i > 0 ? "," : "", (int)item.name.bytes,
                      (const char *)item.name.data, (unsigned long long)item.amount);
    }
    (void)buffer_text(&text);
    return (char *)text.data;
}

static void
worker_info(struct muster_worker_info *info, const struct wire_worker *worker)
{
    *info = (struct muster_worker_info){
        .session = worker->session,
        .pid = worker->pid,
        .state = (enum muster_worker_state)worker->state,
        .heard_ms = worker->heard_ms,
        .cpus_milli = worker->cpus_milli,
        .cpus_free_milli = worker->cpus_free_milli,
        .mem_bytes = worker->mem_bytes,
        .mem_free_bytes = worker->mem_free_bytes,
        .running = worker->running,
        .waiting = worker->waiting,
        .finished = worker->finished,
        .resources = worker_resources(&worker->resources),
        .labels = worker_texts(&worker->labels),
        .queues = worker_texts(&worker->queues),
        .functions = worker_texts(&worker->functions),
    };
    text_put(info->name, sizeof(info->name), worker->name);
    text_put(info->host, sizeof(info->host), worker->host);
    text_put(info->user, sizeof(info->user), worker->user);
}

muster_err
muster_worker_list(struct muster_session *session, uint32_t timeout_ms,
                   struct muster_worker_info **infos_out, size_t *count_out,
                   struct muster_error *error)
{
    CALL_SCOPE(session);
    struct muster_worker_info *infos = NULL;
    uint32_t                   capacity = 0;
    uint32_t                   count = 0;
    uint64_t                   after = 0;
    bool                       more = true;

    while (more) {
        union wire_any m = { .worker_list_get = { .after = after } };
        struct ask     answer;
        struct reader  in;
        uint32_t       got = 0;
        muster_err     err = ask(session, MSG_TYPE_WORKER_LIST_GET, &m, MSG_TYPE_WORKER_LIST,
                                 timeout_ms, &answer, error);

        if (err) {
            muster_worker_list_free(infos, count);
            return err;
        }
        in = reader_of(answer.m.worker_list.workers.bytes);
        base_grow((void **)&infos, &capacity, count + answer.m.worker_list.workers.count + 1,
                  sizeof(*infos));
        for (; got < answer.m.worker_list.workers.count; got++) {
            struct wire_worker worker;

            if (!wire_get_worker(&in, &worker))
                break;
            worker_info(&infos[count++], &worker);
            after = worker.session;
        }
        more = answer.m.worker_list.more && got > 0;
        ask_free(&answer);
    }
    *infos_out = infos;
    *count_out = count;
    return MUSTER_OK;
}

void
muster_worker_list_free(struct muster_worker_info *infos, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(infos[i].resources);
        free(infos[i].labels);
        free(infos[i].queues);
        free(infos[i].functions);
    }
    free(infos);
}

muster_err
muster_worker_drain(struct muster_session *session, const char *worker, bool draining,
                    uint32_t timeout_ms, struct muster_error *error)
{
    union wire_any m = { .drain_set = { .draining = draining } };
    uint64_t       meant = 0;
    muster_err     err;

    if (worker == NULL || worker[0] == '\0' || strlen(worker) > NAME_BYTES_MAX ||
        !parse_utf8(slice_text(worker)))
        return error_set(error, MUSTER_ERR_INVALID, "a worker's name has 1 to %u bytes",
                         (unsigned)NAME_BYTES_MAX);
    m.drain_set.worker = slice_text(worker);
    err = ask_ack(session, MSG_TYPE_DRAIN_SET, &m, timeout_ms, &meant, error);
    if (!err && meant == 0)
        err = error_set(error, MUSTER_ERR_NOT_FOUND, "no worker is called %s", worker);
    return err;
}
