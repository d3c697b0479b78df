/* fuzz_hatch.c - one packet between a worker and its hatchery
 *
 * The first byte says how many descriptors come with it, and whether the reader takes
 * any.  What is taken can be sent again and is the same; a descriptor that is not taken
 * is closed.
 */
#include "fuzz.h"
#include "hatch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = HATCH_FDS + 1 };      /* one more than fit */

static int sockets[2], spare;

static void
once(void)
{
    if (spare > 0)
        return;
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (spare < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        abort();
}

/* The lowest free descriptor: it is the same again when none was left open. */
static int
lowest_free(void)
{
    int fd = dup(spare);

    assert(fd >= 0);
    close(fd);
    return fd;
}

static void
send_packet(struct slice bytes, size_t fd_count)
{
    union {
        char           bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec  part = { (void *)(uintptr_t)bytes.data, bytes.bytes };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (fd_count > 0) {
        struct cmsghdr *head = &control.align;
        int             fds[FDS_MAX] = { spare, spare, spare, spare };

        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    }
    if (sendmsg(sockets[0], &message, 0) < 0)
        abort();
}

/* Take what lies there, and close its descriptors. */
static int
receive(struct hatch *message_out, bool takes)
{
    int fds[HATCH_FDS] = { -1, -1, -1 };
    int got = hatch_receive(sockets[1], MSG_DONTWAIT, message_out, takes ? fds : NULL);

    for (int i = 0; i < HATCH_FDS; i++) {
        assert((fds[i] >= 0) == (got == 1 && message_out->kind == HATCH_MAKE));
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return got;
}

static void
check_again(const struct hatch *message)
{
    const int    fds[HATCH_FDS] = { spare, spare, spare };
    char         text[TEXT_BYTES_MAX];
    struct hatch first = *message, second;
    bool         sent;
    int          got;

    memcpy(text, first.text.data, first.text.bytes);      /* it lives until the next call */
    first.text.data = text;
    sent = hatch_send(sockets[0], 0, &first, first.kind == HATCH_MAKE ? fds : NULL);
    got = receive(&second, true);
    assert(sent && got == 1);
    assert(second.kind == first.kind && second.child == first.child &&
           second.number == first.number && slice_equal(second.text, first.text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct hatch message;
    size_t       fd_count = bytes > 0 ? data[0] % (FDS_MAX + 1) : 0;
    bool         takes = bytes > 0 && (data[0] & 0x80) == 0;
    int          got, free_before, free_after;

    /* A packet of nothing is the end of the stream. */
    if (bytes < 2 || bytes > 64 * KIB)
        return 0;
    once();
    free_before = lowest_free();
    send_packet(slice_of(data + 1, bytes - 1), fd_count);
    got = receive(&message, takes);
    assert(got == 1 || got == -1);
    if (got == 1)
        check_again(&message);
    free_after = lowest_free();
    assert(free_before == free_after);
    return 0;
}
