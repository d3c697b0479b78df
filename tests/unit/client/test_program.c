/* test_program.c - children that end with us: found, started, ready, stopped
 *
 * Method: shell scripts called muster-manager in a folder named by MUSTER_BINDIR.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "files.h"
#include "program.h"
#include "stories.h"

#include <muster/fleet.h>

static char dir[64];

static int
set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/muster-program-XXXXXX");
    return mkdtemp(dir) == NULL || setenv("MUSTER_BINDIR", dir, 1) != 0;
}

static int
tear_down(void **state)
{
    struct muster_error error;

    (void)state;
    return (int)file_remove_tree(dir, &error);
}

static void
write_script(const char *name, const char *text)
{
    char  path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\n%s", text) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

/* ---- ready or not ---- */

struct ready_case {
    const char *story;
    const char *script;
    uint32_t    timeout_ms;
    muster_err  expected;
    const char *detail;
};

static const struct ready_case ready_cases[] = {
    { "it says that it is ready", "echo 1 >&4; exec 4>&-; cat <&3", 10000, MUSTER_OK, "" },
    { "it ends with words", "echo no such luck >&2; exit 3", 10000, MUSTER_ERR_IO, "no such luck" },
    { "it ends without", "exit 3", 10000, MUSTER_ERR_IO, "muster-manager ended" },
    { "it says something else", "echo 0 >&4; cat <&3", 10000, MUSTER_ERR_IO, "ended" },
    { "it says nothing", "exec cat <&3", 100, MUSTER_ERR_TIMEOUT, "in time" },
    { "it does not even listen", "trap '' TERM; exec sleep 1000 3<&-", 100, MUSTER_ERR_TIMEOUT,
      "in time" },
};

static void
test_ready(void **state)
{
    const struct ready_case *c = *state;
    const char *const        args[] = { "--dir", dir, NULL };
    struct program           program;
    struct muster_error      error = { 0 };
    pid_t                    pid;

    write_script("muster-manager", c->script);
    if (program_start(&program, "muster-manager", dir, args, -1, &error) != MUSTER_OK)
        fail_msg("%s", error.detail);
    pid = program.pid;
    assert_int_equal(program_ready(&program, c->timeout_ms, &error), c->expected);
    if (c->expected != MUSTER_OK && strstr(error.detail, c->detail) == NULL)
        fail_msg("\"%s\" does not tell of \"%s\"", error.detail, c->detail);
    program_stop(&program, 200);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);      /* no child is left */
}

/* ---- what it inherits ---- */

static void
test_inherits(void **state)
{
    const char *const   args[] = { "one", "two words", NULL };
    struct program      program;
    struct muster_error error = { 0 };
    struct buffer       told = { 0 };
    char                path[128];
    int                 leak = fcntl(0, F_DUPFD, 8);               /* not closed on exec */
    int                 held[2];

    (void)state;
    assert_int_equal(pipe2(held, O_CLOEXEC), 0);
    write_script("muster-manager",
                 "{ for n in 0 1 2 3 4 5 6 7 8 9; do\n"
                 "    [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done\n"
                 "  echo; readlink /proc/$$/fd/0; echo \"$2\"\n"
                 "  ps -o sid= -p $$ | tr -d ' '; echo $$; } > \"$(dirname \"$0\")/told\"\n"
                 "echo 1 >&4; exec 4>&-; cat <&3\n");
    assert_int_equal(program_start(&program, "muster-manager", dir, args, held[1], &error),
                     MUSTER_OK);
    if (program_ready(&program, 10000, &error) != MUSTER_OK)
        fail_msg("%s", error.detail);
    (void)snprintf(path, sizeof(path), "%s/told", dir);
    assert_int_equal(file_read(path, 4096, &told, &error), MUSTER_OK);
    /* From 10 on they are the shell's own. */
    if (strncmp(buffer_text(&told), "0 1 2 3 4 5 \n", 13) != 0)
        fail_msg("descriptors: %s", buffer_text(&told));
    assert_non_null(strstr(buffer_text(&told), "/dev/null\ntwo words\n"));
    {
        const char *session = strstr(buffer_text(&told), "two words\n") + strlen("two words\n");
        const char *pid = strchr(session, '\n') + 1;

        assert_int_equal(strtol(session, NULL, 10), strtol(pid, NULL, 10));
        assert_int_equal(strtol(pid, NULL, 10), program.pid);
    }
    buffer_free(&told);
    close(leak);
    close(held[0]);
    close(held[1]);
    program_stop(&program, 10000);
}

/* ---- found ---- */

