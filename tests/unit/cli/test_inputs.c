/* test_inputs.c - arrays, lines and words: what tasks are made from
 *
 * Lines come through a pipe, a few bytes at a time where the story says so.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inputs.h"
#include "stories.h"

/* ---- arrays ---- */

struct array_story {
    const char        *story;
    const char        *text;
    struct array_range expected;      /* count 0: refused */
};

static const struct array_story array_stories[] = {
    { "a range",            "1-1000",       { 1, 1, 1000, 0 } },
    { "every second",       "1-1000:2",     { 1, 2, 500, 0 } },
    { "50 at once",         "1-1000%50",    { 1, 1, 1000, 50 } },
    { "both",               "0-10:5%2",     { 0, 5, 3, 2 } },
    { "one number",         "7",            { 7, 1, 1, 0 } },
    { "from one to itself", "7-7",          { 7, 1, 1, 0 } },
    { "a step beyond the end", "1-9:100",   { 1, 100, 1, 0 } },
    { "a billion",          "1-1000000000", { 1, 1, 1000000000, 0 } },
    { "more than a billion", "0-1000000000", { 0, 0, 0, 0 } },
    { "backwards",          "9-1",          { 0, 0, 0, 0 } },
    { "no step",            "1-9:0",        { 0, 0, 0, 0 } },
    { "none at once",       "1-9%0",        { 0, 0, 0, 0 } },
    { "a list",             "1,2,3",        { 0, 0, 0, 0 } },
    { "nothing",            "",             { 0, 0, 0, 0 } },
    { "open end",           "1-",           { 0, 0, 0, 0 } },
    { "a sign",             "-5",           { 0, 0, 0, 0 } },
    { "letters",            "1-x",          { 0, 0, 0, 0 } },
    { "blanks",             "1 - 9",        { 0, 0, 0, 0 } },
    { "very long",
      "1-000000000000000000000000000000000000000000000000000000000000000000000000000000000009",
      { 0, 0, 0, 0 } },
};

static void
test_array(void **state)
{
    const struct array_story *story = *state;
    struct array_range        range = { 0 };
    struct muster_error       error = { 0 };
    muster_err                err = array_parse(story->text, &range, &error);

    assert_int_equal(err, story->expected.count == 0 ? MUSTER_ERR_INVALID : MUSTER_OK);
    if (err)
        assert_non_null(strstr(error.detail, "1-1000:2%50"));
    assert_int_equal(range.first, story->expected.first);
    assert_int_equal(range.step, story->expected.step);
    assert_int_equal(range.count, story->expected.count);
    assert_int_equal(range.running_max, story->expected.running_max);
}

/* ---- lines ---- */

struct lines_story {
    const char *story;
    const char *bytes;
    size_t      byte_count;      /* 0: strlen */
    char        separator;
    bool        any_bytes;
    const char *expected;        /* items in brackets, then an error's name */
};

static const struct lines_story lines_stories[] = {
    { "lines", "a\nb\nc\n", 0, '\n', false, "[a][b][c]" },
    { "the last line without an end", "a\nb", 0, '\n', false, "[a][b]" },
    { "nothing", "", 0, '\n', false, "" },
    { "empty lines are inputs", "\na\n\n", 0, '\n', false, "[][a][]" },
    { "blanks and returns stay", " a b \r\n", 0, '\n', false, "[ a b \r]" },
    { "zero bytes separate", "a\nb\0c\0", 6, '\0', false, "[a\nb][c]" },
    { "a zero byte within a line", "a\nb\0c\n", 6, '\n', false, "[a]INVALID" },
    { "a zero byte within standard input", "a\0b\n", 4, '\n', true, "[a.b]" },
};

static void
drain(struct inputs *inputs, struct buffer *got)
{
    struct muster_error error = { 0 };
    struct slice        item;
    muster_err          err;

    while ((err = inputs_next(inputs, &item, &error)) == MUSTER_OK) {
        buffer_append_text(got, "[");
        for (size_t i = 0; i < item.bytes; i++) {
            char c = ((const char *)item.data)[i];

            buffer_append(got, c != '\0' ? &c : ".", 1);
        }
        buffer_append_text(got, "]");
    }
    if (err != MUSTER_ERR_CLOSED)
        buffer_append_text(got, muster_err_name(err));
}

static void
test_lines(void **state)
{
    const struct lines_story *story = *state;
    struct inputs             inputs = { .kind = INPUTS_LINES, .path = "/dev/null",
                                         .separator = story->separator,
                                         .any_bytes = story->any_bytes };
    struct muster_error       error = { 0 };
    struct buffer             got = { 0 };
    size_t bytes = story->byte_count != 0 ? story->byte_count : strlen(story->bytes);
    int    ends[2];

    assert_int_equal(inputs_open(&inputs, false, &error), MUSTER_OK);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], story->bytes, bytes), (ssize_t)bytes);
    close(ends[1]);
    dup2(ends[0], inputs.fd);
    close(ends[0]);
    drain(&inputs, &got);
    assert_string_equal(buffer_text(&got), story->expected);
    buffer_free(&got);
    inputs_close(&inputs);
}

/* ---- more ---- */

static FILE *
temporary(struct inputs *inputs)
{
    FILE *file = tmpfile();
    static char path[32];

    assert_non_null(file);
    snprintf(path, sizeof(path), "/dev/fd/%d", fileno(file));
    inputs->path = path;
    return file;
}

