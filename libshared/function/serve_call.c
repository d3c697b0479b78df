/* serve_call.c - see serve_call.h */
#include "serve_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "parse.h"
#include "serve.h"

enum {
    CALL_KEEP_BYTES = 1024 * 1024,           /* of the memory of large arguments and results */
    CALL_ALIGNED    = 16,                    /* values may be read as structs */
};

/* A name and its value, each with a zero byte behind it. */
struct pair {
    size_t name, value, value_bytes;         /* in `text` */
};

static struct {
    struct muster_call head;
    char               worker[NAME_BYTES_MAX + 1];
    char               function[NAME_BYTES_MAX + 1];
    struct buffer      spec_bytes;
    struct wire_spec   spec;
    uint32_t           result_bytes_max;
    const struct function_entry *entry;      /* NULL: not looked up, or not there */
    struct buffer      text;                 /* of pairs: stable until the next SPEC */
    struct pair        named[NAMED_MAX], env[SPEC_ENV_MAX];
    uint32_t           named_count, env_count;
    uint32_t           number;               /* of the present call; 0: a hook */
    uint32_t           key_call;             /* the call that has a key; 0: none yet */
    struct buffer      key_path, key_address;    /* with a zero byte */
    struct buffer      argument, result, line;
    bool               failed;
    char               reason[TEXT_BYTES_MAX + 1];
} now;

/* ---- what a function asks ---- */

static const struct pair *
pair_find(const struct pair *pairs, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp((const char *)now.text.data + pairs[i].name, name) == 0)
            return &pairs[i];
    }
    return NULL;
}

static const void *
call_named(struct muster_call *call, const char *name, size_t *bytes_out)
{
    const struct pair *pair = pair_find(now.named, now.named_count, name);

    (void)call;
    if (pair == NULL)
        return NULL;
    if (bytes_out != NULL)
        *bytes_out = pair->value_bytes;
    return now.text.data + pair->value;
}

/* What a command with a key finds in its environment. */
static const char *
key_env(const char *name)
{
    if (strcmp(name, "MUSTER_AUTHKEY_FILE") == 0)
        return (const char *)now.key_path.data;
    return strcmp(name, "MUSTER_ADDRESS") == 0 ? (const char *)now.key_address.data : NULL;
}

static const char *
call_env(struct muster_call *call, const char *name)
{
    const struct pair *pair;

    (void)call;
    if (now.number != 0 && now.key_call == now.number && key_env(name) != NULL)
        return key_env(name);
    pair = pair_find(now.env, now.env_count, name);
    return pair != NULL ? (const char *)now.text.data + pair->value : NULL;
}

static void __attribute__((format(printf, 1, 2)))
fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(now.reason, sizeof(now.reason), format, args);
    va_end(args);
    now.failed = true;
}

/* Memory is the machine's to refuse; a call that asks for too much fails alone. */
static bool
result_reserve(size_t more)
{
    void  *grown;
    size_t capacity = now.result.capacity > 0 ? now.result.capacity : 256;

    if (more > MUSTER_RESULT_BYTES_MAX || now.result.bytes + more > MUSTER_RESULT_BYTES_MAX) {
        fail("its result is larger than %u MiB", MUSTER_RESULT_BYTES_MAX / MIB);
        return false;
    }
    while (capacity - now.result.bytes < more)
        capacity *= 2;
    if (capacity == now.result.capacity)
        return true;
    grown = realloc(now.result.data, capacity);
    if (grown == NULL) {
        fail("out of memory for a result of %zu bytes", now.result.bytes + more);
        return false;
    }
    now.result.data = grown;
    now.result.capacity = capacity;
    return true;
}

static bool
call_give(struct muster_call *call, const void *data, size_t bytes, bool append)
{
    (void)call;
    if (!append)
        buffer_clear(&now.result);
    if (!result_reserve(bytes))
        return false;
    buffer_append(&now.result, data, bytes);
    return true;
}

static void
call_fail(struct muster_call *call, const char *format, va_list args)
{
    (void)call;
    vsnprintf(now.reason, sizeof(now.reason), format, args);
    now.failed = true;
}

/* Format into now.line, which grows as it must. */
static bool
line_format(const char *format, va_list args)
{
    va_list again;
    int     bytes;

    va_copy(again, args);
    buffer_clear(&now.line);
    buffer_reserve(&now.line, 256);
    bytes = vsnprintf((char *)now.line.data, now.line.capacity, format, args);
    if (bytes >= 0 && (size_t)bytes >= now.line.capacity) {
        buffer_reserve(&now.line, (size_t)bytes + 1);
        bytes = vsnprintf((char *)now.line.data, now.line.capacity, format, again);
    }
    va_end(again);
    now.line.bytes = bytes > 0 ? (size_t)bytes : 0;
    return bytes >= 0;
}

static bool
call_print(struct muster_call *call, const char *format, va_list args)
{
    return line_format(format, args) &&
           call_give(call, now.line.data, now.line.bytes, true);
}

static void
call_log(struct muster_call *call, const char *format, va_list args)
{
    (void)call;
    if (!line_format(format, args))
        return;
    buffer_append_text(&now.line, "\n");
    serve_log(now.number, buffer_slice(&now.line));
}

static bool
call_cancelled(struct muster_call *call)
{
    (void)call;
    return serve_cancelled(now.number);
}

static const struct muster_call_table call_table = {
    call_named, call_env, call_give, call_fail, call_log, call_print, call_cancelled,
};

/* ---- the description ---- */

void
serve_call_worker(const char *name)
{
    snprintf(now.worker, sizeof(now.worker), "%s", name);
}

