/* pool_family.c - processes and their parents, daemons, several things at once */
#include "pool.h"

#include <muster/task.h>

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
own_key(void)
{
    const char *const             args[] = { "/bin/sh", "-c", "stat -c %a \"$MUSTER_AUTHKEY_FILE\";"
                                             "echo \"${MUSTER_ADDRESS:-nowhere}\"", NULL };
    struct muster_process_options options = { .args = args, .own_key = true };
    struct muster_process        *process = start_options(&options);
    char                          wanted[600];

    snprintf(wanted, sizeof(wanted), "600\n%s\n", getenv("MUSTER_ADDRESS"));
    check_output(process, wanted, "");
    muster_process_free(process);
    process = start_shell("echo ${MUSTER_AUTHKEY_FILE-none} ${MUSTER_ADDRESS-nowhere}");
    check_output(process, "none nowhere\n", "");
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

/* More than a session may follow at once: each hears of its end all the same. */
static void
many(void)
{
    enum { COUNT = 1100 };
    static struct muster_process *processes[COUNT];
    const char *const             args[] = { "true", NULL };
    struct muster_process_options options = { .args = args, .queue = "nowhere" };

    for (int i = 0; i < COUNT; i++)
        processes[i] = start_options(&options);
    for (int i = 0; i < COUNT; i++)
        OK(muster_process_kill(processes[i], WAIT_MS, &error));
    for (int i = 0; i < COUNT; i++) {
        CHECK(code_of(processes[i]) == -9);
        muster_process_free(processes[i]);
    }
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

const struct test_case family_cases[] = {
    { "daemon", "Process.daemon: set only before start; terminated when the session that started "
      "it ends; others go on", daemon_ends },
    { "daemon-starts-none", "Process.daemon: inherited from the creating process; may not start "
      "processes", daemon_starts_none },
    { "authkey", "Process.authkey: never inherited through the environment of a task", authkey },
    { "own-key", "Process.authkey: a task that must speak to the manager gets a key file of its "
      "own, and only if the submitter asked for it", own_key },
    { "many", "Process: more than a session may follow at once", many },
    { "know-thyself", "current_process, parent_process, active_children, cpu_count", know_thyself },
    { "wait-mix", "connection.wait: any mix of pipe ends, process sentinels, futures; an empty "
      "list on time-out", wait_mix },
    { "inside-daemon", NULL, inside_daemon },
    { "inside-child", NULL, inside_child },
    { "inside-parent", NULL, inside_parent },
    { NULL, NULL, NULL },
};
