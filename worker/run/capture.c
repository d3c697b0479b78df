/* capture.c - one output stream of one task: head and tail kept, bounded
 *
 * The file holds the head at [0, head_max) and behind it the tail as a ring of
 * tail_max bytes: byte number n >= head_max of the stream lies at
 * head_max + (n - head_max) % tail_max.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture.h"

static uint32_t
head_max(const struct capture *capture)
{
    return capture->limit - capture->limit / 2;
}

static uint32_t
tail_max(const struct capture *capture)
{
    return capture->limit / 2;
}

void
capture_start(struct capture *capture, uint32_t limit)
{
    struct buffer memory = capture->memory;

    assert(limit > 0);
    buffer_clear(&memory);
    *capture = (struct capture){ .limit = limit, .memory = memory, .file = -1 };
}

static bool
write_all(int fd, const uint8_t *data, size_t bytes, uint64_t offset)
{
    while (bytes > 0) {
        ssize_t wrote = pwrite(fd, data, bytes, (off_t)offset);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        data += wrote;
        offset += (uint64_t)wrote;
        bytes -= (size_t)wrote;
    }
    return true;
}

/* Place bytes of the stream from number `from` on; bytes that later ones of the
 * same call would overwrite are left out by the caller. */
static bool
file_place(const struct capture *capture, struct slice bytes, uint64_t from)
{
    const uint8_t *data = bytes.data;
    size_t         left = bytes.bytes;

    while (left > 0) {
        uint64_t head = head_max(capture), tail = tail_max(capture);
        uint64_t place = from < head ? from : head + (from - head) % tail;
        uint64_t room = from < head ? head - from : head + tail - place;
        size_t   now = left < room ? left : (size_t)room;

        if (!write_all(capture->file, data, now, place))
            return false;
        data += now;
        from += now;
        left -= now;
    }
    return true;
}

static void
file_make(struct capture *capture, const char *folder)
{
    capture->file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (capture->file < 0) {
        char path[4200];          /* not every file system knows O_TMPFILE */

        snprintf(path, sizeof(path), "%s/output-XXXXXX", folder);
        capture->file = mkostemp(path, O_CLOEXEC);
        if (capture->file >= 0)
            unlink(path);
    }
    if (capture->file < 0 || !file_place(capture, buffer_slice(&capture->memory), 0))
        capture->lost = true;
}

void
capture_add(struct capture *capture, struct slice bytes, const char *folder)
{
    uint64_t from = capture->written;
    size_t   room = CAPTURE_MEMORY < capture->limit ? CAPTURE_MEMORY : capture->limit;
    uint64_t skip = 0;

    room = room > capture->memory.bytes ? room - capture->memory.bytes : 0;
    capture->written += bytes.bytes;
    if (bytes.bytes <= room) {
        buffer_append_slice(&capture->memory, bytes);
        return;
    }
    if (capture->file < 0 && !capture->lost)
        file_make(capture, folder);
    if (room > 0)
        buffer_append_slice(&capture->memory, slice_cut(bytes, 0, room));
    if (capture->lost)
        return;
    /* Of a piece larger than the ring only its end matters, behind the head. */
    if (tail_max(capture) == 0) {
        bytes = slice_cut(bytes, 0, from < head_max(capture) ? head_max(capture) - from : 0);
    } else if (from >= head_max(capture) && bytes.bytes > tail_max(capture)) {
        skip = bytes.bytes - tail_max(capture);
    }
    if (!file_place(capture, slice_cut(bytes, skip, bytes.bytes), from + skip))
        capture->lost = true;
}

/* How many bytes the line takes depends on the number in it, which depends on
 * how many bytes the line takes; two rounds settle it. */