static void
test_looking_back(void **state)
{
    struct inputs       inputs = { .kind = INPUTS_LINES, .separator = '\n' };
    struct muster_error error = { 0 };
    struct buffer       got = { 0 };
    struct slice        item;
    FILE               *file = temporary(&inputs);
    char                expected[32];

    (void)state;
    /* More than the spool keeps in memory, so that reads cross into the file. */
    for (int i = 0; i < 30000; i++)
        fprintf(file, "line %d\n", i);
    fflush(file);
    assert_int_equal(inputs_open(&inputs, true, &error), MUSTER_OK);
    for (uint32_t i = 0; i < 30000; i++) {
        assert_int_equal(inputs_next(&inputs, &item, &error), MUSTER_OK);
        for (uint32_t back = 0; i % 1000 == 999 && back <= i; back += 333) {
            buffer_clear(&got);
            assert_int_equal(inputs_look(&inputs, back, &got, &error), MUSTER_OK);
            snprintf(expected, sizeof(expected), "line %u", back);
            assert_string_equal(buffer_text(&got), expected);
        }
    }
    assert_int_equal(inputs_next(&inputs, &item, &error), MUSTER_ERR_CLOSED);
    assert_int_equal(inputs_look(&inputs, 30000, &got, &error), MUSTER_ERR_NOT_FOUND);
    buffer_free(&got);
    inputs_close(&inputs);
    fclose(file);
}

static void
test_longest_line(void **state)
{
    struct inputs       inputs = { .kind = INPUTS_LINES, .separator = '\n' };
    struct muster_error error = { 0 };
    struct slice        item;
    FILE               *file = temporary(&inputs);

    (void)state;
    fprintf(file, "%0*d\n%0*d\n", INPUT_BYTES_MAX, 0, INPUT_BYTES_MAX + 1, 0);
    fflush(file);
    assert_int_equal(inputs_open(&inputs, false, &error), MUSTER_OK);
    assert_int_equal(inputs_next(&inputs, &item, &error), MUSTER_OK);
    assert_int_equal(item.bytes, INPUT_BYTES_MAX);
    assert_int_equal(inputs_next(&inputs, &item, &error), MUSTER_ERR_TOO_LARGE);
    assert_non_null(strstr(error.detail, "line 2"));
    inputs_close(&inputs);
    fclose(file);
}

static void
test_stopped(void **state)
{
    struct inputs       inputs = { .kind = INPUTS_LINES, .path = "/dev/null", .separator = '\n' };
    struct muster_error error = { 0 };
    struct slice        item;
    int                 silent[2], stop[2];

    (void)state;
    assert_int_equal(inputs_open(&inputs, false, &error), MUSTER_OK);
    assert_int_equal(pipe(silent), 0);
    assert_int_equal(pipe(stop), 0);
    dup2(silent[0], inputs.fd);
    inputs.stop_fd = stop[0];
    assert_int_equal(write(stop[1], "1", 1), 1);
    assert_int_equal(inputs_next(&inputs, &item, &error), MUSTER_ERR_INTERRUPTED);
    inputs_close(&inputs);
    close(silent[0]);
    close(silent[1]);
    close(stop[0]);
    close(stop[1]);
}

static void
test_words_and_numbers(void **state)
{
    char               *words[] = { (char *)(uintptr_t)"a", (char *)(uintptr_t)"" };
    struct inputs       inputs = { .kind = INPUTS_WORDS, .words = words, .word_count = 2 };
    struct inputs       array = { .kind = INPUTS_ARRAY, .array = { 10, 5, 3, 0 } };
    struct muster_error error = { 0 };
    struct buffer       got = { 0 };

    (void)state;
    assert_int_equal(inputs_open(&inputs, true, &error), MUSTER_OK);
    drain(&inputs, &got);
    assert_string_equal(buffer_text(&got), "[a][]");
    assert_int_equal(inputs_number(&inputs, 1), 2);
    buffer_clear(&got);
    assert_int_equal(inputs_look(&array, 2, &got, &error), MUSTER_OK);
    assert_string_equal(buffer_text(&got), "20");
    buffer_free(&got);
    inputs_close(&inputs);
}

static void
test_no_such_file(void **state)
{
    struct inputs       inputs = { .kind = INPUTS_LINES, .path = "/no/such/file" };
    struct muster_error error = { 0 };

    (void)state;
    assert_int_equal(inputs_open(&inputs, false, &error), MUSTER_ERR_NOT_FOUND);
    assert_non_null(strstr(error.detail, "/no/such/file"));
}

int
main(void)
{
    static const struct CMUnitTest more[] = {
        { "inputs can be asked for again", test_looking_back, NULL, NULL, NULL },
        { "the longest line, and one byte more", test_longest_line, NULL, NULL, NULL },
        { "reading stops when told", test_stopped, NULL, NULL, NULL },
        { "words and numbers", test_words_and_numbers, NULL, NULL, NULL },
        { "no such file", test_no_such_file, NULL, NULL, NULL },
    };

    return STORIES("arrays", array_stories, test_array) +
           STORIES("lines", lines_stories, test_lines) +
           cmocka_run_group_tests_name("inputs", more, NULL, NULL);
}
