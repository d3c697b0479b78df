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

void
capture_end(struct capture *capture)
{
    uint64_t kept = capture->limit;

    if (capture->lost)
        kept = capture->memory.bytes;
    if (capture->written > kept)
        snprintf(capture->mark, sizeof(capture->mark), "\n... %llu bytes cut ...\n",
                 (unsigned long long)(capture->written - kept));
    /* What memory keeps must be the beginning of what is kept. */
    if (capture->mark[0] != 0 && !capture->lost && capture->memory.bytes > head_max(capture))
        capture->memory.bytes = head_max(capture);
}

static uint32_t
mark_bytes(const struct capture *capture)
{
    uint32_t bytes = 0;

    while (capture->mark[bytes] != 0)
        bytes++;
    return bytes;
}

/* Where the mark stands in what is kept. */
static uint32_t
mark_at(const struct capture *capture)
{
    if (capture->mark[0] == 0)
        return UINT32_MAX;
    return capture->lost ? (uint32_t)capture->memory.bytes : head_max(capture);
}

uint32_t
capture_kept(const struct capture *capture)
{
    if (capture->mark[0] == 0)
        return (uint32_t)capture->written;
    if (capture->lost)
        return (uint32_t)capture->memory.bytes + mark_bytes(capture);
    return capture->limit + mark_bytes(capture);
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

/* Bytes of head or tail in one piece: how many, and where they lie in the file. */
static uint32_t
piece_at(const struct capture *capture, uint32_t offset, uint64_t *place_out)
{
    uint32_t head = head_max(capture), tail = tail_max(capture);
    uint32_t turned, at;

    if (capture->mark[0] == 0 || offset < head) {
        uint32_t end = capture->mark[0] == 0 ? (uint32_t)capture->written : head;

        *place_out = offset;
        return end - offset;
    }
    at = offset - head - mark_bytes(capture);
    turned = (uint32_t)((capture->written - head) % tail);     /* the oldest byte of the ring */
    *place_out = head + (turned + at) % tail;
    return at < tail - turned ? tail - turned - at : tail - at;
}

bool
capture_read(const struct capture *capture, uint32_t offset, uint32_t bytes, struct buffer *out)
{
    uint32_t kept = capture_kept(capture), mark = mark_at(capture), marked = mark_bytes(capture);

    bytes = offset >= kept ? 0 : bytes < kept - offset ? bytes : kept - offset;
    while (bytes > 0) {
        uint64_t place;
        uint32_t now;

        if (offset >= mark && offset - mark < marked) {
            now = marked - (offset - mark);
            now = now < bytes ? now : bytes;
            buffer_append(out, capture->mark + (offset - mark), now);
        } else if (offset < capture->memory.bytes) {
            now = (uint32_t)capture->memory.bytes - offset;
            now = now < bytes ? now : bytes;
            buffer_append(out, capture->memory.data + offset, now);
        } else {
            now = piece_at(capture, offset, &place);
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
