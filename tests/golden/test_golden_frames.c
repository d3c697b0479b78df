/* test_golden_frames.c - what a release sent is still read, and read as meant
 *
 *   test_golden_frames DIR
 *
 * DIR holds NAME.frame and NAME.txt of every message, made once by golden_make.
 *
 * 1. Each frame decodes, says what NAME.txt says, and encodes to the same bytes.
 * 2. Every message has its files and every file its message: none was removed.
 */
#include "stories.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "unit/wire/fill.h"

#include "dump.h"

static const char *golden_dir;

struct story {
    const char *story;         /* the message's name */
    uint16_t    type;
};

static const struct story messages[] = {
#define MESSAGE_STORY(NAME, name, code, from) { #NAME, code },
    WIRE_MESSAGES(MESSAGE_STORY)
};

static void
golden_read(const char *name, const char *ending, struct buffer *out)
{
    struct muster_error error = { 0 };
    struct buffer       path = { 0 };

    buffer_printf(&path, "%s/%s%s", golden_dir, name, ending);
    if (file_read(buffer_text(&path), FRAME_BYTES_MAX, out, &error) != MUSTER_OK)
        fail_msg("%s (a new message? make its files with golden_make)", error.detail);
    buffer_free(&path);
}

static void
test_message(void **state)
{
    const struct story *row = *state;
    struct buffer       golden = { 0 };
    struct buffer       text = { 0 };
    struct buffer       again = { 0 };
    struct buffer       said = { 0 };
    struct wire_frame   frame;
    struct wire_message message;
    uint32_t            count = 0;

    golden_read(row->story, ".frame", &golden);
    golden_read(row->story, ".txt", &text);
    assert_int_equal(wire_frame_open(buffer_slice(&golden), &frame), MUSTER_OK);
    wire_frame_begin(&again);
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        union wire_any m;

        assert_int_equal(message.type, row->type);
        assert_int_equal(wire_decode_any(message.type, message.body, &m), MUSTER_OK);
        dump_any(&said, message.type, &m);
        wire_put_any(&again, message.type, message.request, &m);
        count++;
    }
    assert_int_equal(wire_frame_next(&frame, &message), MUSTER_ERR_CLOSED);
    assert_int_equal(count, 2);
    wire_frame_end(&again, count);

    assert_string_equal(buffer_text(&said), buffer_text(&text));
    assert_true(slice_equal(buffer_slice(&again), buffer_slice(&golden)));
    buffer_free(&golden);
    buffer_free(&text);
    buffer_free(&again);
    buffer_free(&said);
}

static void
test_every_file_has_its_message(void **state)
{
    DIR           *dir = opendir(golden_dir);
    struct dirent *entry;
    size_t         files = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot != NULL && strcmp(dot, ".frame") == 0)
            files++;
    }
    closedir(dir);
    assert_int_equal(files, FILL_TYPES);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest whole[] = {
        cmocka_unit_test(test_every_file_has_its_message),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: test_golden_frames DIR\n");
        return 2;
    }
    golden_dir = argv[1];
    return STORIES("golden frames", messages, test_message) +
           cmocka_run_group_tests_name("the folder", whole, NULL, NULL);
}
