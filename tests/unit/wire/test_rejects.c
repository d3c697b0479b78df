/* test_rejects.c - a body that breaks one rule is refused, and the same body
 * one step inside the rule is taken
 *
 * Bodies are written out by hand, so that the tests do not lean on the encoder.
 */
#include "stories.h"

#include "fill.h"

/* `script` says what the body is made of, one letter after the other:
 *   1 4 8    the next of `numbers`, in so many bytes
 *   t        the next of `numbers` as a length, and so many 'x'; in a row with a
 *            pattern a list instead: the pattern is its count, its bytes are zero
 *   p        the pattern
 */
struct story {
    const char *story;
    uint16_t    type;
    muster_err  expected;
    const char *script;
    uint64_t    numbers[12];
    const char *pattern;
    size_t      pattern_bytes;
};

#define RAW(text) text, sizeof(text) - 1

/* DRAIN_SET    text worker <= 64, choice draining
 * JOB_STDIN    u64 job, u64 offset <= 64 MiB, bytes data <= 128 KiB
 * TASK_RETURN  u64 job, u32 index <= 10^9, u32 attempt, u64 epoch, choice < 3, text
 * JOB_CANCEL   u64 job, choice hard, choice waiting_only, list of (u32, u32) <= 1024 */
static const struct story rejects[] = {
    /* text */
    { "a text of exactly its limit is taken", MSG_TYPE_DRAIN_SET, MUSTER_OK, "t1",
      { NAME_BYTES_MAX, 1 }, NULL, 0 },
    { "a text one byte over its limit", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "t1",
      { NAME_BYTES_MAX + 1, 1 }, NULL, 0 },
    { "a text longer than the body", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4", { 9 }, NULL, 0 },
    { "a text whose length is 4 GiB - 1", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "41",
      { UINT32_MAX, 1 }, NULL, 0 },
    { "UTF-8 of two, three and four bytes is taken", MSG_TYPE_DRAIN_SET, MUSTER_OK, "4p1",
      { 9, 0 }, RAW("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") },
    { "a zero byte in a text", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1", { 3, 0 },
      RAW("a\0b") },
    { "a lone continuation byte", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1", { 1, 0 },
      RAW("\x80") },
    { "a character cut at the end of the text", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1",
      { 2, 0 }, RAW("\xe2\x82") },
    { "an overlong slash", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1", { 2, 0 },
      RAW("\xc0\xaf") },
    { "a UTF-16 surrogate", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1", { 3, 0 },
      RAW("\xed\xa0\x80") },
    { "a character above U+10FFFF", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1", { 4, 0 },
      RAW("\xf4\x90\x80\x80") },
    { "a byte that never occurs in UTF-8", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "4p1", { 1, 0 },
      RAW("\xff") },

    /* bytes */
    { "bytes may be anything", MSG_TYPE_JOB_STDIN, MUSTER_OK, "884p", { 1, 0, 3 },
      RAW("\xff\0\x80") },
    { "bytes of exactly their limit are taken", MSG_TYPE_JOB_STDIN, MUSTER_OK, "88t",
      { 1, 0, CHUNK_BYTES_MAX }, NULL, 0 },
    { "bytes one over their limit", MSG_TYPE_JOB_STDIN, MUSTER_ERR_INVALID, "88t",
      { 1, 0, CHUNK_BYTES_MAX + 1 }, NULL, 0 },

    /* numbers */
    { "a u64 of exactly its limit is taken", MSG_TYPE_JOB_STDIN, MUSTER_OK, "884",
      { 1, STDIN_BYTES_MAX, 0 }, NULL, 0 },
    { "a u64 one over its limit", MSG_TYPE_JOB_STDIN, MUSTER_ERR_INVALID, "884",
      { 1, STDIN_BYTES_MAX + 1, 0 }, NULL, 0 },
    { "a u32 one over its limit", MSG_TYPE_TASK_RETURN, MUSTER_ERR_INVALID, "84481t",
      { 1, TASKS_PER_JOB_MAX + 1, 1, 1, 0 }, NULL, 0 },
    { "a u32 of exactly its limit is taken", MSG_TYPE_TASK_RETURN, MUSTER_OK, "84481t",
      { 1, TASKS_PER_JOB_MAX, 1, 1, 0 }, NULL, 0 },
    { "a choice of exactly the last is taken", MSG_TYPE_TASK_RETURN, MUSTER_OK, "84481t",
      { 1, 0, 1, 1, RETURN_COUNT - 1 }, NULL, 0 },
    { "a choice that does not exist", MSG_TYPE_TASK_RETURN, MUSTER_ERR_INVALID, "84481t",
      { 1, 0, 1, 1, RETURN_COUNT }, NULL, 0 },
    { "a yes or no that is 2", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "41", { 0, 2 }, NULL, 0 },
    { "a yes or no that is 255", MSG_TYPE_DRAIN_SET, MUSTER_ERR_INVALID, "41", { 0, 255 },
      NULL, 0 },

    /* lists */
    { "an empty list is taken", MSG_TYPE_JOB_CANCEL, MUSTER_OK, "81144", { 1, 0, 0, 0, 0 },
      NULL, 0 },
    { "a list of one item is taken", MSG_TYPE_JOB_CANCEL, MUSTER_OK, "8114444",
      { 1, 0, 0, 1, 8, 3, 4 }, NULL, 0 },
    { "a count without items", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "81144", { 1, 0, 0, 1, 0 },
      NULL, 0 },
    { "items without a count", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "8114444",
      { 1, 0, 0, 0, 8, 3, 4 }, NULL, 0 },
    { "a count one too large", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "8114444",
      { 1, 0, 0, 2, 8, 3, 4 }, NULL, 0 },
    { "a count one too small", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "811444444",
      { 1, 0, 0, 1, 16, 3, 4, 5, 6 }, NULL, 0 },
    { "bytes that end inside an item", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "811444",
      { 1, 0, 0, 1, 4, 3 }, NULL, 0 },
    { "a byte between the last item and the end of the list", MSG_TYPE_JOB_CANCEL,
      MUSTER_ERR_INVALID, "81144441", { 1, 0, 0, 1, 9, 3, 4, 0 }, NULL, 0 },
    { "a list that goes on behind the body", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "811444",
      { 1, 0, 0, 1, 8, 3 }, NULL, 0 },
    { "an item over its limit", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "8114444",
      { 1, 0, 0, 1, 8, 3, TASKS_PER_JOB_MAX + 1 }, NULL, 0 },
    { "a list of exactly its limit is taken", MSG_TYPE_JOB_CANCEL, MUSTER_OK, "811t",
      { 1, 0, 0, RANGES_MAX * 8 }, RAW("\x00\x04\x00\x00") },
    { "a list one item over its limit", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "811t",
      { 1, 0, 0, (RANGES_MAX + 1) * 8 }, RAW("\x01\x04\x00\x00") },
    { "a count of 4 Gi - 1", MSG_TYPE_JOB_CANCEL, MUSTER_ERR_INVALID, "81144",
      { 1, 0, 0, UINT32_MAX, 0 }, NULL, 0 },
};

static void
body_build(struct buffer *out, const struct story *row)
{
    size_t number = 0;

    for (const char *letter = row->script; *letter != '\0'; letter++) {
        if (*letter == 'p') {
            buffer_append(out, row->pattern, row->pattern_bytes);
        } else if (*letter == 't') {
            size_t bytes = row->numbers[number++];

            if (row->pattern != NULL)
                buffer_append(out, row->pattern, row->pattern_bytes);
            write_u32(out, (uint32_t)bytes);
            memset(buffer_extend(out, bytes), row->pattern != NULL ? 0 : 'x', bytes);
        } else {
            uint64_t value = row->numbers[number++];

            for (int byte = 0; byte < *letter - '0'; byte++)
                write_u8(out, (uint8_t)(value >> (8 * byte)));
        }
    }
}

static void
test_reject(void **state)
{
    const struct story *row = *state;
    struct buffer       body = { 0 };
    union wire_any      got;

    body_build(&body, row);
    assert_int_equal(wire_decode_any(row->type, buffer_slice(&body), &got), row->expected);
    buffer_free(&body);
}

struct priority_story {
    const char *story;
    int32_t     priority;
    muster_err  expected;
};

static const struct priority_story priorities[] = {
    { "the highest priority is taken", PRIORITY_MAX, MUSTER_OK },
    { "the lowest priority is taken", -PRIORITY_MAX, MUSTER_OK },
    { "a priority one too high", PRIORITY_MAX + 1, MUSTER_ERR_INVALID },
    { "a priority one too low", -PRIORITY_MAX - 1, MUSTER_ERR_INVALID },
    { "the most negative number", INT32_MIN, MUSTER_ERR_INVALID },
};

/* Where `priority` lies in a JOB_SUBMIT without a name: behind the dedup key,
 * the hash, the empty name, the source and the count. */
enum { PRIORITY_OFFSET = 8 + 8 + 8 + 4 + 1 + 4 };

static void
test_priority(void **state)
{
    const struct priority_story *row = *state;
    struct buffer                body = { 0 };
    struct msg_job_submit        submit = { 0 };
    struct msg_job_submit        got;

    wire_put_msg_job_submit(&body, &submit);
    write_u32_at(&body, PRIORITY_OFFSET, (uint32_t)row->priority);
    assert_int_equal(wire_decode_job_submit(buffer_slice(&body), &got), row->expected);
    if (row->expected == MUSTER_OK)
        assert_int_equal(got.priority, row->priority);
    buffer_free(&body);
}

int
main(void)
{
    return STORIES("rejects", rejects, test_reject) +
           STORIES("priorities", priorities, test_priority);
}
