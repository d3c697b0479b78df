/* submit.c - see submit.h */
#include "submit.h"

#include <assert.h>
#include <string.h>

#include "feed.h"
#include "parse.h"

enum {
    SUBMIT_GRACE_MS_DEFAULT = 5000,
    SUBMIT_CPUS_DEFAULT     = 1000,
};

/* ---- lists ---- */

static muster_err
submit_texts(struct wire_list *list_out, struct buffer *out, const char *const *texts,
             uint32_t count_max, size_t bytes_max, const char *what, struct muster_error *error)
{
    uint32_t count = 0;

    for (; texts != NULL && texts[count] != NULL; count++) {
        struct slice text = slice_text(texts[count]);

        if (count == count_max)
            return error_set(error, MUSTER_ERR_TOO_LARGE, "more than %u %s", (unsigned)count_max,
                             what);
        if (text.bytes > bytes_max)
            return error_set(error, MUSTER_ERR_TOO_LARGE,
                             "%s %u has %zu bytes; at most %zu are allowed", what,
                             (unsigned)count + 1, text.bytes, bytes_max);
        if (!parse_utf8(text))
            return error_set(error, MUSTER_ERR_INVALID,
                             "%s %u is not valid UTF-8; pass such bytes as input items", what,
                             (unsigned)count + 1);
        wire_put_text(out, &(struct wire_text){ text });
    }
    *list_out = (struct wire_list){ buffer_slice(out), count };
    return MUSTER_OK;
}

static muster_err
submit_env(struct submission *s, const struct muster_job_options *options,
           struct muster_error *error)
{
    for (size_t i = 0; options->env != NULL && options->env[i] != NULL; i++) {
        const char *equals = strchr(options->env[i], '=');

        if (equals == NULL || equals == options->env[i])
            return error_set(error, MUSTER_ERR_INVALID, "environment \"%.64s\" is not NAME=VALUE",
                             options->env[i]);
    }
    return submit_texts(&s->spec.env, &s->env, options->env, SPEC_ENV_MAX, ARG_BYTES_MAX,
                        "environment variable", error);
}

static muster_err
submit_labels(struct submission *s, const struct muster_job_options *options,
              struct muster_error *error)
{
    for (size_t i = 0; options->labels != NULL && options->labels[i] != NULL; i++) {
        if (strchr(options->labels[i], '=') == NULL)
            return error_set(error, MUSTER_ERR_INVALID, "label \"%.64s\" is not NAME=VALUE",
                             options->labels[i]);
    }
    return submit_texts(&s->m.needs.labels, &s->labels, options->labels, LABELS_MAX,
                        LABEL_BYTES_MAX, "label", error);
}

static muster_err
submit_resources(struct submission *s, const struct muster_job_options *options,
                 struct muster_error *error)
{
    if (options->resource_count > RESOURCES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "more than %u resources",
                         (unsigned)RESOURCES_MAX);
    for (size_t i = 0; i < options->resource_count; i++) {
        const struct muster_resource *resource = &options->resources[i];

        if (resource->name == NULL || !parse_name(slice_text(resource->name), NAME_BYTES_MAX))
            return error_set(error, MUSTER_ERR_INVALID,
                             "resource %zu: a name is 1 to %u of A-Z a-z 0-9 . _ -", i + 1,
                             (unsigned)NAME_BYTES_MAX);
        if (resource->amount == 0)
            return error_set(error, MUSTER_ERR_INVALID, "resource %s: the amount is 0",
                             resource->name);
        wire_put_resource(&s->resources,
                          &(struct wire_resource){ slice_text(resource->name), resource->amount });
    }
    s->spec.resources = (struct wire_list){ buffer_slice(&s->resources),
                                            (uint32_t)options->resource_count };
    s->m.needs.resources = s->spec.resources;
    return MUSTER_OK;
}

static muster_err
submit_named(struct submission *s, const struct muster_job_options *options,
             struct muster_error *error)
{
    if (options->named_count > NAMED_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "more than %u named values",
                         (unsigned)NAMED_MAX);
    if (options->named_count > 0 && options->function == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "named values are for functions");
    for (size_t i = 0; i < options->named_count; i++) {
        const struct muster_named *named = &options->named[i];
        size_t                     name_bytes = named->name != NULL ? strlen(named->name) : 0;

        if (name_bytes == 0 || name_bytes > NAME_BYTES_MAX ||
            !parse_utf8(slice_text(named->name)))
            return error_set(error, MUSTER_ERR_INVALID,
                             "named value %zu: a name is 1 to %u bytes of UTF-8", i + 1,
                             (unsigned)NAME_BYTES_MAX);
        if (named->bytes > STDIN_INLINE_BYTES_MAX)
            return error_set(error, MUSTER_ERR_TOO_LARGE,
                             "the value named %s has %zu bytes; at most %u are allowed",
                             named->name, named->bytes, (unsigned)STDIN_INLINE_BYTES_MAX);
        wire_put_named(&s->named, &(struct wire_named){ slice_text(named->name),
                                                        slice_of(named->data, named->bytes) });
    }
    s->spec.named = (struct wire_list){ buffer_slice(&s->named), (uint32_t)options->named_count };
    return MUSTER_OK;
}

