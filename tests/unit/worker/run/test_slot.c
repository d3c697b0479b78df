/* test_slot.c - what a keeper makes of a task, with real processes
 *
 * Method: a nursery and one slot per story; a shell does what the story says;
 * compare the report, the output, and what is left on the machine afterwards.
 * A task that wants to leave something behind names it with a duration of
 * sleep(1) that nobody else uses, and the story looks for it in /proc.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "clock.h"
#include "scratch.h"
#include "slot.h"
#include "stories.h"
#include "tree.h"

enum { PATIENCE_MS = 20000 };

static struct fixture {
    struct nursery    nursery;
    struct spawn_user user;
    char              scratch[4096];
    struct slot       slot;
    struct buffer     output[2];
} fix;

static void
fixture_open(void)
{
    struct nursery_config config = { .scratch = fix.scratch, .cgroup = "", .user = &fix.user };
    struct muster_error   error = { 0 };

    assert_int_equal(scratch_base_make(NULL, &fix.user, fix.scratch, &error), MUSTER_OK);
    assert_int_equal(nursery_start(&config, &fix.nursery, &error), MUSTER_OK);
    assert_int_equal(slot_open(&fix.slot, 0, &fix.nursery, &error), MUSTER_OK);
    buffer_clear(&fix.output[0]);
    buffer_clear(&fix.output[1]);
}

static void
fixture_close(void)
{
    struct stat st;

    slot_close(&fix.slot);
    nursery_stop(&fix.nursery);
    assert_int_equal(stat(fix.scratch, &st), -1);
    assert_int_equal(errno, ENOENT);
    buffer_free(&fix.output[0]);
    buffer_free(&fix.output[1]);
}

/* Is there a process whose command line holds `text`? */
static bool
machine_runs(const char *text)
{
    DIR           *proc = opendir("/proc");
    struct dirent *entry;
    bool           found = false;

    while (!found && (entry = readdir(proc)) != NULL) {
        char    path[300], line[2048];
        FILE   *file;
        size_t  got;

        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        got = fread(line, 1, sizeof(line) - 1, file);
        fclose(file);
        for (size_t i = 0; i < got; i++)
            line[i] = line[i] == 0 ? ' ' : line[i];
        line[got] = 0;
        found = strstr(line, text) != NULL && strstr(line, "/bin/sh") == NULL;
    }
    closedir(proc);
    return found;
}

static void
read_pipes(void)
{
    char    bytes[65536];
    ssize_t got;

    for (int i = 0; i < 2; i++) {
        while ((got = read(fix.slot.pipes[i], bytes, sizeof(bytes))) > 0)
            buffer_append(&fix.output[i], bytes, (size_t)got);
    }
}

/* Read pipes and socket until the task is reported; 1, or -1: the keeper is gone. */
static int
wait_report(uint32_t kind, struct report *report)
{
    uint64_t until_ms = clock_now_ms() + PATIENCE_MS;

    while (clock_now_ms() < until_ms) {
        struct pollfd fds[3] = { { fix.slot.socket, POLLIN, 0 }, { fix.slot.pipes[0], POLLIN, 0 },
                                 { fix.slot.pipes[1], POLLIN, 0 } };
        int           got;

        poll(fds, 3, 1000);
        read_pipes();
        if (!(fds[0].revents & (POLLIN | POLLHUP)))
            continue;
        got = slot_receive(&fix.slot, report);
        if (got < 0 || (got == 1 && report->kind == kind)) {
            read_pipes();
            return got;
        }
    }
    fail_msg("no report");
    return 0;
}

struct task {
    const char *script;           /* of /bin/sh; NULL: argv0 alone */
    const char *argv0;
    const char *cwd;              /* NULL: the scratch folder */
    uint32_t    time_limit_ms, grace_ms;
    uint64_t    mem_bytes;
    int         stdin_fd;         /* 0: none */
};

