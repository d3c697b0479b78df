/* join.c - join with and without time-out */
#include "example.h"

MUSTER_FUNCTION(wait_for_event)
{
    const struct muster_open open = { .name = "go" };
    struct muster_event     *event = NULL;

    example_join(call);
    CHECK(muster_event_open(session, &open, CALL_MS, &event, &error));
    CHECK(muster_event_wait(event, CALL_MS, &error));
    muster_event_close(event);
}

static void
show(const char *when, struct muster_process *process)
{
    bool alive = false;

    CHECK(muster_process_is_alive(process, CALL_MS, &alive, &error));
    printf("%s: alive %s\n", when, alive ? "True" : "False");
}

int
main(int argc, char **argv)
{
    const struct muster_open open = { .name = "go" };
    struct muster_event     *event = NULL;
    struct muster_process   *process;

    example_begin(argv[argc - 1]);
    CHECK(muster_event_open(session, &open, CALL_MS, &event, &error));
    process = example_start("sleeper", "wait_for_event", "");
    CHECK(muster_process_join(process, 200, &error));
    show("after join(0.2)", process);
    CHECK(muster_event_set(event, CALL_MS, &error));
    CHECK(muster_process_join(process, MUSTER_FOREVER, &error));
    show("after join()", process);
    muster_process_free(process);
    muster_event_close(event);
    example_end();
    return 0;
}