static muster_err
submit_after(struct submission *s, const struct muster_job_options *options,
             struct muster_error *error)
{
    if (options->after_count > AFTER_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "waits for more than %u jobs",
                         (unsigned)AFTER_MAX);
    for (size_t i = 0; i < options->after_count; i++)
        wire_put_id(&s->after, &(struct wire_id){ options->after[i] });
    s->m.after = (struct wire_list){ buffer_slice(&s->after), (uint32_t)options->after_count };
    return MUSTER_OK;
}

/* ---- numbers ---- */

static muster_err
submit_check_numbers(const struct muster_job_options *options, struct muster_error *error)
{
    const struct { const char *name; uint64_t value, max; } checks[] = {
        { "the number of tasks", options->count, TASKS_PER_JOB_MAX },
        { "attempts", options->attempts_max, ATTEMPTS_MAX },
        { "tasks at once", options->running_max, TASKS_PER_JOB_MAX },
        { "failures before a halt", options->fail_max, TASKS_PER_JOB_MAX },
        { "percent of failures before a halt", options->fail_percent, 100 },
        { "milliseconds of delay", options->delay_ms, DELAY_MS_MAX },
        { "milliseconds between attempts", options->retry_delay_ms, DELAY_MS_MAX },
        { "thousandths of cpus", options->cpus_milli, CPUS_MILLI_MAX },
        { "bytes of output kept", options->output_bytes, OUTPUT_BYTES_MAX },
        { "bytes of standard input", options->stdin_bytes, STDIN_BYTES_MAX },
    };

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (checks[i].value > checks[i].max)
            return error_set(error, MUSTER_ERR_TOO_LARGE, "%s: %llu is more than %llu",
                             checks[i].name, (unsigned long long)checks[i].value,
                             (unsigned long long)checks[i].max);
    }
    if (options->priority < -PRIORITY_MAX || options->priority > PRIORITY_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "priority %d is not within -%d .. %d",
                         options->priority, PRIORITY_MAX, PRIORITY_MAX);
    return MUSTER_OK;
}

