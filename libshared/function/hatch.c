/* hatch.c - see hatch.h */
#include "hatch.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HATCH_BYTES_MAX = 17 + TEXT_BYTES_MAX };

union control {
    char           bytes[CMSG_SPACE(HATCH_FDS * sizeof(int))];
    struct cmsghdr align;
};

static bool
send_bytes(int socket, int flags, struct slice bytes, const int *fds)
{
    union control   control = { 0 };
    struct iovec    part = { (void *)(uintptr_t)bytes.data, bytes.bytes };
    struct msghdr   message = { .msg_iov = &part, .msg_iovlen = 1 };
    struct cmsghdr *head;

    if (fds != NULL) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(HATCH_FDS * sizeof(int));
        memcpy(CMSG_DATA(head), fds, HATCH_FDS * sizeof(int));
    }
    while (sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0) {
        if (errno != EINTR)
            return false;
    }
    return true;
}

bool
hatch_send(int socket, int flags, const struct hatch *message, const int *fds)
{
    struct buffer bytes = { 0 };
    bool          sent;

    write_u8(&bytes, (uint8_t)message->kind);
    write_u64(&bytes, message->child);
    write_i32(&bytes, message->number);
    write_bytes(&bytes, slice_cut(message->text, 0, TEXT_BYTES_MAX));
    sent = send_bytes(socket, flags, buffer_slice(&bytes), fds);
    buffer_free(&bytes);
    return sent;
}

static bool
decode(struct slice bytes, struct hatch *message_out)
{
    struct reader in = reader_of(bytes);
    struct hatch  message = { 0 };

    message.kind = (enum hatch_kind)read_u8(&in);
    message.child = read_u64(&in);
    message.number = read_i32(&in);
    message.text = read_bytes(&in, TEXT_BYTES_MAX);
    if (!read_ended(&in))
        return false;
    *message_out = message;
    return true;
}

/* The descriptors that came; false: not as many as there should be (they are closed). */
static bool
take_fds(struct msghdr *message, int fds_out[HATCH_FDS])
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    /* Space is rounded up: one more may come than was meant to. */
    int             fds[sizeof(union control) / sizeof(int)];
    size_t          count;

    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        return false;
    count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(head), count * sizeof(int));
    if (count == HATCH_FDS) {
        memcpy(fds_out, fds, HATCH_FDS * sizeof(int));
        return true;
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return false;
}

int
hatch_receive(int socket, int flags, struct hatch *message_out, int fds_out[HATCH_FDS])
{
    static uint8_t bytes[HATCH_BYTES_MAX + 1];
    union control  control;
    struct iovec   part = { bytes, sizeof(bytes) };
    struct msghdr  message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                               .msg_controllen = sizeof(control.bytes) };
    ssize_t        got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    int            fds[HATCH_FDS] = { -1, -1, -1 };
    bool           came, good;

    /* ECONNRESET, once: it died with something of ours unread; its last words follow. */
    if (got < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? 0 : -1;
    came = take_fds(&message, fds);
    good = got > 0 && decode(slice_of(bytes, (size_t)got), message_out) &&
           came == (message_out->kind == HATCH_MAKE) && (!came || fds_out != NULL);
    if (good && came)
        memcpy(fds_out, fds, sizeof(fds));
    for (int i = 0; i < HATCH_FDS && came && !good; i++)
        close(fds[i]);
    return good ? 1 : -1;
}
