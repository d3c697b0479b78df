/* json_out.c - see json_out.h */
#include "json_out.h"

#include <string.h>

#include "buffer.h"
#include "parse.h"

/* Enough for milliseconds since 1970, and 0.001 stays 0.001. */
#define JSON_OUT_PRECISION JSON_REAL_PRECISION(15)

json_t *
json_of_number(uint64_t number)
{
    return json_integer((json_int_t)number);
}

json_t *
json_of_unix_ms(uint64_t unix_ms)
{
    return unix_ms == 0 ? json_null() : json_real((double)unix_ms / 1000.0);
}

json_t *
json_of_texts(char *const *texts)
{
    json_t *array = json_array();

    for (; texts != NULL && *texts != NULL; texts++)
        json_array_append_new(array, json_string(*texts));
    return array;
}

json_t *
json_of_counts(const struct muster_counts *counts)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)counts->total, "running",
                     (json_int_t)counts->running, "succeeded", (json_int_t)counts->succeeded,
                     "failed", (json_int_t)counts->failed, "cancelled",
                     (json_int_t)counts->cancelled);
}

static void
base64_put(struct buffer *out, const uint8_t *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes; i += 3) {
        size_t   left = bytes - i;
        uint32_t group = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                         (left > 2 ? data[i + 2] : 0u);
        char     text[4] = { digits[group >> 18], digits[group >> 12 & 63],
                             left > 1 ? digits[group >> 6 & 63] : '=',
                             left > 2 ? digits[group & 63] : '=' };

        buffer_append(out, text, sizeof(text));
    }
}

void
json_out_bytes(json_t *object, const char *name, const void *data, size_t bytes)
{
    struct buffer text = { 0 };
    char          base64_name[64];

    if (parse_utf8((struct slice){ data, bytes })) {
        json_object_set_new(object, name, json_stringn(bytes > 0 ? data : "", bytes));
        return;
    }
    snprintf(base64_name, sizeof(base64_name), "%s_base64", name);
    base64_put(&text, data, bytes);
    json_object_set_new(object, base64_name, json_stringn((const char *)text.data, text.bytes));
    buffer_free(&text);
}

static int
json_out_write(const char *text, size_t bytes, void *context)
{
    (void)context;
    return cli_write(text, bytes) ? 0 : -1;
}

int
json_out_print(json_t *value)
{
    int failed = json_dump_callback(value, json_out_write, NULL,
                                    JSON_INDENT(2) | JSON_OUT_PRECISION);

    json_decref(value);
    if (failed == 0)
        cli_write("\n", 1);
    return EXIT_DONE;
}

static muster_err
json_out_sink(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
    return MUSTER_OK;
}

static void
json_out_stream(struct cli *cli, uint64_t job, const struct muster_result *result,
                bool stderr_stream, json_t *object)
{
    const char         *name = stderr_stream ? "stderr" : "stdout";
    const void         *data = stderr_stream ? result->err : result->out;
    size_t              bytes = stderr_stream ? result->err_bytes : result->out_bytes;
    uint64_t            kept = stderr_stream ? result->err_kept : result->out_kept;
    struct buffer       whole = { 0 };
    struct muster_error error = { 0 };

    if (kept > bytes &&
        muster_result_output(cli->session, job, result->index, stderr_stream, CLI_CALL_MS,
                             json_out_sink, &whole, &error) == MUSTER_OK)
        json_out_bytes(object, name, whole.data, whole.bytes);
    else
        json_out_bytes(object, name, data, bytes);
    buffer_free(&whole);
}

bool
json_out_line(json_t *value)
{
    int failed = json_dump_callback(value, json_out_write, NULL,
                                    JSON_COMPACT | JSON_ENCODE_ANY | JSON_OUT_PRECISION);

    json_decref(value);
    return failed == 0 && cli_write("\n", 1);
}

