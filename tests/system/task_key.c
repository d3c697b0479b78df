/* task_key.c - a task with a key of its own, seen from inside (test_task_key.sh)
 *
 *   task_key parent    opens a session with what it finds in its environment, starts
 *                      itself as a child process with a key, joins it
 *   task_key child     says whose child it is, and puts that into a queue
 */
#include <muster/muster.h>
#include <muster/task.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 30000 };

static struct muster_error error;

static void
must(muster_err err, const char *what)
{
    if (err == MUSTER_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, muster_err_text(err), error.detail);
    exit(1);
}

static struct muster_session *
session_here(void)
{
    struct muster_session_options options = { .address = getenv("MUSTER_ADDRESS"),
                                              .authkey_file = getenv("MUSTER_AUTHKEY_FILE") };
    struct muster_session        *session = NULL;

    must(muster_session_open(&options, &session, &error), "open a session");
    return session;
}

static int
parent(const char *self)
{
    const char *const             args[] = { self, "child", NULL };
    struct muster_process_options options = { .args = args, .name = "a child", .own_key = true,
                                              .daemon = true };
    struct muster_session        *session = session_here();
    struct muster_process        *process = NULL, **active = NULL;
    size_t                        count = 0;
    bool                          ended = false;
    int32_t                       exitcode = -1;

    must(muster_process_new(session, &options, &process, &error), "make a process");
    must(muster_process_start(process, WAIT_MS, &error), "start a process");
    must(muster_process_active(session, WAIT_MS, &active, &count, &error), "list children");
    if (count != 1 || active[0] != process)
        must(MUSTER_ERR_INTERNAL, "one active child");
    free(active);
    must(muster_process_join(process, WAIT_MS, &error), "join");
    must(muster_process_exitcode(process, WAIT_MS, &ended, &exitcode, &error), "exit code");
    printf("child ended=%d exitcode=%d\n", ended, exitcode);
    muster_process_free(process);
    muster_session_close(session);
    return 0;
}

static int
child(void)
{
    struct muster_open      named = { .name = "family" };
    struct muster_session  *session = session_here();
    struct muster_queue    *queue = NULL;
    struct muster_task_self self;
    char                    text[128];

    muster_task_self(&self);
    snprintf(text, sizeof(text), "%s of %llu.%u", self.name, (unsigned long long)self.parent.job,
             self.parent.index);
    must(muster_queue_open(session, &named, 0, WAIT_MS, &queue, &error), "open a queue");
    must(muster_queue_put(queue, text, strlen(text), NULL, WAIT_MS, &error), "put");
    muster_queue_close(queue);
    muster_session_close(session);
    return 7;
}

int
main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "parent") == 0 ? parent(argv[0]) : child();
}