static void
mark_make(struct capture *capture)
{
    uint32_t head = capture->lost ? (uint32_t)capture->memory.bytes : head_max(capture);
    uint32_t tail = capture->lost ? 0 : tail_max(capture);

    capture->tail_bytes = tail;
    for (int round = 0; round < 2; round++) {
        capture->mark_bytes = (uint32_t)snprintf(
            capture->mark, sizeof(capture->mark), "\n... %llu bytes cut ...\n",
            (unsigned long long)(capture->written - head - capture->tail_bytes));
        if (tail >= 2 * capture->mark_bytes)
            capture->tail_bytes = tail - capture->mark_bytes;
    }
    capture->mark_at = head;
}

/* What memory holds is the beginning of what is kept, mark and all. */
static void
memory_settle(struct capture *capture)
{
    uint32_t kept = capture_kept(capture);
    uint32_t wanted = kept < CAPTURE_MEMORY ? kept : CAPTURE_MEMORY;

    if (capture->memory.bytes > capture->mark_at)
        capture->memory.bytes = capture->mark_at;
    if (!capture_read(capture, (uint32_t)capture->memory.bytes,
                      wanted - (uint32_t)capture->memory.bytes, &capture->memory))
        capture->lost = true;
}

void
capture_end(struct capture *capture)
{
    uint64_t kept = capture->lost ? capture->memory.bytes : capture->limit;

    if (capture->written <= kept)
        return;
    mark_make(capture);
    memory_settle(capture);
}

uint32_t
capture_kept(const struct capture *capture)
{
    if (capture->mark_bytes == 0)
        return (uint32_t)capture->written;
    return capture->mark_at + capture->mark_bytes + capture->tail_bytes;
}

struct slice
capture_inline(const struct capture *capture)
{
    return buffer_slice(&capture->memory);
}

static bool
read_all(int fd, uint64_t offset, size_t bytes, struct buffer *out)
{
    uint8_t *to = buffer_extend(out, bytes);

    while (bytes > 0) {
        ssize_t got = pread(fd, to, bytes, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return true;
}

/* A piece of the stream from byte `number` on: where it lies in the file, and
 * how much of it lies there in one piece. */
static uint32_t
piece_at(const struct capture *capture, uint64_t number, uint64_t *place_out)
{
    uint32_t head = head_max(capture), tail = tail_max(capture), turned;

    *place_out = number;
    if (number < head)
        return head - (uint32_t)number;
    turned = (uint32_t)((number - head) % tail);
    *place_out = head + turned;
    return tail - turned;
}

/* The number in the stream of what lies behind the mark. */
static uint64_t
number_behind(const struct capture *capture, uint32_t offset)
{
    if (capture->mark_bytes == 0 || offset < capture->mark_at)
        return offset;
    return capture->written - capture->tail_bytes +
           (offset - capture->mark_at - capture->mark_bytes);
}

bool
capture_read(const struct capture *capture, uint32_t offset, uint32_t bytes, struct buffer *out)
{
    uint32_t kept = capture_kept(capture), mark = capture->mark_at;

    bytes = offset >= kept ? 0 : bytes < kept - offset ? bytes : kept - offset;
    while (bytes > 0) {
        uint32_t now;

        if (offset < capture->memory.bytes && out != &capture->memory) {
            now = (uint32_t)capture->memory.bytes - offset;
            now = now < bytes ? now : bytes;
            buffer_append(out, capture->memory.data + offset, now);
        } else if (offset >= mark && offset - mark < capture->mark_bytes) {
            now = capture->mark_bytes - (offset - mark);
            now = now < bytes ? now : bytes;
            buffer_append(out, capture->mark + (offset - mark), now);
        } else {
            uint64_t place;

            now = piece_at(capture, number_behind(capture, offset), &place);
            if (capture->mark_bytes > 0 && offset < mark && now > mark - offset)
                now = mark - offset;
            now = now < bytes ? now : bytes;
            if (capture->file < 0 || !read_all(capture->file, place, now, out))
                return false;
        }
        offset += now;
        bytes -= now;
    }
    return true;
}

void
capture_free(struct capture *capture)
{
    if (capture->file >= 0)
        close(capture->file);
    buffer_free(&capture->memory);
    *capture = (struct capture){ .file = -1 };
}