/* A job is of a command or of a function. */
static muster_err
submit_check_target(const struct muster_job_options *options, struct muster_error *error)
{
    bool command = options->args != NULL && options->args[0] != NULL;

    if (options->function == NULL)
        return command && options->args[0][0] != '\0'
                   ? MUSTER_OK
                   : error_set(error, MUSTER_ERR_INVALID, "a job needs a command or a function");
    if (!parse_name(slice_text(options->function), NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID,
                         "function \"%.64s\": a name is 1 to %u of A-Z a-z 0-9 . _ -",
                         options->function, (unsigned)NAME_BYTES_MAX);
    if (command || options->cwd != NULL)
        return error_set(error, MUSTER_ERR_INVALID,
                         "a job is of a function or of a command, not of both");
    if (options->source == MUSTER_SOURCE_ITEMS && options->stdin_bytes > 0)
        return error_set(error, MUSTER_ERR_INVALID, "the argument of a function is either the "
                         "item or the same bytes for all, not both");
    return MUSTER_OK;
}

static muster_err
submit_check_texts(const struct muster_job_options *options, struct muster_error *error)
{
    muster_err err = submit_check_target(options, error);

    if (err)
        return err;
    if (options->queue != NULL && !parse_name(slice_text(options->queue), NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID,
                         "queue \"%.64s\": a name is 1 to %u of A-Z a-z 0-9 . _ -", options->queue,
                         (unsigned)NAME_BYTES_MAX);
    if (options->cwd != NULL && (options->cwd[0] != '/' || strlen(options->cwd) > PATH_BYTES_MAX ||
                                 !parse_utf8(slice_text(options->cwd))))
        return error_set(error, MUSTER_ERR_INVALID,
                         "the working folder \"%.128s\" is not an absolute path in UTF-8",
                         options->cwd);
    if (options->name != NULL && (strlen(options->name) > NAME_BYTES_MAX ||
                                  !parse_utf8(slice_text(options->name))))
        return error_set(error, MUSTER_ERR_INVALID,
                         "the job's name is longer than %u bytes of UTF-8",
                         (unsigned)NAME_BYTES_MAX);
    if (options->source == MUSTER_SOURCE_ITEMS && options->count != 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "a job that is fed has no count; leave it at 0");
    if (options->input_is_stdin && options->stdin_bytes > 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "standard input is either the items or the same bytes for all, not both");
    return MUSTER_OK;
}

/* ---- the message ---- */

/* The command as one line, cut between characters. */
static void
submit_name(struct submission *s, const struct muster_job_options *options)
{
    size_t bytes;

    if (options->name != NULL && options->name[0] != '\0') {
        buffer_append_text(&s->name, options->name);
    } else if (options->function != NULL) {
        buffer_append_text(&s->name, options->function);
    } else {
        const char *base = strrchr(options->args[0], '/');

        buffer_append_text(&s->name, base != NULL && base[1] != '\0' ? base + 1 : options->args[0]);
        for (size_t i = 1; options->args[i] != NULL && s->name.bytes < NAME_BYTES_MAX; i++) {
            buffer_append_text(&s->name, " ");
            buffer_append_text(&s->name, options->args[i]);
        }
    }
    bytes = s->name.bytes < NAME_BYTES_MAX ? s->name.bytes : NAME_BYTES_MAX;
    while (bytes > 0 && bytes < s->name.bytes && (s->name.data[bytes] & 0xc0) == 0x80)
        bytes--;
    s->m.name = slice_of(s->name.data, bytes);
}

static void
submit_spec(struct submission *s, const struct muster_job_options *options)
{
    bool counted_as_people = options->number_first == 0 && options->number_step == 0;

    s->spec.cwd = slice_text(options->cwd != NULL ? options->cwd : "");
    s->spec.stdin_bytes = options->stdin_bytes;
    if (options->stdin_bytes <= STDIN_INLINE_BYTES_MAX)
        s->spec.stdin_inline = slice_of(options->stdin_data, options->stdin_bytes);
    s->spec.replace = options->replace;
    s->spec.input_is_stdin = options->input_is_stdin;
    s->spec.number_first = counted_as_people ? 1 : options->number_first;
    s->spec.number_step = counted_as_people ? 1 : options->number_step;
    s->spec.number_is_input = options->number_is_input;
    s->spec.time_limit_ms = options->time_limit_ms;
    s->spec.grace_ms = options->grace_ms > 0 ? options->grace_ms : SUBMIT_GRACE_MS_DEFAULT;
    s->spec.output_bytes = options->output_bytes > 0 ? (uint32_t)options->output_bytes
                                                     : OUTPUT_BYTES_DEFAULT;
    s->spec.cpus_milli = options->cpus_milli > 0 ? options->cpus_milli : SUBMIT_CPUS_DEFAULT;
    s->spec.mem_bytes = options->mem_bytes;
    s->spec.function = slice_text(options->function != NULL ? options->function : "");
    s->spec.own_key = options->own_key;
    wire_put_spec(&s->spec_bytes, &s->spec);
}

static void
submit_fields(struct submission *s, const struct muster_job_options *options)
{
    struct msg_job_submit *m = &s->m;

    m->source = options->source == MUSTER_SOURCE_ITEMS ? SOURCE_ITEMS : SOURCE_COUNTED;
    m->count = options->count;
    if (m->source == SOURCE_COUNTED && m->count == 0)
        m->count = 1;
    m->priority = options->priority;
    m->attempts_max = options->attempts_max;
    m->running_max = options->running_max;
    m->cap_with = options->cap_with;
    m->fail_max = options->fail_max;
    m->fail_percent = (uint8_t)options->fail_percent;
    m->delay_ms = options->delay_ms;
    m->retry_delay_ms = options->retry_delay_ms;
    m->session_bound = options->session_bound;
    m->needs.queue = slice_text(options->queue != NULL ? options->queue : "");
    m->needs.cpus_milli = s->spec.cpus_milli;
    m->needs.mem_bytes = options->mem_bytes;
    m->needs.function = s->spec.function;
    m->spec = buffer_slice(&s->spec_bytes);
}

/* The hash of what was asked for, then the key under which asking again is
 * the same submission. */
static void
submit_keys(struct submission *s, const struct muster_job_options *options)
{
    struct buffer content = { 0 };
    uint64_t      hash[2];
    uint64_t      dedup[2] = { 0, 0 };

    wire_put_msg_job_submit(&content, &s->m);
    if (options->stdin_bytes > STDIN_INLINE_BYTES_MAX)
        buffer_append(&content, options->stdin_data, options->stdin_bytes);
    auth_hash(buffer_slice(&content), (uint8_t *)hash, sizeof(hash));
    buffer_free(&content);
    s->m.content_hash = hash[0];

    if (options->dedup != NULL)
        auth_hash(slice_text(options->dedup), (uint8_t *)dedup, sizeof(dedup));
    while (dedup[0] == 0 && dedup[1] == 0)
        auth_random(dedup, sizeof(dedup));
    s->m.dedup_hi = dedup[0];
    s->m.dedup_lo = dedup[1];
}

muster_err
submission_make(struct submission *submission, const struct muster_job_options *options,
                struct muster_error *error)
{
    struct submission *s = submission;
    muster_err         err;

    *s = (struct submission){ 0 };
    err = submit_check_texts(options, error);
    if (!err)
        err = submit_check_numbers(options, error);
    if (!err)
        err = submit_texts(&s->spec.args, &s->args, options->args, SPEC_ARGS_MAX, ARG_BYTES_MAX,
                           "argument", error);
    if (!err)
        err = submit_env(s, options, error);
    if (!err)
        err = submit_labels(s, options, error);
    if (!err)
        err = submit_resources(s, options, error);
    if (!err)
        err = submit_named(s, options, error);
    if (!err)
        err = submit_after(s, options, error);
    if (err)
        return err;
    submit_name(s, options);
    submit_spec(s, options);
    if (s->spec_bytes.bytes > SPEC_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE,
                         "command or named values, environment and standard input have %zu "
                         "bytes together; "
                         "at most %u are allowed",
                         s->spec_bytes.bytes, (unsigned)SPEC_BYTES_MAX);
    submit_fields(s, options);
    submit_keys(s, options);
    return MUSTER_OK;
}

void
submission_free(struct submission *submission)
{
    buffer_free(&submission->spec_bytes);
    buffer_free(&submission->args);
    buffer_free(&submission->env);
    buffer_free(&submission->resources);
    buffer_free(&submission->labels);
    buffer_free(&submission->after);
    buffer_free(&submission->name);
    buffer_free(&submission->named);
}

/* ---- public ---- */

/* Standard input that is too large for the description, piece by piece.  Sent
 * again it changes nothing: each piece says where it belongs. */
static muster_err
submit_stdin(struct muster_session *session, uint64_t job, const struct muster_job_options *options,
             uint32_t timeout_ms, struct muster_error *error)
{
    struct slice   all = slice_of(options->stdin_data, options->stdin_bytes);
    union wire_any m = { 0 };

    for (uint64_t at = 0; at < all.bytes; at += CHUNK_BYTES_MAX) {
        muster_err err;

        m.job_stdin = (struct msg_job_stdin){ .job = job,
                                              .offset = at,
                                              .data = slice_cut(all, at, CHUNK_BYTES_MAX) };
        err = ask_ack(session, MSG_TYPE_JOB_STDIN, &m, timeout_ms, NULL, error);
        if (err)
            return err;
    }
    return MUSTER_OK;
}

muster_err
muster_job_submit(struct muster_session *session, const struct muster_job_options *options,
                  uint32_t timeout_ms, struct muster_submitted *submitted_out,
                  struct muster_error *error)
{
    CALL_SCOPE(session);
    struct muster_submitted submitted = { 0 };
    struct submission       submission;
    struct ask              answer;
    uint32_t                items = 0;
    muster_err              err = submission_make(&submission, options, error);

    if (!err) {
        union wire_any m = { .job_submit = submission.m };

        err = ask(session, MSG_TYPE_JOB_SUBMIT, &m, MSG_TYPE_JOB_SUBMITTED, timeout_ms, &answer,
                  error);
    }
    submission_free(&submission);
    if (err)
        return err;

    submitted.job = answer.m.job_submitted.job;
    submitted.existed = answer.m.job_submitted.existed;
    items = answer.m.job_submitted.items;
    text_put(submitted.warning, sizeof(submitted.warning), answer.m.job_submitted.warning);
    ask_free(&answer);
    if (options->stdin_bytes > STDIN_INLINE_BYTES_MAX)
        err = submit_stdin(session, submitted.job, options, timeout_ms, error);
    if (err)
        return err;
    if (options->source == MUSTER_SOURCE_ITEMS) {
        pthread_mutex_lock(&session->lock);
        if (feed_find(session, submitted.job) == NULL)
            (void)feed_new(session, submitted.job, items, items);
        pthread_mutex_unlock(&session->lock);
    }
    *submitted_out = submitted;
    return MUSTER_OK;
}
