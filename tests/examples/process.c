/* process.c - parent and child: names, pids, exit codes */
#include <unistd.h>

#include "example.h"

MUSTER_FUNCTION(greet)
{
    muster_call_log(call, "child %s: hello %s", muster_call_env(call, "MUSTER_PROCESS_NAME"),
                    muster_call_text(call));
    exit(3);
}

int
main(int argc, char **argv)
{
    struct muster_process *process;
    char                   worker[65];
    uint32_t               pid;
    int32_t                exitcode;
    bool                   ended;

    example_begin(argv[argc - 1]);
    process = example_start("greeter", "greet", "ada");
    printf("parent started %s\n", muster_process_name(process));
    CHECK(muster_process_join(process, MUSTER_FOREVER, &error));
    CHECK(muster_process_pid(process, CALL_MS, &pid, worker, &error));
    CHECK(muster_process_exitcode(process, CALL_MS, &ended, &exitcode, &error));
    printf("a pid of its own: %s\n", pid != (uint32_t)getpid() ? "True" : "False");
    printf("exit code: %d\n", exitcode);
    example_finish(process);
    example_end();
    return 0;
}
