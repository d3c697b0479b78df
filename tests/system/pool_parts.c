/* pool_parts.c - what the cases share, in terms of pools and processes */
#include "pool.h"

/* ---- pools ---- */

struct muster_pool *
new_pool(uint32_t processes)
{
    struct muster_pool_options options = { .processes = processes };
    struct muster_pool        *pool = NULL;

    OK(muster_pool_open(session, &options, &pool, &error));
    return pool;
}

struct muster_future *
submit(struct muster_pool *pool, const char *function, const char *text)
{
    struct muster_future *future = NULL;

    OK(muster_pool_submit(pool, function, text, strlen(text), WAIT_MS, &future, &error));
    return future;
}

void
check_result(struct muster_future *future, const char *text)
{
    struct muster_bytes bytes = { 0 };

    OK(muster_future_result(future, WAIT_MS, &bytes, &error));
    if (!text_is(bytes.data, bytes.bytes, text))
        fprintf(stderr, "result: %.*s\n", (int)bytes.bytes, (const char *)bytes.data);
    CHECK(text_is(bytes.data, bytes.bytes, text));
    CHECK(((const char *)bytes.data)[bytes.bytes] == '\0');
    muster_bytes_free(&bytes);
}

struct muster_future *
submit_gate(struct muster_pool *pool, const char *path, const char *result)
{
    char text[600];

    snprintf(text, sizeof(text), "%s %s", path, result);
    return submit(pool, "pool.gate", text);
}

bool
running(struct muster_future *future)
{
    bool is_running = false;

    OK(muster_future_running(future, WAIT_MS, &is_running, &error));
    return is_running;
}

muster_err
give_numbers(void *context, const void **data_out, size_t *bytes_out)
{
    struct source *source = context;

    if (source->next == source->count)
        return source->end;
    snprintf(source->text, sizeof(source->text), "%u", source->next++);
    *data_out = source->text;
    *bytes_out = strlen(source->text);
    return MUSTER_OK;
}

/* ---- processes ---- */

struct muster_process *
new_process(const struct muster_process_options *options)
{
    struct muster_process *process = NULL;

    OK(muster_process_new(session, options, &process, &error));
    return process;
}

struct muster_process *
start_options(const struct muster_process_options *options)
{
    struct muster_process *process = new_process(options);

    OK(muster_process_start(process, WAIT_MS, &error));
    return process;
}

struct muster_process *
start_shell(const char *script)
{
    const char *const             args[] = { "/bin/sh", "-c", script, NULL };
    struct muster_process_options options = { .args = args };

    return start_options(&options);
}

int32_t
code_of(struct muster_process *process)
{
    bool    ended = false;
    int32_t code = 0;

    OK(muster_process_join(process, WAIT_MS, &error));
    OK(muster_process_exitcode(process, WAIT_MS, &ended, &code, &error));
    CHECK(ended);
    return code;
}

bool
alive(struct muster_process *process)
{
    bool is_alive = false;

    OK(muster_process_is_alive(process, WAIT_MS, &is_alive, &error));
    return is_alive;
}

void
check_output(struct muster_process *process, const char *out, const char *err)
{
    struct muster_result *result = NULL;

    OK(muster_process_result(process, WAIT_MS, &result, &error));
    if (!text_is(result->out, result->out_bytes, out))
        fprintf(stderr, "out: %.*s\n", (int)result->out_bytes, (const char *)result->out);
    CHECK(text_is(result->out, result->out_bytes, out));
    CHECK(err == NULL || text_is(result->err, result->err_bytes, err));
    muster_result_free(result);
}
