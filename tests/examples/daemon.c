/* daemon.c - a daemonic process ends with the session that started it */
#include "example.h"

int
main(void)
{
    static const char *const            args[] = { "sleep", "1000", NULL };
    const struct muster_process_options options = { .args = args, .daemon = true };
    struct muster_process              *process = NULL;
    struct muster_future               *future = NULL;
    struct muster_session              *starter;
    struct muster_task_id               id;

    example_begin(NO_FUNCTIONS);
    starter = session;
    CHECK(muster_process_new(starter, &options, &process, &error));
    printf("daemon: %s\n", muster_process_daemon(process) ? "True" : "False");
    CHECK(muster_process_start(process, CALL_MS, &error));
    id = muster_process_id(process);
    muster_process_free(process);
    muster_session_close(starter);          /* what in Python is the end of the parent */

    example_open(muster_fleet_address(fleet), muster_fleet_authkey_file(fleet));
    CHECK(muster_future_open(session, id, CALL_MS, &future, &error));
    CHECK(muster_future_wait(future, MUSTER_FOREVER, &error));
    printf("gone with its parent: %s\n", muster_future_cancelled(future) ? "True" : "False");
    muster_future_free(future);
    example_end();
    return 0;
}
