/* fuzz_core.h - what the harnesses of the core's stored bytes share */
#ifndef FUZZ_CORE_H
#define FUZZ_CORE_H

#include "core.h"

#define FUZZ_UNIX_MS 1800000000000u

static const struct core_config fuzz_core_config = {
    .beat_ms = BEAT_MS,
    .lease_ms = LEASE_MS,
    .session_ms = SESSION_MS,
    .history_jobs = 3,
    .jobs_per_user_max = 100,
    .sessions_max = 100,
    .polls_per_session_max = 16,
    .objects_max = 64,
    .object_bytes_max = 1024 * 1024,
    .waits_per_session_max = 64,
    .answers_kept_max = 64,
    .software = "fuzz",
};

/* Objects one after the other, as in the seeds: u32 kind, u64 id, bytes. */
static inline void
fuzz_core_object(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct buffer *out = context;

    if (bytes.data == NULL)
        return;
    write_u32(out, kind);
    write_u64(out, id);
    write_bytes(out, bytes);
}

static inline muster_err
fuzz_core_load(struct core *core, struct slice objects)
{
    struct reader in = reader_of(objects);
    muster_err    err = MUSTER_OK;

    while (!err && read_left(&in) > 0) {
        uint32_t     kind = read_u32(&in);
        uint64_t     id = read_u64(&in);
        struct slice bytes = read_bytes(&in, SIZE_MAX);

        err = in.bad ? MUSTER_ERR_INVALID : core_load(core, kind, id, bytes);
    }
    return err;
}

#endif
