/* observe.c - see observe.h */
#include "observe.h"

#include <string.h>

#define ROW(name, field) { name, offsetof(struct observe_input, field) }

static const struct {
    const char *name;
    size_t      offset;
} observe_rows[] = {
    ROW("jobs", core.jobs),
    ROW("jobs.unfinished", core.jobs_unfinished),
    ROW("tasks.running", core.tasks_running),
    ROW("tasks.finished", core.tasks_finished),
    ROW("tasks.failed", core.tasks_failed),
    ROW("tasks.retries", core.retries),
    ROW("leases", core.leases),
    ROW("leases.expired", core.leases_expired),
    ROW("leases.returned", core.returns),
    ROW("leases.stale", core.stale),
    ROW("sessions", core.sessions),
    ROW("workers", core.workers),
    ROW("polls", core.polls),
    ROW("requests.refused", core.refused),
    ROW("objects", core.objects),
    ROW("objects.bytes", core.object_bytes),
    ROW("objects.waits", core.object_waits),
    ROW("objects.answers", core.object_answers),
    ROW("peers", admit.peers),
    ROW("messages.checked", admit.checked),
    ROW("messages.denied", admit.refused),
    ROW("messages.throttled", admit.throttled),
    ROW("messages.bad", admit.bad),
    ROW("peers.cut", admit.cut),
    ROW("keys.admitted", link.admitted),
    ROW("keys.refused", link.refused),
    ROW("frames.in", link.frames_in),
    ROW("frames.out", link.frames_out),
    ROW("bytes.in", link.bytes_in),
    ROW("bytes.out", link.bytes_out),
    ROW("store.turns", store.turns),
    ROW("store.commits", store.commits),
    ROW("store.facts_bytes", store.facts_bytes),
    ROW("store.body_bytes", store.body_bytes),
    ROW("store.checkpoints", store.checkpoints),
    ROW("store.log_bytes", store.log_bytes),
    ROW("store.reads", store.reads),
    ROW("store.read_hits", store.read_hits),
    ROW("store.cached_bytes", store.cached_bytes),
    ROW("store.space_low", store.space_low),
};

void
observe_status(struct buffer *list_out, uint32_t *count_out, const struct observe_input *input)
{
    for (size_t i = 0; i < sizeof(observe_rows) / sizeof(observe_rows[0]); i++) {
        struct wire_counter counter = { .name = slice_text(observe_rows[i].name) };

        memcpy(&counter.value, (const char *)input + observe_rows[i].offset,
               sizeof(counter.value));
        wire_put_counter(list_out, &counter);
        (*count_out)++;
    }
}
