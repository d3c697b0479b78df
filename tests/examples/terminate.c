/* terminate.c - terminate and is_alive, of a command */
#include "example.h"

static void
show(const char *when, struct muster_process *process)
{
    bool alive = false;

    CHECK(muster_process_is_alive(process, CALL_MS, &alive, &error));
    printf("%s: alive %s\n", when, alive ? "True" : "False");
}

int
main(void)
{
    static const char *const            args[] = { "sleep", "1000", NULL };
    const struct muster_process_options options = { .args = args };
    struct muster_process              *process = NULL;
    char                                worker[65];
    uint32_t                            pid = 0;
    int32_t                             exitcode = 0;
    bool                                ended = false;

    example_begin(NO_FUNCTIONS);
    CHECK(muster_process_new(session, &options, &process, &error));
    CHECK(muster_process_start(process, CALL_MS, &error));
    while (pid == 0)                        /* until it runs: it is on another machine */
        CHECK(muster_process_pid(process, CALL_MS, &pid, worker, &error));
    show("started", process);
    CHECK(muster_process_terminate(process, CALL_MS, &error));
    CHECK(muster_process_join(process, MUSTER_FOREVER, &error));
    show("terminated", process);
    CHECK(muster_process_exitcode(process, CALL_MS, &ended, &exitcode, &error));
    printf("exit code: %d\n", exitcode);
    muster_process_free(process);
    example_end();
    return 0;
}
