/* slot.c - the loop's side of a keeper */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "files.h"
#include "slot.h"

static void
close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

muster_err
slot_open(struct slot *slot, uint32_t number, const struct nursery *nursery,
          struct muster_error *error)
{
    int        fds[6] = { -1, -1, -1, -1, -1, -1 };   /* socket, out, err; each ours first */
    muster_err err;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ||
        pipe2(fds + 2, O_CLOEXEC) < 0 || pipe2(fds + 4, O_CLOEXEC) < 0 ||
        fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(fds[2], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(fds[4], F_SETFL, O_NONBLOCK) < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "make the pipes of slot %u", number);
        close_all(fds, 6);
        return err;
    }
    err = nursery_keeper(nursery, number, fds[1], fds[3], fds[5], error);
    close_all(fds + 1, 1);
    close_all(fds + 3, 1);
    close_all(fds + 5, 1);
    if (err) {
        close_all(fds, 6);
        return err;
    }
    *slot = (struct slot){ .number = number, .state = SLOT_NEW, .socket = fds[0],
                           .pipes = { fds[2], fds[4] } };
    return MUSTER_OK;
}

void
slot_close(struct slot *slot)
{
    if (slot->state == SLOT_CLOSED)
        return;
    close_all(&slot->socket, 1);
    close_all(slot->pipes, 2);
    slot->state = SLOT_CLOSED;
}

/* Strings that no datagram takes travel in a file without a name. */
static int
strings_fd(struct slice strings, struct muster_error *error)
{
    int fd = memfd_create("muster-order", MFD_CLOEXEC);

    if (fd < 0) {
        error_errno(error, MUSTER_ERR_IO, "make room for the arguments of a task");
        return -1;
    }
    if (file_write_fd(fd, strings, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

static ssize_t
order_send(int socket, const struct order *order, struct slice strings, const int *fds, int count)
{
    union {
        char           bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec   parts[2] = { { (void *)(uintptr_t)order, sizeof(*order) },
                                { (void *)(uintptr_t)strings.data, strings.bytes } };
    struct msghdr  message = { .msg_iov = parts, .msg_iovlen = strings.bytes > 0 ? 2 : 1 };
    ssize_t        sent;

    if (count > 0) {
        struct cmsghdr *head;

        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(head), fds, (size_t)count * sizeof(int));
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

muster_err
slot_run(struct slot *slot, struct order *order, struct slice strings, int stdin_fd,
         struct muster_error *error)
{
    int        fds[2], count = 0, passed = -1;
    ssize_t    sent;
    muster_err err = MUSTER_OK;

    assert(slot->state == SLOT_IDLE || slot->state == SLOT_NEW);
    order->kind = ORDER_RUN;
    order->string_bytes = (uint32_t)strings.bytes;
    order->stdin_passed = stdin_fd >= 0;
    order->strings_passed = strings.bytes > ORDER_INLINE_BYTES_MAX;
    if (stdin_fd >= 0)
        fds[count++] = stdin_fd;
    if (order->strings_passed) {
        passed = strings_fd(strings, error);
        if (passed < 0)
            return error != NULL && error->code ? error->code : MUSTER_ERR_IO;
        fds[count++] = passed;
        strings = slice_of(NULL, 0);
    }
    sent = order_send(slot->socket, order, strings, fds, count);
    if (sent < 0)
        err = error_errno(error, MUSTER_ERR_IO, "send a task to the keeper of slot %u",
                          slot->number);
    else
        slot->state = SLOT_BUSY;
    if (passed >= 0)
        close(passed);
    return err;
}

void
slot_kill(const struct slot *slot, uint64_t task, bool hard)
{
    struct order order = { .kind = ORDER_KILL, .task = task, .hard = hard };

    if (slot->state == SLOT_BUSY)
        order_send(slot->socket, &order, slice_of(NULL, 0), NULL, 0);
}

int
slot_receive(struct slot *slot, struct report *report_out)
{
    ssize_t got;

    if (slot->state == SLOT_BROKEN)
        return 0;
    do
        got = recv(slot->socket, report_out, sizeof(*report_out), MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got != sizeof(*report_out)) {
        slot->state = SLOT_BROKEN;
        close_all(&slot->socket, 1);
        return -1;
    }
    if (report_out->kind == REPORT_READY)
        slot->keeper = report_out->pid;
    if ((report_out->kind == REPORT_READY && slot->state == SLOT_NEW) ||
        report_out->kind == REPORT_ENDED)
        slot->state = SLOT_IDLE;
    return 1;
}

void
slot_pipe_ended(struct slot *slot, unsigned stream)
{
    close_all(&slot->pipes[stream], 1);
}
