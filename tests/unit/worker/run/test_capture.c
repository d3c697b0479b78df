/* test_capture.c - what is kept of an output, and how it reads back
 *
 * Method: write `total` bytes in pieces of `piece`; byte number n is 'a' + n % 26.
 * Compare what is kept, read in pieces of a size that fits nothing, with what
 * head, mark and tail should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "stories.h"

struct capture_case {
    const char *story;
    uint32_t    limit;
    uint64_t    total;
    uint32_t    piece;
};

static const struct capture_case cases[] = {
    { "nothing", 1000, 0, 1 },
    { "less than the limit", 1000, 10, 3 },
    { "exactly the limit", 1000, 1000, 7 },
    { "one byte more", 1000, 1001, 7 },
    { "far more, in small pieces", 1000, 123457, 13 },
    { "far more, in large pieces", 1000, 1000000, 65536 },
    { "one piece larger than everything", 1000, 5000, 5000 },
    { "a limit of one byte", 1, 100, 10 },
    { "an odd limit", 999, 54321, 100 },
    { "beyond memory, within the limit", 1 << 20, 300000, 4096 },
    { "beyond memory, exactly the limit", 100000, 100000, 4096 },
    { "beyond memory and limit", 100000, 1234567, 4096 },
    { "beyond memory and limit, in large pieces", 100000, 3000000, 131072 },
    { "the limit is what memory keeps", CAPTURE_MEMORY, CAPTURE_MEMORY + 5, 1000 },
    { "the limit is a byte more than memory", CAPTURE_MEMORY + 1, 3 * CAPTURE_MEMORY, 1000 },
};

static char
byte_at(uint64_t number)
{
    return (char)('a' + number % 26);
}

static void
expected_put(struct buffer *out, const struct capture_case *c)
{
    uint64_t head = c->total <= c->limit ? c->total : c->limit - c->limit / 2;
    uint64_t tail = c->limit / 2;
    char     mark[64];
    int      bytes = 0;

    for (uint64_t n = 0; n < head; n++)
        buffer_append(out, &(char){ byte_at(n) }, 1);
    if (c->total <= c->limit)
        return;
    /* The mark takes its room from the tail, unless there is hardly any. */
    for (int round = 0; round < 2; round++) {
        bytes = snprintf(mark, sizeof(mark), "\n... %llu bytes cut ...\n",
                         (unsigned long long)(c->total - head - tail));
        if (c->limit / 2 >= 2u * (uint32_t)bytes)
            tail = c->limit / 2 - (uint32_t)bytes;
    }
    buffer_append_text(out, mark);
    for (uint64_t n = c->total - tail; n < c->total; n++)
        buffer_append(out, &(char){ byte_at(n) }, 1);
    assert_true(out->bytes <= c->limit || c->limit < 100);
}

static void
test_capture(void **state)
{
    const struct capture_case *c = *state;
    struct capture             capture = { .file = -1 };
    struct buffer              piece = { 0 }, expected = { 0 }, got = { 0 };
    struct slice               first;

    capture_start(&capture, c->limit);
    for (uint64_t n = 0; n < c->total;) {
        buffer_clear(&piece);
        while (piece.bytes < c->piece && n < c->total)
            buffer_append(&piece, &(char){ byte_at(n++) }, 1);
        capture_add(&capture, buffer_slice(&piece), "/tmp");
    }
    capture_end(&capture);
    expected_put(&expected, c);
    assert_int_equal(capture.written, c->total);
    assert_false(capture.lost);
    assert_int_equal(capture_kept(&capture), expected.bytes);
    first = capture_inline(&capture);
    assert_int_equal(first.bytes,
                     expected.bytes < CAPTURE_MEMORY ? expected.bytes : CAPTURE_MEMORY);
    if (first.bytes > 0)
        assert_memory_equal(first.data, expected.data, first.bytes);
    while (got.bytes < expected.bytes)
        assert_true(capture_read(&capture, (uint32_t)got.bytes, 317, &got));
    assert_true(capture_read(&capture, (uint32_t)got.bytes, 317, &got));
    assert_int_equal(got.bytes, expected.bytes);
    assert_true(slice_equal(buffer_slice(&got), buffer_slice(&expected)));
    capture_free(&capture);
    buffer_free(&piece);
    buffer_free(&expected);
    buffer_free(&got);
}

/* No file can be made: the beginning is kept, and the loss is told. */
static void
test_no_room(void **state)
{
    struct capture capture = { .file = -1 };
    struct buffer  text = { 0 }, got = { 0 };

    (void)state;
    capture_start(&capture, 1 << 20);
    memset(buffer_extend(&text, 100000), 'x', 100000);
    capture_add(&capture, buffer_slice(&text), "/no/such/folder");
    capture_end(&capture);
    assert_true(capture.lost);
    assert_int_equal(capture.written, 100000);
    assert_true(capture_read(&capture, 0, 1 << 20, &got));
    assert_int_equal(got.bytes, capture_kept(&capture));
    assert_non_null(strstr(buffer_text(&got) + CAPTURE_MEMORY, "... 67232 bytes cut ..."));
    capture_free(&capture);
    buffer_free(&text);
    buffer_free(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_room) };
    int                     failed = STORIES("captured output", cases, test_capture);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
