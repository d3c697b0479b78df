/* child.c - see child.h */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hatch.h"

/* ---- open and close ---- */

static void
close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* A file in memory that is written behind its end, by whoever writes. */
static int
output_make(void)
{
    int fd = memfd_create("muster-output", MFD_CLOEXEC);

    if (fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

muster_err
child_open(struct child *child, uint64_t number, int hatchery, const char *worker,
           struct muster_error *error)
{
    struct hatch wish = { .kind = HATCH_MAKE, .child = number };
    struct frame start = { .kind = FRAME_START, .start = slice_text(worker) };
    int          sockets[2] = { -1, -1 }, page = -1, output = output_make();
    muster_err   err = page_make(&page, error);
    struct page *mapped = err ? NULL : page_map(page);

    if (!err && (mapped == NULL || output < 0 ||
                 socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0 ||
                 fcntl(sockets[0], F_SETFL, O_NONBLOCK) < 0))
        err = error_errno(error, MUSTER_ERR_IO, "make what a function's child needs");
    if (!err && !hatch_send(hatchery, MSG_DONTWAIT, &wish,
                            (const int[]){ sockets[1], page, output }))
        err = error_errno(error, MUSTER_ERR_IO, "ask for a child that runs functions");
    close_all(&sockets[1], 1);
    close_all(&page, 1);
    if (err) {
        close_all(&sockets[0], 1);
        close_all(&output, 1);
        page_unmap(mapped);
        return err;
    }
    *child = (struct child){ .number = number, .state = CHILD_NEW, .socket = sockets[0],
                             .output = output, .page = mapped, .next = 1 };
    frame_put(&child->out, &start);
    return MUSTER_OK;
}

void
child_close(struct child *child)
{
    if (child->state == CHILD_CLOSED)
        return;
    close_all(&child->socket, 1);
    close_all(&child->output, 1);
    page_unmap(child->page);
    buffer_free(&child->out);
    buffer_free(&child->in);
    *child = (struct child){ .socket = -1, .output = -1 };
}

/* ---- to the child ---- */

void
child_spec(struct child *child, const struct frame_spec *spec)
{
    frame_put(&child->out, &(struct frame){ .kind = FRAME_SPEC, .spec = *spec });
}

void
child_key(struct child *child, const char *address, const char *path)
{
    frame_put(&child->out, &(struct frame){ .kind = FRAME_KEY,
                                            .key = { child->next, slice_text(address),
                                                     slice_text(path) } });
}

uint32_t
child_call(struct child *child, uint32_t index, uint32_t attempt, struct slice argument)
{
    struct frame frame = { .kind = FRAME_CALL, .call = { child->next, index, attempt, argument } };

    frame_put(&child->out, &frame);
    return child->next++;
}

void
child_finish(struct child *child)
{
    child->finish = true;
    if (child->state == CHILD_READY)
        child->state = CHILD_LEAVING;
}

bool
child_flush(struct child *child)
{
    while (child->out_at < child->out.bytes) {
        ssize_t sent = send(child->socket, child->out.data + child->out_at,
                            child->out.bytes - child->out_at, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0)                  /* it is dead: the hatchery will say so */
            child->out_at = child->out.bytes;
        else
            child->out_at += (size_t)sent;
    }
    buffer_clear(&child->out);
    child->out_at = 0;
    if (child->out.capacity > FRAME_OUT_BYTES_MAX * 4)
        buffer_free(&child->out);
    if (child->finish)
        shutdown(child->socket, SHUT_WR);
    return true;
}

uint32_t
child_take_back(struct child *child)
{
    return page_skip(child->page, child->next);
}

/* ---- from the child ---- */

void
child_hang_up(struct child *child)
{
    close_all(&child->socket, 1);
    child->socket = -1;
    child_finish(child);
}

bool
child_listen(struct child *child)
{
    char    bells[64];
    ssize_t got = child->socket < 0 ? -1 : recv(child->socket, bells, sizeof(bells), MSG_DONTWAIT);

    if (got == sizeof(bells))
        return false;                  /* it rings once until it is heard */
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        child_hang_up(child);          /* it is dead, or closed what is not its own */
    buffer_consume(&child->in, child->in_at);
    child->in_at = 0;
    return page_take(child->page, &child->in);
}

int
child_next(struct child *child, struct frame *frame_out)
{
    struct slice left = slice_of(child->in.data + child->in_at, child->in.bytes - child->in_at);
    size_t       wanted;
    long         bytes = frame_get(left, FRAME_OUT_BYTES_MAX, frame_out, &wanted);

    /* Frames are published whole: a part of one is none. */
    if (bytes < 0 || (bytes == 0 && left.bytes > 0))
        return -1;
    if (bytes == 0)
        return 0;
    child->in_at += (size_t)bytes;
    return 1;
}

uint64_t
child_printed_bytes(const struct child *child)
{
    struct stat st;

    return fstat(child->output, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

void
child_printed(const struct child *child, size_t bytes_max, struct buffer *out)
{
    uint64_t bytes = child_printed_bytes(child);
    uint64_t from = bytes > bytes_max ? bytes - bytes_max : 0;
    size_t   wanted = (size_t)(bytes - from);
    ssize_t  got;

    if (wanted == 0)
        return;
    got = pread(child->output, buffer_extend(out, wanted), wanted, (off_t)from);
    out->bytes -= wanted - (got > 0 ? (size_t)got : 0);
}