static void
start(const struct task *task)
{
    struct order        order = { .task = 7, .argc = task->script != NULL ? 3 : 1, .envc = 2,
                                  .time_limit_ms = task->time_limit_ms,
                                  .grace_ms = task->grace_ms, .mem_bytes = task->mem_bytes,
                                  .cwd_is_scratch = task->cwd == NULL };
    struct muster_error error = { 0 };
    struct buffer       strings = { 0 };
    const char         *args[] = { task->script != NULL ? "/bin/sh" : task->argv0, "-c",
                                   task->script };

    for (uint32_t i = 0; i < order.argc; i++)
        buffer_append(&strings, args[i], strlen(args[i]) + 1);
    buffer_append(&strings, "PATH=/usr/bin:/bin", sizeof("PATH=/usr/bin:/bin"));
    buffer_append(&strings, "COLOUR=blue", sizeof("COLOUR=blue"));
    buffer_append_text(&strings, task->cwd != NULL ? task->cwd : "");
    buffer_append(&strings, "", 1);
    assert_int_equal(slot_run(&fix.slot, &order, buffer_slice(&strings),
                              task->stdin_fd > 0 ? task->stdin_fd : -1, &error), MUSTER_OK);
    buffer_free(&strings);
}

/* ---- how tasks end ---- */

struct end_case {
    const char *story;
    struct task task;
    uint32_t    end;
    int32_t     status;
    uint32_t    stage;
    int32_t     error;
    const char *out, *err;
    const char *left;             /* must not run any more */
};

#define NO_MORE(n) "sleep " #n

static const struct end_case end_cases[] = {
    { "succeeds", { .script = "true" }, RUN_EXITED, 0, 0, 0, "", "", NULL },
    { "exit code", { .script = "exit 42" }, RUN_EXITED, 42, 0, 0, "", "", NULL },
    { "ended by a signal", { .script = "kill -9 $$" }, RUN_SIGNALED, -9, 0, 0, "", "", NULL },
    { "both streams, apart", { .script = "echo one; echo two >&2; echo three" },
      RUN_EXITED, 0, 0, 0,
      "one\nthree\n", "two\n", NULL },
    { "a plain name is looked up in PATH", { .argv0 = "true" }, RUN_EXITED, 0, 0, 0, "", "", NULL },
    { "no such command by name", { .argv0 = "no-such-command" }, RUN_NOT_STARTED, 0, STAGE_EXEC,
      ENOENT, "", "", NULL },
    { "no such command by path", { .argv0 = "/no/such/command" }, RUN_NOT_STARTED, 0, STAGE_EXEC,
      ENOENT, "", "", NULL },
    { "a folder is no command", { .argv0 = "/usr" }, RUN_NOT_STARTED, 0, STAGE_EXEC, EACCES, "", "",
      NULL },
    { "no such working folder", { .script = "true", .cwd = "/no/such/folder" }, RUN_NOT_STARTED, 0,
      STAGE_CWD, ENOENT, "", "", NULL },
    { "working folder", { .script = "pwd", .cwd = "/usr" },
      RUN_EXITED, 0, 0, 0, "/usr\n", "", NULL },
    { "environment", { .script = "echo $COLOUR$HOME" }, RUN_EXITED, 0, 0, 0, "blue\n", "", NULL },
    { "standard input is empty by default", { .script = "wc -c" }, RUN_EXITED, 0, 0, 0, "0\n", "",
      NULL },
    { "no descriptor but the three (and the one that looks)",
      { .script = "cd /proc/self/fd && echo *" },
      RUN_EXITED, 0, 0, 0,
      "0 1 2 3\n", "", NULL },
    { "a session of its own", { .script = "test $(cut -d' ' -f6 /proc/$$/stat) = $$" },
      RUN_EXITED, 0,
      0, 0, "", "", NULL },
    { "no new privileges", { .script = "grep NoNewPrivs /proc/self/status | tr -d '\\t'" },
      RUN_EXITED, 0, 0, 0, "NoNewPrivs:1\n", "", NULL },
    { "no signal is blocked or ignored",
      { .script = "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'" }, RUN_EXITED, 0, 0, 0,
      "SigBlk:0000000000000000\nSigIgn:0000000000000000\n", "", NULL },
    { "over its time limit", { .script = "sleep 7101", .time_limit_ms = 50, .grace_ms = 5000 },
      RUN_TIMED_OUT, -SIGTERM, 0, 0, "", "", NO_MORE(7101) },
    { "over its time limit and deaf to SIGTERM",
      { .script = "trap '' TERM; sleep 7102; sleep 7102", .time_limit_ms = 50, .grace_ms = 100 },
      RUN_TIMED_OUT, -SIGKILL, 0, 0, "", "", NO_MORE(7102) },
    { "uses the grace time", { .script = "trap 'echo bye; exit 3' TERM; sleep 7103 & wait",
      .time_limit_ms = 200, .grace_ms = 10000 },
      RUN_TIMED_OUT, 3, 0, 0, "bye\n", "", NO_MORE(7103) },
    { "a stopped task hears SIGTERM too",
      { .script = "kill -STOP $$; sleep 7104", .time_limit_ms = 200, .grace_ms = 10000 },
      RUN_TIMED_OUT, -SIGTERM, 0, 0, "", "", NO_MORE(7104) },
    { "a child in the background ends with it", { .script = "sleep 7105 & exit 0" },
      RUN_EXITED, 0, 0,
      0, "", "", NO_MORE(7105) },
    { "a double-forked child ends with it", { .script = "(sleep 7106 & ) & wait; exit 0" },
      RUN_EXITED, 0, 0, 0, "", "", NO_MORE(7106) },
    { "a child in a session of its own ends with it",
      { .script = "setsid sleep 7107 & setsid sh -c 'setsid sleep 7107 & setsid sleep 7107 &'; "
                  "exit 5" },
      RUN_EXITED, 5, 0, 0, "", "", NO_MORE(7107) },
    { "a child that holds the pipes does not keep it open",
      { .script = "setsid sleep 7108 & echo done" }, RUN_EXITED, 0, 0, 0, "done\n", "",
      NO_MORE(7108) },
    { "escaped children end with a time limit",
      { .script = "setsid sh -c 'trap \"\" TERM; sleep 7109; sleep 7109' & wait",
        .time_limit_ms = 100, .grace_ms = 100 }, RUN_TIMED_OUT, -SIGTERM, 0, 0, "", "",
      NO_MORE(7109) },
};