static size_t
text_put(struct slice text)
{
    size_t at;

    while (now.text.bytes % CALL_ALIGNED != 0)
        buffer_append(&now.text, "", 1);
    at = now.text.bytes;
    buffer_append_slice(&now.text, text);
    buffer_append(&now.text, "", 1);
    return at;
}

static void
spec_pairs(void)
{
    struct reader in = reader_of(now.spec.named.bytes);

    buffer_clear(&now.text);
    now.named_count = now.env_count = 0;
    for (uint32_t i = 0; i < now.spec.named.count; i++) {
        struct wire_named named;
        size_t            name;

        if (!wire_get_named(&in, &named))
            return;
        name = text_put(named.name);
        now.named[now.named_count++] = (struct pair){ name, text_put(named.value),
                                                      named.value.bytes };
    }
    in = reader_of(now.spec.env.bytes);
    for (uint32_t i = 0; i < now.spec.env.count; i++) {
        struct wire_text entry;
        const char      *equals;
        size_t           bytes, name;

        if (!wire_get_text(&in, &entry))
            return;
        equals = memchr(entry.text.data, '=', entry.text.bytes);
        if (equals == NULL)
            continue;
        bytes = (size_t)(equals - (const char *)entry.text.data);
        name = text_put(slice_cut(entry.text, 0, bytes));
        now.env[now.env_count++] = (struct pair){
            name, text_put(slice_cut(entry.text, bytes + 1, SIZE_MAX)),
            entry.text.bytes - bytes - 1 };
    }
}

bool
serve_call_spec(const struct frame_spec *spec)
{
    buffer_clear(&now.spec_bytes);
    buffer_append_slice(&now.spec_bytes, spec->spec);
    if (wire_decode_item_spec(buffer_slice(&now.spec_bytes), &now.spec))
        return false;
    now.result_bytes_max = spec->result_bytes_max;
    snprintf(now.function, sizeof(now.function), "%.*s", (int)now.spec.function.bytes,
             (const char *)now.spec.function.data);
    now.entry = NULL;
    now.head.job = spec->job;
    now.head.cpus_milli = now.spec.cpus_milli;
    spec_pairs();
    return true;
}

static void
key_text_put(struct buffer *out, struct slice text)
{
    buffer_clear(out);
    buffer_append_slice(out, text);
    buffer_append(out, "", 1);
}

void
serve_call_key(const struct frame_key *key)
{
    now.key_call = key->call;
    key_text_put(&now.key_path, key->path);
    key_text_put(&now.key_address, key->address);
}

/* ---- the call ---- */

static void
run_entry(struct function_table *table, const struct function_entry *entry)
{
    now.head.table = &call_table;
    now.head.worker = now.worker;
    now.head.state = table->states[entry->module];
    entry->run(&now.head);
    table->states[entry->module] = now.head.state;
}

static void
clear(struct buffer *buffer)
{
    if (buffer->capacity > CALL_KEEP_BYTES)
        buffer_free(buffer);
    buffer_clear(buffer);
}

void
serve_call_run(struct function_table *table, const struct frame_call *call)
{
    struct muster_call *head = &now.head;

    clear(&now.result);
    clear(&now.argument);
    /* A copy: aligned, and with a zero byte behind it. */
    buffer_append_slice(&now.argument, call->argument);
    buffer_append(&now.argument, "", 1);
    now.failed = false;
    now.number = call->call;
    if (now.entry == NULL)
        now.entry = function_table_find(table, slice_text(now.function));
    if (now.entry == NULL) {
        fail("there is no function %s in this child", now.function);
        return;
    }
    head->data = now.argument.data;
    head->bytes = call->argument.bytes;
    head->function = now.function;
    head->index = call->index;
    head->attempt = call->attempt;
    head->number = now.spec.number_first + call->index * now.spec.number_step;
    run_entry(table, now.entry);
    if (!now.failed && now.result.bytes > now.result_bytes_max)
        fail("its result has %zu bytes; the job keeps at most %u (output_bytes)",
             now.result.bytes, now.result_bytes_max);
}

/* What a module says is cut to UTF-8 text that may travel. */
static struct slice
reason_text(void)
{
    size_t bytes = strlen(now.reason);

    if (bytes == 0)
        return slice_text("it failed and did not say why");
    bytes = bytes < TEXT_BYTES_MAX ? bytes : TEXT_BYTES_MAX;
    while (bytes > 0 && !parse_utf8(slice_of(now.reason, bytes)))
        bytes--;
    return bytes > 0 ? slice_of(now.reason, bytes)
                     : slice_text("it failed; what it said is no text");
}

struct slice
serve_call_end(struct slice *reason_out)
{
    now.number = 0;
    if (now.failed) {
        *reason_out = reason_text();
        return slice_of(NULL, 0);
    }
    *reason_out = slice_of(NULL, 0);
    return buffer_slice(&now.result);
}

muster_err
serve_hooks(struct function_table *table, uint32_t kind, const char *worker,
            struct muster_error *error)
{
    if (worker != NULL)
        serve_call_worker(worker);
    for (uint32_t i = 0; i < table->count; i++) {
        const struct function_entry *entry = &table->entries[i];

        if (entry->kind != kind)
            continue;
        now.head = (struct muster_call){ .data = "", .function = entry->name };
        now.failed = false;
        now.number = 0;
        run_entry(table, entry);
        if (now.failed)
            return error_set(error, MUSTER_ERR_REMOTE, "%s: %s", entry->name, now.reason);
    }
    return MUSTER_OK;
}
