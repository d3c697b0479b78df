/* pool_process.c - every promise about one process */
#include "pool.h"

#include <signal.h>

/* ---- target ---- */

static void
command(void)
{
    const char *const args[] = { "/bin/sh", "-c", "pwd; echo $COLOUR $1; cat; echo no >&2", "sh",
                                 "one", NULL };
    const char *const env[] = { "COLOUR=blue", NULL };
    struct muster_process_options options = { .args = args, .env = env, .cwd = "/",
                                              .data = "given\n", .bytes = 6 };
    struct muster_process *process = start_options(&options);

    CHECK(code_of(process) == 0);
    check_output(process, "/\nblue one\ngiven\n", "no\n");
    muster_process_free(process);
}

static void
function(void)
{
    struct muster_named           named[] = { { "k", "value", 5 } };
    struct muster_process_options square = { .function = "square", .data = "12", .bytes = 2 };
    struct muster_process_options with = { .function = "named", .data = "k", .bytes = 1,
                                           .named = named, .named_count = 1 };
    struct muster_process *process = start_options(&square);

    check_output(process, "144", NULL);
    CHECK(code_of(process) == 0);
    muster_process_free(process);
    process = start_options(&with);
    check_output(process, "value of 5 bytes", NULL);
    muster_process_free(process);
}

static void
target(void)
{
    const char *const             args[] = { "true", NULL };
    struct muster_process_options both = { .args = args, .function = "square" };
    struct muster_process_options neither = { 0 };
    struct muster_process        *process = NULL;

    GIVES(MUSTER_ERR_INVALID, muster_process_new(session, &both, &process, &error));
    GIVES(MUSTER_ERR_INVALID, muster_process_new(session, &neither, &process, &error));
}

static void
name(void)
{
    const char *const             args[] = { "true", NULL };
    struct muster_process_options plain = { .args = args };
    struct muster_process_options named = { .args = args, .name = "any text: \xc3\xa9!" };
    struct muster_process *a = new_process(&plain), *b = new_process(&plain);
    struct muster_process *c = new_process(&named), *d = new_process(&named);
    unsigned               first = 0, second = 0;

    CHECK(sscanf(muster_process_name(a), "Process-%u", &first) == 1 && first == 1);
    CHECK(sscanf(muster_process_name(b), "Process-%u", &second) == 1 && second == 2);
    CHECK(strcmp(muster_process_name(c), named.name) == 0);
    OK(muster_process_start(c, WAIT_MS, &error));
    OK(muster_process_start(d, WAIT_MS, &error));
    CHECK(muster_process_id(c).job != muster_process_id(d).job);
    GIVES(MUSTER_ERR_INVALID, muster_process_set_name(a, "", &error));
    OK(muster_process_set_name(a, "another", &error));
    CHECK(strcmp(muster_process_name(a), "another") == 0);
    CHECK(code_of(c) == 0 && code_of(d) == 0);
    muster_process_free(a);
    muster_process_free(b);
    muster_process_free(c);
    muster_process_free(d);
}

/* ---- start, join, is_alive ---- */

static void
start(void)
{
    struct muster_process *process = start_shell("exit 0");
    struct muster_session *other = connect_to(getenv("MUSTER_ADDRESS"),
                                              getenv("MUSTER_AUTHKEY_FILE"));
    struct muster_job_info info;

    GIVES(MUSTER_ERR_STATE, muster_process_start(process, WAIT_MS, &error));
    /* Another program sees it as soon as start returns. */
    OK(muster_job_get(other, muster_process_id(process).job, WAIT_MS, &info, &error));
    muster_job_info_free(&info);
    muster_session_close(other);
    CHECK(code_of(process) == 0);
    muster_process_free(process);
}

static void
join(void)
{
    const char *const             args[] = { "/bin/sh", "-c", "while :; do sleep 1; done", NULL };
    struct muster_process_options options = { .args = args };
    struct muster_process        *process = new_process(&options);
    char                          id[32];
    uint64_t                      before_ms;

    GIVES(MUSTER_ERR_STATE, muster_process_join(process, 10, &error));
    CHECK(!alive(process));
    OK(muster_process_start(process, WAIT_MS, &error));
    before_ms = now_ms();
    OK(muster_process_join(process, 200, &error));
    CHECK(now_ms() - before_ms >= 200);
    CHECK(alive(process));
    OK(muster_process_join(process, MUSTER_NO_WAIT, &error));
    CHECK(alive(process));

    /* As if this program were that process. */
    snprintf(id, sizeof(id), "%llu", (unsigned long long)muster_process_id(process).job);
    setenv("MUSTER_JOB_ID", id, 1);
    setenv("MUSTER_TASK_INDEX", "0", 1);
    GIVES(MUSTER_ERR_STATE, muster_process_join(process, 10, &error));
    unsetenv("MUSTER_JOB_ID");

    OK(muster_process_kill(process, WAIT_MS, &error));
    OK(muster_process_join(process, MUSTER_FOREVER, &error));
    CHECK(!alive(process));
    OK(muster_process_join(process, MUSTER_FOREVER, &error));
    muster_process_free(process);
}