static void
test_end(void **state)
{
    const struct end_case *c = *state;
    struct report          report;

    fixture_open();
    start(&c->task);
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(report.task, 7);
    assert_int_equal(report.end, c->end);
    assert_int_equal(report.status, c->status);
    assert_int_equal(report.stage, c->stage);
    assert_int_equal(report.error, c->error);
    assert_string_equal(buffer_text(&fix.output[0]), c->out);
    assert_string_equal(buffer_text(&fix.output[1]), c->err);
    if (c->left != NULL)
        assert_false(machine_runs(c->left));
    fixture_close();
}

/* ---- other stories ---- */

static void
test_measures(void **state)
{
    struct report report;

    (void)state;
    fixture_open();
    start(&(struct task){ .script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
                                    "sleep 0.15" });
    assert_int_equal(wait_report(REPORT_STARTED, &report), 1);
    assert_true(report.pid > 0);
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_true(report.wall_us >= 150000 && report.wall_us < 20000000);
    assert_true(report.cpu_us > 1000 && report.cpu_us < report.wall_us);
    assert_true(report.rss_bytes > 100000);
    assert_true(report.started_unix_ms > 1700000000000u);
    fixture_close();
}

static void
test_stdin(void **state)
{
    struct report report;
    int           pipe_fds[2];

    (void)state;
    fixture_open();
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "input\n", 6), 6);
    close(pipe_fds[1]);
    start(&(struct task){ .script = "tr a-z A-Z", .stdin_fd = pipe_fds[0] });
    close(pipe_fds[0]);
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_string_equal(buffer_text(&fix.output[0]), "INPUT\n");
    fixture_close();
}

static void
test_big_output(void **state)
{
    struct report report;

    (void)state;
    fixture_open();
    start(&(struct task){ .script = "head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2" });
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(fix.output[0].bytes, 3000000);
    assert_int_equal(fix.output[1].bytes, 1000000);
    fixture_close();
}

