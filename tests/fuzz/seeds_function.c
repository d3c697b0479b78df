/* seeds_function.c - write the seeds for what workers, hatcheries and children say
 *
 *   seeds_function DIR
 *
 * DIR/child_frame and DIR/hatch get one file per kind, and one with all frames in a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frames.h"
#include "hatch.h"

static const char *seeds_dir;

static void
seeds_fail(const char *path)
{
    fprintf(stderr, "seeds_function: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void
seeds_folder(const char *name)
{
    struct buffer path = { 0 };

    buffer_printf(&path, "%s/%s", seeds_dir, name);
    if (mkdir(buffer_text(&path), 0755) != 0 && errno != EEXIST)
        seeds_fail(buffer_text(&path));
    buffer_free(&path);
}

/* DIR/folder/number: `head`, then `rest`. */
static void
seeds_put(const char *folder, unsigned number, uint8_t head, struct slice rest)
{
    struct buffer path = { 0 };
    struct buffer bytes = { 0 };
    int           fd;

    write_u8(&bytes, head);
    buffer_append_slice(&bytes, rest);
    buffer_printf(&path, "%s/%s/%u", seeds_dir, folder, number);
    fd = open(buffer_text(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes.data, bytes.bytes) != (ssize_t)bytes.bytes || close(fd) != 0)
        seeds_fail(buffer_text(&path));
    buffer_free(&path);
    buffer_free(&bytes);
}

static void
seeds_frames(void)
{
    const struct frame frames[] = {
        { .kind = FRAME_START, .start = slice_text("node7") },
        { .kind = FRAME_SPEC, .spec = { 7, 1024, slice_text("a description") } },
        { .kind = FRAME_CALL, .call = { 1, 2, 3, slice_text("an argument") } },
        { .kind = FRAME_CALL, .call = { UINT32_MAX, 0, 1, slice_text("") } },
        { .kind = FRAME_KEY, .key = { 1, slice_text("tcp://head:7717"), slice_text("/a/key") } },
        { .kind = FRAME_READY, .ready = { 4711, slice_text("") } },
        { .kind = FRAME_READY, .ready = { 4711, slice_text("no table") } },
        { .kind = FRAME_DATA, .data = { 1, 0, slice_text("a part of a result") } },
        { .kind = FRAME_DATA, .data = { 1, 1, slice_text("a line of a log\n") } },
        { .kind = FRAME_RESULT, .result = { .call = 1, .started_us = 5, .wall_us = 6,
                                            .cpu_us = 7, .rss_bytes = 8,
                                            .out = slice_text("1764") } },
        { .kind = FRAME_RESULT, .result = { .call = 2, .failed = 1,
                                            .reason = slice_text("not a number"),
                                            .out = slice_text("") } },
    };
    struct buffer all = { 0 };
    unsigned      count = sizeof(frames) / sizeof(frames[0]);

    for (unsigned i = 0; i < count; i++) {
        struct buffer one = { 0 };

        frame_put(&one, &frames[i]);
        buffer_append_slice(&all, buffer_slice(&one));
        seeds_put("child_frame", i, (uint8_t)i, buffer_slice(&one));
        buffer_free(&one);
    }
    seeds_put("child_frame", count, 9, buffer_slice(&all));
    buffer_free(&all);
}

static void
seeds_hatches(void)
{
    static const struct { enum hatch_kind kind; const char *text; int32_t number; } rows[] = {
        { HATCH_LOADING, "/usr/lib/square.so", 0 }, { HATCH_NAME, "square", 0 },
        { HATCH_READY, "", HATCH_VERSION }, { HATCH_REFUSED, "no function in it", 0 },
        { HATCH_GONE, "", -11 }, { HATCH_MAKE, "", 0 }, { HATCH_KILL, "", 9 },
        { HATCH_LIST, "", 0 },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer bytes = { 0 };
        uint8_t       fds = rows[i].kind == HATCH_MAKE ? HATCH_FDS : 0;

        write_u8(&bytes, (uint8_t)rows[i].kind);
        write_u64(&bytes, i);
        write_i32(&bytes, rows[i].number);
        write_bytes(&bytes, slice_text(rows[i].text));
        seeds_put("hatch", i, fds, buffer_slice(&bytes));
        buffer_free(&bytes);
    }
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seeds_function DIR\n");
        return 2;
    }
    seeds_dir = argv[1];
    seeds_folder("");
    seeds_folder("child_frame");
    seeds_folder("hatch");
    seeds_frames();
    seeds_hatches();
    return 0;
}
