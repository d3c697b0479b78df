/* test_protocol.c - PROTOCOL.md says what the code does
 *
 * Reads libshared/PROTOCOL.md and looks for the rows that messages.def, wire.h,
 * limits.h and error.h demand: every message with its type, senders and fields
 * in order, every number, every limit, every error.
 */
#include "stories.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "wire.h"

enum { TEXT_BYTES = 1024 * 1024 };

static struct buffer protocol;
static struct buffer limits;

/* A file of the source tree, from where this one lies. */
static void
source_read(const char *path_below_root, struct buffer *out)
{
    static const char   here[] = "tests/unit/wire/test_protocol.c";
    size_t              root = strlen(__FILE__) - strlen(here);
    struct muster_error error = { 0 };
    struct buffer       path = { 0 };

    buffer_append(&path, __FILE__, root);
    buffer_append_text(&path, path_below_root);
    if (file_read(buffer_text(&path), TEXT_BYTES, out, &error) != MUSTER_OK) {
        fprintf(stderr, "%s\n", error.detail);
        exit(1);
    }
    buffer_free(&path);
}

/* Behind the next line that begins with `line`; fails when there is none. */
static const char *
line_find(const char *from, const char *line)
{
    struct buffer wanted = { 0 };
    const char   *at;

    buffer_printf(&wanted, "\n%s", line);
    at = strstr(from, buffer_text(&wanted));
    if (at == NULL)
        fail_msg("PROTOCOL.md: missing or out of order: %s", line);
    at += wanted.bytes;
    buffer_free(&wanted);
    return at;
}

static const char *
section_find(const char *title)
{
    struct buffer line = { 0 };
    const char   *at;

    buffer_printf(&line, "%s\n", title);
    at = line_find(buffer_text(&protocol), buffer_text(&line));
    buffer_free(&line);
    return at - 1;                   /* its newline begins the next line */
}

/* ---- fields ---- */

/* Rows of a table, one after the other: nothing may stand between them. */
struct rows {
    const char *at;
    const char *of;
};

static void
rows_begin(struct rows *rows, const char *of)
{
    static const char head[] = "| field | kind | |\n|---|---|---|\n";

    rows->of = of;
    rows->at = strstr(section_find(of), head);
    assert_non_null(rows->at);
    rows->at += strlen(head);
}

static void
rows_next(struct rows *rows, const char *name, const char *kind, const char *limit)
{
    bool          any = strcmp(limit, "0") == 0;
    struct buffer row = { 0 };
    const char   *end = strchr(rows->at, '\n');

    buffer_printf(&row, "| `%s` | %s%s%s |", name, kind, any ? "" : " ", any ? "" : limit);
    if (strncmp(rows->at, buffer_text(&row), row.bytes) != 0)
        fail_msg("PROTOCOL.md, %s: expected the row \"%s\", found \"%.*s\"", rows->of,
                 buffer_text(&row), (int)(end - rows->at), rows->at);
    rows->at = end + 1;
    buffer_free(&row);
}

static void
rows_end(struct rows *rows)
{
    if (*rows->at == '|')
        fail_msg("PROTOCOL.md, %s: a row too many: %.60s", rows->of, rows->at);
}

#define ROW_FIELD(kind, name, limit) rows_next(&rows, #name, #kind, #limit);
#define ROW_LIST(item, name, max)    rows_next(&rows, #name, "list of " #item, #max);
#define ROW_PART(item, name)         rows_next(&rows, #name, "part " #item, "0");

