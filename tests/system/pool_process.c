/* pool_process.c - every promise about processes */
#include "pool.h"

#include <muster/task.h>

#include <signal.h>

static struct muster_process *
new_process(const struct muster_process_options *options)
{
    struct muster_process *process = NULL;

    OK(muster_process_new(session, options, &process, &error));
    return process;
}

static struct muster_process *
start_options(const struct muster_process_options *options)
{
    struct muster_process *process = new_process(options);

    OK(muster_process_start(process, WAIT_MS, &error));
    return process;
}

static struct muster_process *
start_shell(const char *script)
{
    const char *const             args[] = { "/bin/sh", "-c", script, NULL };
    struct muster_process_options options = { .args = args };

    return start_options(&options);
}

static int32_t
code_of(struct muster_process *process)
{
    bool    ended = false;
    int32_t code = 0;

    OK(muster_process_join(process, WAIT_MS, &error));
    OK(muster_process_exitcode(process, WAIT_MS, &ended, &code, &error));
    CHECK(ended);
    return code;
}

static bool
alive(struct muster_process *process)
{
    bool is_alive = false;

    OK(muster_process_is_alive(process, WAIT_MS, &is_alive, &error));
    return is_alive;
}

static void
check_output(struct muster_process *process, const char *out, const char *err)
{
    struct muster_result *result = NULL;

    OK(muster_process_result(process, WAIT_MS, &result, &error));
    if (!text_is(result->out, result->out_bytes, out))
        fprintf(stderr, "out: %.*s\n", (int)result->out_bytes, (const char *)result->out);
    CHECK(text_is(result->out, result->out_bytes, out));
    CHECK(err == NULL || text_is(result->err, result->err_bytes, err));
    muster_result_free(result);
}

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

/* ---- daemons ---- */

static void
daemon_ends(void)
{
    const char *const             args[] = { "/bin/sh", "-c", "sleep 600", NULL };
    struct muster_process_options options = { .args = args, .daemon = true };
    struct muster_session        *outer = session;
    struct muster_process        *daemon_process, *plain;
    struct muster_future         *future = NULL;
    struct muster_task_id         daemon_id, plain_id;

    session = connect_to(getenv("MUSTER_ADDRESS"), getenv("MUSTER_AUTHKEY_FILE"));
    daemon_process = new_process(&options);
    CHECK(muster_process_daemon(daemon_process));
    OK(muster_process_start(daemon_process, WAIT_MS, &error));
    GIVES(MUSTER_ERR_STATE, muster_process_set_daemon(daemon_process, false, &error));
    options.daemon = false;
    plain = new_process(&options);
    OK(muster_process_set_daemon(plain, true, &error));
    OK(muster_process_set_daemon(plain, false, &error));
    OK(muster_process_start(plain, WAIT_MS, &error));
    daemon_id = muster_process_id(daemon_process);
    plain_id = muster_process_id(plain);
    muster_process_free(daemon_process);
    muster_process_free(plain);
    muster_session_close(session);
    session = outer;

    OK(muster_future_open(session, daemon_id, WAIT_MS, &future, &error));
    OK(muster_future_wait(future, WAIT_MS, &error));
    CHECK(muster_future_cancelled(future));
    muster_future_free(future);
    OK(muster_future_open(session, plain_id, WAIT_MS, &future, &error));
    CHECK(!muster_future_done(future));
    OK(muster_future_terminate(future, WAIT_MS, &error));
    OK(muster_future_wait(future, WAIT_MS, &error));
    muster_future_free(future);
}

