/* golden_make.c - write the golden frames of a release
 *
 *   golden_make DIR
 *
 * For each message DIR/NAME.frame, with two messages of that type, and
 * DIR/NAME.txt, what they say.  A file that exists is left alone: what a
 * release sent is history, and only a new message adds to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit/wire/fill.h"

#include "dump.h"

static bool
file_create(const char *dir, const char *name, const char *ending, struct slice bytes)
{
    struct buffer       path = { 0 };
    bool                good = true;
    int                 fd;

    buffer_printf(&path, "%s/%s%s", dir, name, ending);
    fd = open(buffer_text(&path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0) {
        good = write(fd, bytes.data, bytes.bytes) == (ssize_t)bytes.bytes;
        good = close(fd) == 0 && good;
    } else if (errno != EEXIST) {
        good = false;
    }
    if (!good)
        fprintf(stderr, "golden_make: %s: %s\n", buffer_text(&path), strerror(errno));
    buffer_free(&path);
    return good;
}

static bool
golden_make(const char *dir, uint16_t type)
{
    struct buffer frame = { 0 };
    struct buffer text = { 0 };
    bool          good;

    wire_frame_begin(&frame);
    for (uint64_t request = 1; request <= 2; request++) {
        struct fill    fill = { .mode = request == 1 ? FILL_LEAST : FILL_MIXED, .seed = type };
        union wire_any m;

        fill_any(&fill, type, &m);
        wire_put_any(&frame, type, request, &m);
        dump_any(&text, type, &m);
        fill_free(&fill);
    }
    wire_frame_end(&frame, 2);
    good = file_create(dir, wire_rule(type)->name, ".frame", buffer_slice(&frame)) &&
           file_create(dir, wire_rule(type)->name, ".txt", buffer_slice(&text));
    buffer_free(&frame);
    buffer_free(&text);
    return good;
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: golden_make DIR\n");
        return 2;
    }
    for (size_t i = 0; i < FILL_TYPES; i++) {
        if (!golden_make(argv[1], fill_types[i]))
            return 1;
    }
    return 0;
}