bool
json_out_result(struct cli *cli, uint64_t job, struct numbering numbering,
                const struct muster_result *result)
{
    json_t *object = json_object();

    json_object_set_new(object, "job", json_of_number(job));
    json_object_set_new(object, "task", json_of_number(numbering_number(numbering, result->index)));
    if (result->count > 1)
        json_object_set_new(object, "count", json_of_number(result->count));
    json_object_set_new(object, "outcome", json_string(muster_outcome_name(result->outcome)));
    json_object_set_new(object, "exit_code", json_integer(result->exit_code));
    json_object_set_new(object, "reason", json_string(result->reason));
    json_object_set_new(object, "attempt", json_of_number(result->attempt));
    json_object_set_new(object, "worker", json_string(result->worker));
    json_object_set_new(object, "host", json_string(result->host));
    json_object_set_new(object, "pid", json_of_number(result->pid));
    json_object_set_new(object, "started", json_of_unix_ms(result->started_unix_ms));
    json_object_set_new(object, "wall_seconds", json_real((double)result->wall_us / 1e6));
    json_object_set_new(object, "cpu_seconds", json_real((double)result->cpu_us / 1e6));
    json_object_set_new(object, "memory_bytes", json_of_number(result->rss_bytes));
    json_object_set_new(object, "stdout_bytes", json_of_number(result->out_total));
    json_object_set_new(object, "stderr_bytes", json_of_number(result->err_total));
    json_out_stream(cli, job, result, false, object);
    json_out_stream(cli, job, result, true, object);
    return json_out_line(object);
}

json_t *
json_of_job(const struct muster_job_info *info, bool whole)
{
    json_t *object = json_object();

    json_object_set_new(object, "job", json_of_number(info->job));
    json_object_set_new(object, "name", json_string(info->name));
    json_object_set_new(object, "state", json_string(muster_job_state_name(info->state)));
    json_object_set_new(object, "reason", json_string(info->reason));
    json_object_set_new(object, "owner", json_string(info->owner));
    json_object_set_new(object, "queue", json_string(info->queue));
    json_object_set_new(object, "priority", json_integer(info->priority));
    json_object_set_new(object, "input_open", json_boolean(info->open));
    json_object_set_new(object, "tasks", json_of_counts(&info->counts));
    json_object_set_new(object, "submitted", json_of_unix_ms(info->submitted_unix_ms));
    json_object_set_new(object, "ended", json_of_unix_ms(info->ended_unix_ms));
    json_object_set_new(object, "running_max", json_of_number(info->running_max));
    json_object_set_new(object, "cap_with", json_of_number(info->cap_with));
    json_object_set_new(object, "attempts_max", json_of_number(info->attempts_max));
    json_object_set_new(object, "cpus", json_real((double)info->cpus_milli / 1000.0));
    json_object_set_new(object, "mem_bytes", json_of_number(info->mem_bytes));
    if (!whole)
        return object;
    json_object_set_new(object, "command", json_of_texts(info->args));
    json_object_set_new(object, "function",
                        json_string(info->function != NULL ? info->function : ""));
    json_object_set_new(object, "named", json_of_texts(info->named));
    json_object_set_new(object, "env", json_of_texts(info->env));
    json_object_set_new(object, "labels", json_of_texts(info->labels));
    json_object_set_new(object, "cwd", json_string(info->cwd != NULL ? info->cwd : ""));
    json_object_set_new(object, "resources", json_object());
    for (size_t i = 0; i < info->resource_count; i++)
        json_object_set_new(json_object_get(object, "resources"), info->resources[i].name,
                            json_of_number(info->resources[i].amount));
    json_object_set_new(object, "after", json_array());
    for (size_t i = 0; i < info->after_count; i++)
        json_array_append_new(json_object_get(object, "after"), json_of_number(info->after[i]));
    json_object_set_new(object, "timeout_seconds", json_real(info->time_limit_ms / 1000.0));
    json_object_set_new(object, "grace_seconds", json_real(info->grace_ms / 1000.0));
    json_object_set_new(object, "output_max_bytes", json_of_number(info->output_bytes));
    return object;
}