static void
test_big_arguments(void **state)
{
    char          script[120000];
    struct report report;

    (void)state;
    fixture_open();
    memset(script, ' ', sizeof(script));
    memcpy(script, "echo yes; :", 11);
    script[sizeof(script) - 1] = 0;
    start(&(struct task){ .script = script });
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_string_equal(buffer_text(&fix.output[0]), "yes\n");
    fixture_close();
}

static void
test_many_in_turn(void **state)
{
    struct report report;

    (void)state;
    fixture_open();
    for (int i = 0; i < 50; i++) {
        buffer_clear(&fix.output[0]);
        /* Each leaves a mess: folders that it closed to itself. */
        start(&(struct task){ .script = "mkdir -p d/e; touch d/e/f; chmod 0 d/e d; "
                                        "ls -A | wc -l" });
        assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
        assert_int_equal(report.end, RUN_EXITED);
        assert_string_equal(buffer_text(&fix.output[0]), "1\n");
    }
    fixture_close();
}

static void
test_memory_limit(void **state)
{
    struct report report;

    (void)state;
    fixture_open();
    /* Four processes that together hold more than the limit, each alone does not. */
    start(&(struct task){ .script = "for i in 1 2 3 4; do sh -c 'x=$(head -c 20000000 /dev/zero | "
                                    "tr \"\\0\" x); sleep 7110' & done; wait",
                          .mem_bytes = 60000000 });
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(report.end, RUN_MEMORY);
    assert_false(machine_runs(NO_MORE(7110)));
    fixture_close();
}

static void
test_kill_order(void **state)
{
    struct report report;

    (void)state;
    fixture_open();
    start(&(struct task){ .script = "setsid sleep 7111 & sleep 7111", .grace_ms = 10000 });
    assert_int_equal(wait_report(REPORT_STARTED, &report), 1);
    slot_kill(&fix.slot, 8, true);        /* another task's number: nothing happens */
    slot_kill(&fix.slot, 7, false);
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(report.end, RUN_SIGNALED);
    assert_int_equal(report.status, -SIGTERM);
    assert_false(machine_runs(NO_MORE(7111)));
    fixture_close();
}

/* A service manager ends all processes of a worker at once; only the loop is to listen. */
static void
test_ended_together(void **state)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    uint64_t         until_ms = clock_now_ms() + PATIENCE_MS;
    struct report    report;

    (void)state;
    fixture_open();
    start(&(struct task){ .script = "trap 'exit 3' TERM; sleep 7115 & wait", .grace_ms = 10000 });
    assert_int_equal(wait_report(REPORT_STARTED, &report), 1);
    while (!machine_runs(NO_MORE(7115)) && clock_now_ms() < until_ms)
        poll(NULL, 0, 5);
    assert_true(fix.slot.keeper > 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(kill(fix.slot.keeper, numbers[i]), 0);
        assert_int_equal(kill(fix.nursery.pid, numbers[i]), 0);
    }
    /* Tasks hear signals as ever. */
    slot_kill(&fix.slot, 7, false);
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(report.status, 3);
    start(&(struct task){ .script = "exit 9" });
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(report.status, 9);
    fixture_close();
}

/* Wait until a condition about processes holds. */
static void
wait_gone(const char *text)
{
    uint64_t until_ms = clock_now_ms() + PATIENCE_MS;

    while (machine_runs(text) && clock_now_ms() < until_ms)
        poll(NULL, 0, 5);
    assert_false(machine_runs(text));
}

