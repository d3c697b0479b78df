/* pipe.c - two programs talk: both ways, and one way to the end */
#include "example.h"

MUSTER_FUNCTION(answer)
{
    const struct muster_open  open = { .name = "talk" };
    struct muster_connection *end = NULL;
    struct muster_bytes       message;

    example_join(call);
    CHECK(muster_pipe_attach(session, &open, 1, CALL_MS, &end, &error));
    CHECK(muster_connection_receive(end, 0, CALL_MS, &message, &error));
    CHECK(muster_connection_send(end, "fine, thanks", 12, CALL_MS, &error));
    muster_call_log(call, "child heard: %s", (const char *)message.data);
    muster_bytes_free(&message);
    muster_connection_close(end);
}

MUSTER_FUNCTION(count)
{
    const struct muster_open  open = { .name = "numbers" };
    struct muster_connection *end = NULL;

    example_join(call);
    CHECK(muster_pipe_attach(session, &open, 1, CALL_MS, &end, &error));
    for (char digit = '1'; digit <= '3'; digit++)
        CHECK(muster_connection_send(end, &digit, 1, CALL_MS, &error));
    muster_connection_close(end);
}

static void
both_ways(void)
{
    const struct muster_open  open = { .name = "talk" };
    struct muster_connection *ends[2];
    struct muster_process    *child;
    struct muster_bytes       message;

    CHECK(muster_pipe_open(session, &open, true, CALL_MS, ends, &error));
    child = example_start("child", "answer", "");
    CHECK(muster_connection_send(ends[0], "how are you?", 12, CALL_MS, &error));
    CHECK(muster_connection_receive(ends[0], 0, CALL_MS, &message, &error));
    printf("parent heard: %s\n", (const char *)message.data);
    muster_bytes_free(&message);
    example_finish(child);
    muster_connection_close(ends[0]);
    muster_connection_close(ends[1]);
}

static void
one_way(void)
{
    const struct muster_open  open = { .name = "numbers" };
    struct muster_connection *ends[2];
    struct muster_process    *child;
    struct muster_bytes       message;
    bool                      first = true;

    CHECK(muster_pipe_open(session, &open, false, CALL_MS, ends, &error));
    child = example_start("child", "count", "");
    while (muster_connection_receive(ends[0], 0, CALL_MS, &message, &error) == MUSTER_OK) {
        printf("received %s\n", (const char *)message.data);
        muster_bytes_free(&message);
        if (first)                      /* the child has its end now: ours is not needed */
            muster_connection_close(ends[1]);
        first = false;
    }
    printf("%s\n", error.code == MUSTER_ERR_END ? "end of file" : error.detail);
    example_finish(child);
    muster_connection_close(ends[0]);
}

int
main(int argc, char **argv)
{
    example_begin(argv[argc - 1]);
    both_ways();
    one_way();
    example_end();
    return 0;
}