/* A process that runs this program again, with a session of its own. */
static struct muster_process *
start_self(const char *what, bool daemon)
{
    const char *const             args[] = { self_path, what, NULL };
    char                          address[512], authkey_file[512], bins[600];
    const char                   *env[] = { address, authkey_file, bins, NULL };
    struct muster_process_options options = { .args = args, .env = env, .daemon = daemon,
                                              .cpus_milli = 1000, .name = "a child" };

    snprintf(address, sizeof(address), "MUSTER_ADDRESS=%s", getenv("MUSTER_ADDRESS"));
    snprintf(authkey_file, sizeof(authkey_file), "MUSTER_AUTHKEY_FILE=%s",
             getenv("MUSTER_AUTHKEY_FILE"));
    snprintf(bins, sizeof(bins), "TMPDIR=%s", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    return start_options(&options);
}

static void
inside_daemon(void)
{
    const char *const             args[] = { "true", NULL };
    struct muster_process_options options = { .args = args };
    struct muster_process        *process = new_process(&options);
    struct muster_task_self       self;

    muster_task_self(&self);
    CHECK(self.is_task && self.daemon);
    CHECK(muster_process_daemon(process));       /* inherited */
    GIVES(MUSTER_ERR_STATE, muster_process_start(process, WAIT_MS, &error));
    muster_process_free(process);
    printf("refused");
}

static void
daemon_starts_none(void)
{
    struct muster_process *process = start_self("inside-daemon", true);

    check_output(process, "refused", "");
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

/* ---- what a process knows ---- */

static void
authkey(void)
{
    struct muster_process *process;

    setenv("MUSTER_AUTHKEY", "secret", 1);
    process = start_shell("env | grep -c -i -e authkey -e secret");
    check_output(process, "0\n", "");
    muster_process_free(process);
}

static void
inside_child(void)
{
    struct muster_task_self self;

    muster_task_self(&self);
    printf("%d %llu.%u %llu.%u %u %s %u %s", self.is_task, (unsigned long long)self.id.job,
           self.id.index, (unsigned long long)self.parent.job, self.parent.index, self.attempt,
           self.worker, self.cpus_milli, self.name);
}

/* Starts a child of its own and says what that says of its parent. */
static void
inside_parent(void)
{
    struct muster_process  *child = start_self("inside-child", false);
    struct muster_task_self self;
    struct muster_result   *result = NULL;
    char                    wanted[200];

    muster_task_self(&self);
    OK(muster_process_result(child, WAIT_MS, &result, &error));
    snprintf(wanted, sizeof(wanted), "1 %llu.0 %llu.%u 1 w1 1000 a child",
             (unsigned long long)muster_process_id(child).job, (unsigned long long)self.id.job,
             self.id.index);
    printf("%s", text_is(result->out, result->out_bytes, wanted) ? "as it should be" : wanted);
    muster_result_free(result);
    muster_process_free(child);
}

static void
know_thyself(void)
{
    struct muster_process  *process = start_self("inside-parent", false);
    struct muster_process **active = NULL;
    struct muster_process  *sleeper = start_shell("sleep 600");
    struct muster_task_self self;
    size_t                  count = 0;

    muster_task_self(&self);
    CHECK(!self.is_task && self.id.job == 0 && strcmp(self.name, "MainProcess") == 0);
    check_output(process, "as it should be", "");
    OK(muster_process_active(session, WAIT_MS, &active, &count, &error));
    CHECK(count == 1 && active[0] == sleeper);
    free(active);
    OK(muster_process_kill(sleeper, WAIT_MS, &error));
    OK(muster_process_join(sleeper, WAIT_MS, &error));
    OK(muster_process_active(session, WAIT_MS, &active, &count, &error));
    CHECK(count == 0);
    free(active);
    muster_process_free(sleeper);
    muster_process_free(process);
}

/* ---- wait for any mix ---- */

static void
wait_mix(void)
{
    const char              *go = in_folder(folder(), "go");
    char                     script[600];
    struct muster_process   *fast, *slow;
    struct muster_connection *ends[2];
    struct muster_future    *future = NULL;
    struct muster_waitable   waitables[4] = { 0 };
    size_t                   ready = 9;
    uint64_t                 before_ms;

    snprintf(script, sizeof(script), "until [ -e %s ]; do sleep 0.02; done", go);
    fast = start_shell(script);
    slow = start_shell("sleep 600");
    OK(muster_future_open(session, muster_process_id(slow), WAIT_MS, &future, &error));
    OK(muster_pipe_open(session, NULL, true, WAIT_MS, ends, &error));
    waitables[0].process = fast;
    waitables[1].process = slow;
    waitables[2].connection = ends[0];
    waitables[3].future = future;

    before_ms = now_ms();
    OK(muster_wait(session, waitables, 4, 100, &ready, &error));
    CHECK(ready == 0 && now_ms() - before_ms >= 100);            /* an empty list */
    touch(go);
    OK(muster_wait(session, waitables, 4, WAIT_MS, &ready, &error));
    CHECK(ready == 1 && waitables[0].ready && !waitables[1].ready && !waitables[2].ready);
    OK(muster_connection_send(ends[1], "hello", 5, WAIT_MS, &error));
    OK(muster_wait(session, waitables + 1, 3, WAIT_MS, &ready, &error));
    CHECK(ready == 1 && waitables[2].ready && !waitables[1].ready);
    OK(muster_process_kill(slow, WAIT_MS, &error));
    waitables[2] = waitables[1];
    OK(muster_process_join(slow, WAIT_MS, &error));
    OK(muster_wait(session, waitables + 2, 2, WAIT_MS, &ready, &error));
    CHECK(ready == 2 && waitables[2].ready && waitables[3].ready);
    waitables[0].future = future;
    GIVES(MUSTER_ERR_INVALID, muster_wait(session, waitables, 1, 10, &ready, &error));
    muster_future_free(future);
    muster_connection_close(ends[0]);
    muster_connection_close(ends[1]);
    muster_process_free(fast);
    muster_process_free(slow);
}

const struct test_case process_cases[] = {
    { "command", "a process is a command: arguments, environment, folder, standard input",
      command },
    { "function", "or a function, with an argument and named values", function },
    { "target", "but not both, nor neither", target },
    { "name", "its name is Process-N unless given, any text, and need not be unique", name },
    { "start", "start: once; the manager has it when it returns", start },
    { "join", "join: times out with it alive; many times; not before start; not on itself", join },
    { "is-alive", "is_alive: from start until its end is recorded", is_alive },
    { "pid", "pid: of the worker's machine, with the worker's name; none before it runs", pid },
    { "exitcode", "exitcode: none while it runs, n, or -N of signal N", exitcode },
    { "terminate", "terminate: SIGTERM, its descendants end, too", terminate },
    { "terminate-polite", "terminate: a process may end as it likes", terminate_is_polite },
    { "kill", "kill: SIGKILL, whatever it ignores; its descendants end, too", kill_hard },
    { "close", "close: an error while it runs; any use after it", close_handle },
    { "daemon", "a daemon is set before start and ends with its session; others go on",
      daemon_ends },
    { "daemon-starts-none", "a daemon's processes are daemons, and it may not start any",
      daemon_starts_none },
    { "sentinel", "sentinel: a descriptor that polls readable once it has ended", sentinel },
    { "authkey", "no key in its environment", authkey },
    { "know-thyself", "current, parent, active children, cpus", know_thyself },
    { "wait-mix", "wait for pipes, processes and futures together; none in time is no error",
      wait_mix },
    { "inside-daemon", NULL, inside_daemon },
    { "inside-child", NULL, inside_child },
    { "inside-parent", NULL, inside_parent },
    { NULL, NULL, NULL },
};
