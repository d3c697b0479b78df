/* test_hatch.c - messages between a worker and its hatchery */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hatch.h"
#include "stories.h"

static void
pair(int sockets[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
}

static void
test_message(void **state)
{
    struct hatch sent = { HATCH_GONE, 1ull << 50, -11, slice_text("text") }, got;
    int          sockets[2];

    (void)state;
    pair(sockets);
    assert_int_equal(hatch_receive(sockets[1], MSG_DONTWAIT, &got, NULL), 0);
    assert_true(hatch_send(sockets[0], 0, &sent, NULL));
    assert_int_equal(hatch_receive(sockets[1], 0, &got, NULL), 1);
    assert_int_equal(got.kind, HATCH_GONE);
    assert_true(got.child == sent.child);
    assert_int_equal(got.number, -11);
    assert_true(slice_equals_text(got.text, "text"));
    close(sockets[0]);
    assert_int_equal(hatch_receive(sockets[1], 0, &got, NULL), -1);
    close(sockets[1]);
}

static void
test_descriptors(void **state)
{
    struct hatch make = { .kind = HATCH_MAKE, .child = 1 }, got;
    int          sockets[2], ends[2], fds[HATCH_FDS];
    char         byte = 0;

    (void)state;
    pair(sockets);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(hatch_send(sockets[0], 0, &make, (const int[]){ ends[1], ends[1], ends[0] }));
    assert_int_equal(hatch_receive(sockets[1], 0, &got, fds), 1);
    assert_int_equal(write(fds[0], "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    for (int i = 0; i < HATCH_FDS; i++) {
        assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        close(fds[i]);
    }
    close(ends[0]);
    close(ends[1]);
    close(sockets[0]);
    close(sockets[1]);
}

/* Refused, and no descriptor is left open. */
static void
test_wrong(void **state)
{
    struct hatch make = { .kind = HATCH_MAKE, .child = 1 };
    struct hatch gone = { .kind = HATCH_GONE, .child = 1 }, got;
    int          sockets[2], fds[HATCH_FDS], before, after;

    (void)state;
    pair(sockets);
    before = dup(0);
    close(before);
    assert_true(hatch_send(sockets[0], 0, &make, NULL));
    assert_int_equal(hatch_receive(sockets[1], 0, &got, fds), -1);
    assert_true(hatch_send(sockets[0], 0, &gone, (const int[]){ 0, 0, 0 }));
    assert_int_equal(hatch_receive(sockets[1], 0, &got, fds), -1);
    assert_int_equal(send(sockets[0], "nonsense", 8, 0), 8);
    assert_int_equal(hatch_receive(sockets[1], 0, &got, fds), -1);
    after = dup(0);
    assert_int_equal(after, before);
    close(after);
    close(sockets[0]);
    close(sockets[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message), cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