#define ITEM_CHECK(NAME, name)                                                 \
    static void item_##name(void)                                              \
    {                                                                          \
        struct rows rows;                                                      \
                                                                               \
        rows_begin(&rows, "### " #name);                                       \
        ITEM_##NAME(ROW_FIELD, ROW_LIST, ROW_PART)                             \
        rows_end(&rows);                                                       \
    }
WIRE_ITEMS(ITEM_CHECK)

static void
check_senders(const char *section, unsigned code, uint32_t from)
{
    struct buffer line = { 0 };
    const char   *at = section_find(section);

    buffer_printf(&line, "\n\nType 0x%02x, from:", code);
    for (unsigned bit = 0; bit < 4; bit++) {
        if (from & 1u << bit)
            buffer_printf(&line, " %s,", bit == 0 ? "manager" : wire_role_name(bit));
    }
    line.data[line.bytes - 1] = '.';
    if (strncmp(at, buffer_text(&line), line.bytes) != 0)
        fail_msg("PROTOCOL.md, %s: expected \"%s\"", section, buffer_text(&line) + 2);
    buffer_free(&line);
}

#define MESSAGE_CHECK(NAME, name, code, from)                                  \
    static void message_##name(void)                                           \
    {                                                                          \
        struct rows rows;                                                      \
                                                                               \
        check_senders("### " #NAME, code, from);                               \
        rows_begin(&rows, "### " #NAME);                                       \
        MSG_##NAME(ROW_FIELD, ROW_LIST, ROW_PART)                              \
        rows_end(&rows);                                                       \
    }
WIRE_MESSAGES(MESSAGE_CHECK)

struct story {
    const char *story;
    void (*check)(void);
};

static const struct story fields[] = {
#define ITEM_STORY(NAME, name) { "the item " #name, item_##name },
    WIRE_ITEMS(ITEM_STORY)
#define MESSAGE_STORY(NAME, name, code, from) { "the message " #NAME, message_##name },
    WIRE_MESSAGES(MESSAGE_STORY)
};

static void
test_fields(void **state)
{
    ((const struct story *)*state)->check();
}

/* ---- numbers ---- */

struct number {
    const char *name;
    unsigned    value;
};

struct number_story {
    const char   *story;               /* the line above the table */
    unsigned      count;
    struct number numbers[16];
};

#define NUMBER(prefix, name) { #name, prefix##name }

static const struct number_story numbers[] = {
    { "Outcome of a task:", OUTCOME_COUNT, {
        NUMBER(OUTCOME_, SUCCEEDED), NUMBER(OUTCOME_, EXITED), NUMBER(OUTCOME_, SIGNALED),
        NUMBER(OUTCOME_, TIMED_OUT), NUMBER(OUTCOME_, MEMORY), NUMBER(OUTCOME_, NOT_STARTED),
        NUMBER(OUTCOME_, LOST), NUMBER(OUTCOME_, CANCELLED), NUMBER(OUTCOME_, DEPENDENCY),
    } },
    { "State of a job:", JOB_STATE_COUNT, {
        NUMBER(JOB_, WAITING), NUMBER(JOB_, QUEUED), NUMBER(JOB_, RUNNING),
        NUMBER(JOB_, SUCCEEDED), NUMBER(JOB_, FAILED), NUMBER(JOB_, CANCELLED),
    } },
    { "State of a task:", TASK_STATE_COUNT, {
        NUMBER(TASK_, WAITING), NUMBER(TASK_, READY), NUMBER(TASK_, LEASED),
        NUMBER(TASK_, SUCCEEDED), NUMBER(TASK_, FAILED), NUMBER(TASK_, CANCELLED),
    } },
    { "State of a worker:", WORKER_STATE_COUNT, {
        NUMBER(WORKER_, ACTIVE), NUMBER(WORKER_, DRAINING), NUMBER(WORKER_, AWAY),
    } },
    { "Source of a job:", SOURCE_COUNT, {
        NUMBER(SOURCE_, COUNTED), NUMBER(SOURCE_, ITEMS),
    } },
    { "Reason of a return:", RETURN_COUNT, {
        NUMBER(RETURN_, DRAINING), NUMBER(RETURN_, NOT_STARTED), NUMBER(RETURN_, WORKER_FAULT),
        NUMBER(RETURN_, LOST),
    } },
    { "Why it waits:", WHY_COUNT, {
        NUMBER(WHY_, RUNNING), NUMBER(WHY_, FINISHED), NUMBER(WHY_, DEPENDENCY),
        NUMBER(WHY_, DELAY), NUMBER(WHY_, RUNNING_MAX), NUMBER(WHY_, NO_WORKER),
        NUMBER(WHY_, QUEUE), NUMBER(WHY_, LABEL), NUMBER(WHY_, RESOURCE), NUMBER(WHY_, BUSY),
        NUMBER(WHY_, INPUT_OPEN), NUMBER(WHY_, COULD_RUN),
        NUMBER(WHY_, FUNCTION),
    } },
    { "Role:", ROLE_COUNT, {
        NUMBER(ROLE_, NONE), NUMBER(ROLE_, WORKER), NUMBER(ROLE_, CLIENT), NUMBER(ROLE_, ADMIN),
    } },
};

static void
test_numbers(void **state)
{
    const struct number_story *row = *state;
    const char                *at = section_find(row->story);
    unsigned                   count = 0;

    for (; row->numbers[count].name != NULL; count++) {
        struct buffer line = { 0 };

        assert_int_equal(row->numbers[count].value, count);
        buffer_printf(&line, "| %u | %s |", count, row->numbers[count].name);
        at = line_find(at, buffer_text(&line));
        at = strchr(at, '\n');
        buffer_free(&line);
    }
    assert_int_equal(count, row->count);
    assert_true(at[1] == '\n');        /* the table ends with it */
}

/* ---- nouns and verbs ---- */

struct verb_story {
    const char *story;
    const char *noun;
    const char *kind;
    unsigned    number;
};

static const struct verb_story verbs[] = {
#define VERB_STORY(NOUN, VERB, name, number, kind) { #VERB, #NOUN, #kind, number },
    VERBS(VERB_STORY)
};

/* `| 17 | RELEASE | WRITE |` in the section of its noun. */
static void
test_verb(void **state)
{
    const struct verb_story     *row = *state;
    const struct wire_verb_rule *rule = wire_verb_rule(row->number);
    struct buffer                line = { 0 };
    const char                  *at, *end;

    buffer_printf(&line, "### %s (%u)", wire_noun_name(rule->noun), rule->noun);
    at = section_find(buffer_text(&line));
    end = strstr(at + 1, "\n##");
    assert_non_null(end);
    buffer_clear(&line);
    buffer_printf(&line, "| %u | %s | %s |", row->number, row->story, row->kind);
    assert_true(line_find(at, buffer_text(&line)) < end);
    buffer_free(&line);
}

/* ---- errors ---- */

struct error_story {
    const char *story;
    unsigned    number;
};

static const struct error_story errors[] = {
#define ERROR_STORY(number, name, status, text, advice) { #name, number },
    MUSTER_ERRORS(ERROR_STORY)
};

static void
test_error(void **state)
{
    const struct error_story *row = *state;
    struct buffer             line = { 0 };

    buffer_printf(&line, "| %u | %s |", row->number, row->story);
    (void)line_find(section_find("## Errors"), buffer_text(&line));
    buffer_free(&line);
}

/* ---- limits ---- */

struct limit_story {
    const char        *story;
    unsigned long long value;
};

#define LIMIT(name) { #name, name }

static const struct limit_story limit_rows[] = {
    LIMIT(PROTOCOL_VERSION), LIMIT(PROTOCOL_VERSION_MIN), LIMIT(FRAME_BYTES_MAX),
    LIMIT(FRAME_HEADER_BYTES), LIMIT(FRAME_MESSAGES_MAX), LIMIT(MESSAGE_HEADER_BYTES),
    LIMIT(MESSAGE_BODY_BYTES_MAX), LIMIT(NAME_BYTES_MAX), LIMIT(LABEL_BYTES_MAX),
    LIMIT(TEXT_BYTES_MAX), LIMIT(PATH_BYTES_MAX), LIMIT(SOFTWARE_BYTES_MAX),
    LIMIT(SPEC_BYTES_MAX), LIMIT(SPEC_ARGS_MAX), LIMIT(SPEC_ENV_MAX), LIMIT(ARG_BYTES_MAX),
    LIMIT(STDIN_INLINE_BYTES_MAX), LIMIT(STDIN_BYTES_MAX), LIMIT(ITEM_BYTES_MAX),
    LIMIT(BLOCK_BYTES_MAX), LIMIT(BLOCK_ITEMS_MAX), LIMIT(CHUNK_BYTES_MAX),
    LIMIT(OUTPUT_INLINE_BYTES_MAX), LIMIT(OUTPUT_BYTES_DEFAULT), LIMIT(OUTPUT_BYTES_MAX),
    LIMIT(RESOURCES_MAX), LIMIT(LABELS_MAX), LIMIT(QUEUES_MAX), LIMIT(AFTER_MAX),
    LIMIT(RANGES_MAX), LIMIT(TASKS_PER_JOB_MAX), LIMIT(LEASES_PER_MESSAGE_MAX),
    LIMIT(RUNNING_PER_WORKER_MAX), LIMIT(WINDOW_MAX), LIMIT(LIST_ITEMS_MAX), LIMIT(BEAT_MS),
    LIMIT(BEATS_PER_LEASE), LIMIT(LEASE_MS), LIMIT(LEASE_MS_MIN), LIMIT(LEASE_MS_LIMIT),
    LIMIT(LEASE_MARGIN_MS), LIMIT(SESSION_MS), LIMIT(WAIT_MS_MAX), LIMIT(HANDSHAKE_MS),
    LIMIT(BAD_MESSAGES_MAX), LIMIT(PRIORITY_MAX), LIMIT(ATTEMPTS_MAX),
    LIMIT(LOST_ATTEMPTS_DEFAULT), LIMIT(DELAY_MS_MAX), LIMIT(CPUS_MILLI_MAX),
    LIMIT(KEY_PUBLIC_BYTES), LIMIT(LOG_LEVELS), LIMIT(FUNCTIONS_MAX), LIMIT(NAMED_MAX),
    LIMIT(KEY_BYTES_MAX), LIMIT(HEADS_BYTES_MAX), LIMIT(VALUE_BYTES_MAX),
    LIMIT(VALUE_INLINE_BYTES_MAX), LIMIT(MESSAGE_ITEM_BYTES_MAX), LIMIT(PIPE_WINDOW_BYTES),
    LIMIT(GIVEN_PER_ANSWER_MAX), LIMIT(ANSWERS_KEPT_MAX), LIMIT(WAITS_PER_SESSION_MAX),
    LIMIT(SEEN_EXCEPT_MAX), LIMIT(RESERVE_MS), LIMIT(RESERVE_MS_MAX), LIMIT(PARTIES_MAX),
    LIMIT(ARRAY_ITEMS_MAX),
};

enum { LIMITS = sizeof(limit_rows) / sizeof(limit_rows[0]) };

static void
test_limit(void **state)
{
    const struct limit_story *row = *state;
    struct buffer             line = { 0 };

    buffer_printf(&line, "| %s | %llu |", row->story, row->value);
    (void)line_find(section_find("## Limits"), buffer_text(&line));
    buffer_free(&line);
}

/* Every name that limits.h assigns has a row above, so that none is forgotten. */
static void
test_no_limit_is_forgotten(void **state)
{
    const char *at = strstr(buffer_text(&limits), "\nenum {\n");
    size_t      found = 0;

    (void)state;
    assert_non_null(at);
    while ((at = strstr(at, "\n    ")) != NULL) {
        size_t bytes;

        at += strlen("\n    ");
        bytes = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        if (bytes == 0 || at[bytes + strspn(at + bytes, " ")] != '=')
            continue;
        if (found >= LIMITS || strlen(limit_rows[found].story) != bytes ||
            memcmp(limit_rows[found].story, at, bytes) != 0)
            fail_msg("limits.h has %.*s: add it to this test and to PROTOCOL.md", (int)bytes, at);
        found++;
    }
    assert_int_equal(found, LIMITS);
}

/* ---- examples ---- */

static void
example_find(struct slice bytes)
{
    const uint8_t *data = bytes.data;
    struct buffer  text = { 0 };
    struct buffer  dense = { 0 };
    const char    *at = buffer_text(&protocol);

    for (size_t i = 0; i < bytes.bytes; i++)
        buffer_printf(&text, "%02x", data[i]);
    /* The text of an example has blanks, and words behind the bytes of a line. */
    while (strstr(buffer_text(&dense), buffer_text(&text)) == NULL &&
           (at = strstr(at, "\n```\n")) != NULL) {
        const char *end = strstr(at + 5, "\n```\n");

        assert_non_null(end);
        buffer_clear(&dense);
        for (at += 5; at < end; at = strchr(at, '\n') + 1) {
            for (; isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]);
                 at += at[2] == ' ' ? 3 : 2)
                buffer_append(&dense, at, 2);
        }
        at = end + 4;
    }
    assert_non_null(strstr(buffer_text(&dense), buffer_text(&text)));
    buffer_free(&text);
    buffer_free(&dense);
}

static void
test_the_examples(void **state)
{
    const union wire_any beat = { .beat_ack = { .sent_ms = 0x1122 } };
    struct msg_drain_set drain = { .worker = slice_text("n7"), .draining = 1 };
    struct wire_block    block = { 0 };
    struct buffer        bytes = { 0 };

    (void)state;
    wire_frame_begin(&bytes);
    wire_put_any(&bytes, MSG_TYPE_BEAT_ACK, 5, &beat);
    wire_frame_end(&bytes, 1);
    example_find(buffer_slice(&bytes));

    buffer_clear(&bytes);
    wire_put_msg_drain_set(&bytes, &drain);
    example_find(buffer_slice(&bytes));

    buffer_clear(&bytes);
    (void)wire_block_add(&block, slice_text("a"));
    (void)wire_block_add(&block, slice_text(""));
    (void)wire_block_add(&block, slice_text("bc"));
    wire_block_put(&bytes, &block);
    example_find(buffer_slice(&bytes));
    wire_block_free(&block);
    buffer_free(&bytes);
}

int
main(void)
{
    const struct CMUnitTest whole[] = {
        cmocka_unit_test(test_no_limit_is_forgotten),
        cmocka_unit_test(test_the_examples),
    };
    int failed;

    source_read("libshared/PROTOCOL.md", &protocol);
    source_read("libshared/wire/limits.h", &limits);
    failed = STORIES("fields", fields, test_fields) + STORIES("numbers", numbers, test_numbers) +
             STORIES("verbs", verbs, test_verb) +
             STORIES("errors", errors, test_error) + STORIES("limits", limit_rows, test_limit) +
             cmocka_run_group_tests_name("the whole", whole, NULL, NULL);
    buffer_free(&protocol);
    buffer_free(&limits);
    return failed;
}