static void
test_keeper_killed(void **state)
{
    struct report       report;
    struct muster_error error;
    struct pollfd       nursery;
    uint32_t            number = 99;

    (void)state;
    fixture_open();
    start(&(struct task){ .script = "setsid sleep 7112 & (setsid sleep 7112 &) ; sleep 7112" });
    assert_int_equal(wait_report(REPORT_STARTED, &report), 1);
    assert_int_equal(kill(fix.slot.keeper, SIGKILL), 0);
    assert_int_equal(wait_report(REPORT_ENDED, &report), -1);
    nursery = (struct pollfd){ fix.nursery.socket, POLLIN, 0 };
    assert_int_equal(poll(&nursery, 1, PATIENCE_MS), 1);
    assert_int_equal(nursery_receive(&fix.nursery, &number), 1);
    assert_int_equal(number, 0);
    /* Not a moment later: the word comes when everything is dead. */
    assert_false(machine_runs(NO_MORE(7112)));
    slot_close(&fix.slot);
    assert_int_equal(slot_open(&fix.slot, 0, &fix.nursery, &error), MUSTER_OK);
    start(&(struct task){ .script = "exit 9" });
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_int_equal(report.status, 9);
    fixture_close();
}

static void
test_nursery_killed(void **state)
{
    struct report report;
    struct stat   st;
    uint32_t      number;
    struct pollfd nursery;

    (void)state;
    fixture_open();
    start(&(struct task){ .script = "setsid sleep 7113 & (setsid sleep 7113 &) ; sleep 7113" });
    assert_int_equal(wait_report(REPORT_STARTED, &report), 1);
    assert_int_equal(kill(fix.nursery.pid, SIGKILL), 0);
    nursery = (struct pollfd){ fix.nursery.socket, POLLIN, 0 };
    assert_int_equal(poll(&nursery, 1, PATIENCE_MS), 1);
    assert_int_equal(nursery_receive(&fix.nursery, &number), -1);
    nursery_after_death(&fix.nursery, fix.scratch);
    assert_false(machine_runs(NO_MORE(7113)));
    assert_int_equal(stat(fix.scratch, &st), -1);
    slot_close(&fix.slot);
    buffer_free(&fix.output[0]);
    buffer_free(&fix.output[1]);
}

/* The loop is killed: here a child of ours plays it. */
static void
test_loop_killed(void **state)
{
    int     pipe_fds[2];
    char    scratch[4096] = { 0 };
    pid_t   loop;
    uint64_t until_ms = clock_now_ms() + PATIENCE_MS;
    struct stat st;

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    loop = fork();
    if (loop == 0) {
        struct report report;

        fixture_open();
        start(&(struct task){ .script = "setsid sleep 7114 & sleep 7114" });
        if (wait_report(REPORT_STARTED, &report) == 1)
            (void)!write(pipe_fds[1], fix.scratch, strlen(fix.scratch));
        pause();
        _exit(0);
    }
    assert_true(read(pipe_fds[0], scratch, sizeof(scratch) - 1) > 0);
    assert_true(machine_runs(NO_MORE(7114)));
    assert_int_equal(kill(loop, SIGKILL), 0);
    assert_int_equal(waitpid(loop, NULL, 0), loop);
    wait_gone(NO_MORE(7114));
    while (stat(scratch, &st) == 0 && clock_now_ms() < until_ms)
        poll(NULL, 0, 5);
    assert_int_equal(stat(scratch, &st), -1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
test_other_user(void **state)
{
    struct report report;

    (void)state;
    if (geteuid() != 0)
        skip();
    fix.user = (struct spawn_user){ .switches = true, .uid = 65534, .gid = 65534, .group_count = 1,
                                    .groups = { 65534 } };
    fixture_open();
    start(&(struct task){ .script = "id -u; id -G; touch here && rm here && echo mine" });
    assert_int_equal(wait_report(REPORT_ENDED, &report), 1);
    assert_string_equal(buffer_text(&fix.output[0]), "65534\n65534\nmine\n");
    fixture_close();
    fix.user = (struct spawn_user){ 0 };
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),      cmocka_unit_test(test_stdin),
        cmocka_unit_test(test_big_output),    cmocka_unit_test(test_big_arguments),
        cmocka_unit_test(test_many_in_turn),  cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_kill_order),    cmocka_unit_test(test_keeper_killed),
        cmocka_unit_test(test_nursery_killed), cmocka_unit_test(test_loop_killed),
        cmocka_unit_test(test_ended_together), cmocka_unit_test(test_other_user),
    };
    int failed = STORIES("how tasks end", end_cases, test_end);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