static void
is_alive(void)
{
    const char            *go = in_folder(folder(), "go");
    char                   script[600];
    struct muster_process *process;

    snprintf(script, sizeof(script), "until [ -e %s ]; do sleep 0.02; done", go);
    process = start_shell(script);
    CHECK(alive(process));
    touch(go);
    EVENTUALLY(!alive(process));
    CHECK(code_of(process) == 0);
    muster_process_free(process);
}

/* ---- pid, exit code ---- */

static void
pid(void)
{
    const char *const             busy[] = { "/bin/sh", "-c", "echo $$; exec sleep 600", NULL };
    struct muster_process_options options = { .args = busy, .cpus_milli = 900000 };
    struct muster_process        *process = start_options(&options);
    char                          worker[65] = "x";
    uint32_t                      number = 7;

    /* No worker is so large: it waits. */
    OK(muster_process_pid(process, WAIT_MS, &number, worker, &error));
    CHECK(number == 0 && worker[0] == '\0');
    OK(muster_process_kill(process, WAIT_MS, &error));
    CHECK(code_of(process) == -SIGKILL);
    muster_process_free(process);

    options.cpus_milli = 0;
    process = start_options(&options);
    do {
        OK(muster_process_pid(process, WAIT_MS, &number, worker, &error));
    } while (number == 0 && poll(NULL, 0, 20) == 0);
    CHECK(strcmp(worker, "w1") == 0);
    CHECK(kill((pid_t)number, 0) == 0);
    OK(muster_process_terminate(process, WAIT_MS, &error));
    CHECK(code_of(process) == -SIGTERM);
    CHECK(kill((pid_t)number, 0) != 0);
    muster_process_free(process);
}

static void
exitcode(void)
{
    struct muster_process *process = start_shell("sleep 600");
    bool                   ended = true;
    int32_t                code = 99;

    OK(muster_process_exitcode(process, WAIT_MS, &ended, &code, &error));
    CHECK(!ended && code == 99);
    OK(muster_process_kill(process, WAIT_MS, &error));
    CHECK(code_of(process) == -SIGKILL);
    muster_process_free(process);
    process = start_shell("exit 7");
    CHECK(code_of(process) == 7);
    muster_process_free(process);
    process = start_shell("kill -USR1 $$");
    CHECK(code_of(process) == -SIGUSR1);
    muster_process_free(process);
}

/* ---- terminate, kill ---- */

/* What a script of its own has started, too. */
static void
stop_with(bool hard)
{
    const char            *dir = folder();
    char                   script[1024];
    struct muster_process *process;
    FILE                  *file;
    int                    child = 0;

    snprintf(script, sizeof(script),
             "%s; setsid sleep 600 & echo $! >%s/child; mv %s/child %s/child.ready; wait; wait",
             hard ? "trap '' TERM" : ":", dir, dir, dir);
    process = start_shell(script);
    EVENTUALLY(exists(in_folder(dir, "child.ready")));
    file = fopen(in_folder(dir, "child.ready"), "r");
    CHECK(file != NULL && fscanf(file, "%d", &child) == 1);
    fclose(file);
    CHECK(kill(child, 0) == 0);
    if (hard)
        OK(muster_process_kill(process, WAIT_MS, &error));
    else
        OK(muster_process_terminate(process, WAIT_MS, &error));
    CHECK(code_of(process) == (hard ? -SIGKILL : -SIGTERM));
    EVENTUALLY(kill(child, 0) != 0);
    /* What has ended cannot be stopped any more, and that is no error. */
    OK(muster_process_terminate(process, WAIT_MS, &error));
    muster_process_free(process);
}

/* A child in the same group has a signal of its own, whatever the process itself does. */
static void
terminate_group(void)
{
    const char            *dir = folder();
    char                   script[1200];
    struct muster_process *process;

    snprintf(script, sizeof(script),
             "trap : TERM; sh -c 'trap \": >%s/told; exit\" TERM; : >%s/ready; "
             "while :; do sleep 0.05; done' & wait; wait; exit 6", dir, dir);
    process = start_shell(script);
    EVENTUALLY(exists(in_folder(dir, "ready")));
    OK(muster_process_terminate(process, WAIT_MS, &error));
    CHECK(code_of(process) == 6);
    CHECK(exists(in_folder(dir, "told")));
    muster_process_free(process);
}