static void
test_not_found(void **state)
{
    struct muster_error error = { 0 };
    char               *path = NULL;

    (void)state;
    assert_int_equal(program_find("muster-nothing", &path, &error), MUSTER_ERR_NOT_FOUND);
    assert_non_null(strstr(error.detail, dir));
    assert_int_equal(unsetenv("MUSTER_BINDIR"), 0);
    assert_int_equal(program_find("muster-nothing", &path, &error), MUSTER_ERR_NOT_FOUND);
    assert_non_null(strstr(error.detail, "PATH"));
    assert_null(path);
    assert_int_equal(setenv("PATH", dir, 1), 0);
    write_script("muster-nothing", "");
    assert_int_equal(program_find("muster-nothing", &path, &error), MUSTER_OK);
    assert_non_null(strstr(path, dir));
    free(path);
    assert_int_equal(setenv("PATH", "/usr/bin:/bin", 1), 0);
    assert_int_equal(setenv("MUSTER_BINDIR", dir, 1), 0);
}

/* ---- a whole fleet of scripts ---- */

struct fleet_case {
    const char *story;
    const char *manager, *worker;
    muster_err  expected;
    const char *detail;
};

/* Each leaves a mark when its lifeline is cut, so that the order can be read. */
#define GOOD(name) "echo 1 >&4; exec 4>&-; cat <&3; echo " name " >> \"$(dirname \"$0\")/ended\""

static const struct fleet_case fleet_cases[] = {
    { "both start; the worker ends first", GOOD("manager"), GOOD("worker"), MUSTER_OK,
      "worker\nmanager\n" },
    { "the manager fails", "echo bad luck >&2", GOOD("worker"), MUSTER_ERR_IO, "bad luck" },
    { "the worker fails", GOOD("manager"), "echo no slots >&2", MUSTER_ERR_IO, "no slots" },
};

static unsigned
count_folders(void)
{
    FILE    *list = popen("ls -d \"$TMPDIR\"/muster-*/ 2>/dev/null | wc -l", "re");
    unsigned count = 99;

    assert_non_null(list);
    assert_int_equal(fscanf(list, "%u", &count), 1);
    (void)pclose(list);
    return count;
}

static void
test_fleet(void **state)
{
    const struct fleet_case    *c = *state;
    struct muster_fleet_options options = { .cpus = 2 };
    struct muster_fleet        *fleet = NULL;
    struct muster_error         error = { 0 };
    struct buffer               ended = { 0 };
    char                        path[128];

    (void)snprintf(path, sizeof(path), "%s/ended", dir);
    (void)unlink(path);
    assert_int_equal(setenv("TMPDIR", dir, 1), 0);
    write_script("muster-manager", c->manager);
    write_script("muster-worker", c->worker);
    assert_int_equal(muster_fleet_start(&options, &fleet, &error), c->expected);
    if (c->expected == MUSTER_OK) {
        assert_int_equal(strncmp(muster_fleet_address(fleet), "ipc://", 6), 0);
        assert_int_equal(access(muster_fleet_authkey_file(fleet), R_OK), 0);
        assert_int_equal(count_folders(), 1);
        muster_fleet_stop(fleet);
        assert_int_equal(file_read(path, 4096, &ended, &error), MUSTER_OK);
        assert_string_equal(buffer_text(&ended), c->detail);
        buffer_free(&ended);
    } else if (strstr(error.detail, c->detail) == NULL) {
        fail_msg("\"%s\" does not tell of \"%s\"", error.detail, c->detail);
    }
    assert_int_equal(count_folders(), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

/* Killed while the fleet starts: the manager is not there to clean up yet. */
static void
test_killed(void **state)
{
    uint64_t until_ms = clock_now_ms() + 10000;
    pid_t    pid;

    (void)state;
    assert_int_equal(setenv("TMPDIR", dir, 1), 0);
    write_script("muster-manager", "exec cat <&3");        /* never ready */
    pid = fork();
    if (pid == 0) {
        struct muster_fleet *fleet = NULL;

        _exit(muster_fleet_start(NULL, &fleet, NULL) == MUSTER_OK ? 0 : 1);
    }
    while (count_folders() == 0 && clock_now_ms() < until_ms)
        poll(NULL, 0, 1);
    assert_int_equal(count_folders(), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (count_folders() != 0 && clock_now_ms() < until_ms)
        poll(NULL, 0, 1);
    assert_int_equal(count_folders(), 0);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

int
main(void)
{
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_inherits),
        cmocka_unit_test(test_not_found),
    };
    int failed;

    if (set_up(NULL) != 0)
        return 1;
    failed = STORIES("ready", ready_cases, test_ready);
    failed += cmocka_run_group_tests_name("programs", stories, NULL, NULL);
    failed += STORIES("fleets", fleet_cases, test_fleet);
    return failed + tear_down(NULL);
}