static void
terminate(void)
{
    stop_with(false);
}

static void
kill_hard(void)
{
    stop_with(true);
}

static void
terminate_is_polite(void)
{
    const char            *ready = in_folder(folder(), "ready");
    char                   script[700];
    struct muster_process *process;

    snprintf(script, sizeof(script), "trap 'exit 5' TERM; : >%s; while :; do sleep 0.05; done",
             ready);
    process = start_shell(script);
    EVENTUALLY(exists(ready));
    OK(muster_process_terminate(process, WAIT_MS, &error));
    CHECK(code_of(process) == 5);
    muster_process_free(process);
}

/* ---- close ---- */

static void
close_handle(void)
{
    struct muster_process *process = start_shell("sleep 600");
    struct muster_result  *result = NULL;
    bool                   flag;
    int32_t                code;
    uint32_t               number;
    char                   worker[65];

    GIVES(MUSTER_ERR_STATE, muster_process_close(process, WAIT_MS, &error));
    OK(muster_process_kill(process, WAIT_MS, &error));
    OK(muster_process_join(process, WAIT_MS, &error));
    OK(muster_process_close(process, WAIT_MS, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_join(process, 10, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_is_alive(process, 10, &flag, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_exitcode(process, 10, &flag, &code, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_pid(process, 10, &number, worker, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_terminate(process, 10, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_kill(process, 10, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_start(process, 10, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_result(process, 10, &result, &error));
    CHECK(muster_process_sentinel(process) < 0);
    muster_process_free(process);
}

/* ---- sentinel ---- */

static void
sentinel(void)
{
    const char            *go = in_folder(folder(), "go");
    const char *const      args[] = { "true", NULL };
    struct muster_process_options options = { .args = args };
    char                   script[600];
    struct muster_process *process = new_process(&options);
    struct pollfd          fd = { .events = POLLIN };

    CHECK(muster_process_sentinel(process) < 0);         /* not started */
    muster_process_free(process);
    snprintf(script, sizeof(script), "until [ -e %s ]; do sleep 0.02; done", go);
    process = start_shell(script);
    fd.fd = muster_process_sentinel(process);
    CHECK(fd.fd >= 0 && muster_process_sentinel(process) == fd.fd);
    CHECK(poll(&fd, 1, 100) == 0);
    touch(go);
    CHECK(poll(&fd, 1, WAIT_MS) == 1 && (fd.revents & POLLIN));
    CHECK(poll(&fd, 1, 0) == 1);                         /* and stays so */
    CHECK(!alive(process));
    muster_process_free(process);

    process = start_shell("exit 1");
    OK(muster_process_join(process, WAIT_MS, &error));
    fd.fd = muster_process_sentinel(process);            /* asked for afterwards */
    CHECK(poll(&fd, 1, 0) == 1);
    muster_process_free(process);
}

const struct test_case process_cases[] = {
    { "command", "Process: target = a command (argv, env, cwd, stdin bytes)", command },
    { "function", "Process: target = a named function with argument bytes; kwargs = named byte "
      "values", function },
    { "target", "Process: a command and a function, or neither, is an error", target },
    { "name", "Process: name defaults to Process-N, free text, not unique", name },
    { "start", "Process.start: once, a second start is an error; the manager has accepted it when "
      "it returns", start },
    { "join", "Process.join: on time-out returns normally with the process still alive; many "
      "times; before start is an error; on itself is an error", join },
    { "is-alive", "Process.is_alive: true from start until the end is recorded", is_alive },
    { "pid", "Process.pid: on the worker's machine, with the worker's name; none before it runs",
      pid },
    { "exitcode", "Process.exitcode: none while it runs, n for exit(n), -N when signal N ended it",
      exitcode },
    { "terminate", "Process.terminate: SIGTERM; descendants die too", terminate },
    { "terminate-group", "Process.terminate: SIGTERM to the whole process group", terminate_group },
    { "terminate-polite", "Process.terminate: a process may end as it likes", terminate_is_polite },
    { "kill", "Process.kill: SIGKILL; descendants die too", kill_hard },
    { "close", "Process.close: error while running; any later use is an error", close_handle },
    { "sentinel", "Process.sentinel: a file descriptor that polls readable once it has ended",
      sentinel },
    { NULL, NULL, NULL },
};
