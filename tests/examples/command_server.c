/* command_server.c - runs commands for many clients at once; output of any size */
#include "example.h"

enum { COMMANDS = 5 };

static const char *const commands[COMMANDS] = { "echo hello", "seq 1000000",
                                                "echo oops >&2; exit 3", "kill -TERM $$",
                                                "cat /nowhere/at/all" };

/* The server is the fleet: any worker may run it. */
static struct muster_process *
ask(const char *command)
{
    const char *const                   args[] = { "sh", "-c", command, NULL };
    const struct muster_process_options options = { .args = args, .cpus_milli = 100 };
    struct muster_process              *process = NULL;

    CHECK(muster_process_new(session, &options, &process, &error));
    CHECK(muster_process_start(process, CALL_MS, &error));
    return process;
}

static muster_err
collect(void *stream, const void *data, size_t bytes)
{
    return fwrite(data, 1, bytes, stream) == bytes ? MUSTER_OK : MUSTER_ERR_NO_MEMORY;
}

/* All of one stream, without the newline at its end; for free(). */
static char *
output(struct muster_process *process, bool errors, size_t *bytes_out)
{
    struct muster_task_id id = muster_process_id(process);
    char                 *text = NULL;
    FILE                 *stream = open_memstream(&text, bytes_out);

    CHECK(muster_result_output(session, id.job, id.index, errors, CALL_MS, collect, stream,
                               &error));
    fclose(stream);
    if (*bytes_out > 0)
        text[*bytes_out - 1] = '\0';
    return text;
}

static void
show(const char *command, struct muster_process *process)
{
    int32_t exitcode = 0;
    bool    ended = false;
    size_t  bytes = 0, error_bytes = 0;
    char   *text, *errors, *last;

    CHECK(muster_process_join(process, MUSTER_FOREVER, &error));
    CHECK(muster_process_exitcode(process, CALL_MS, &ended, &exitcode, &error));
    text = output(process, false, &bytes);
    errors = output(process, true, &error_bytes);
    last = strrchr(text, '\n');
    printf("%s: exit code %d, %zu bytes of output\n", command, exitcode, bytes);
    printf("  last line: %s\n  errors: %s\n", last != NULL ? last + 1 : text, errors);
    free(errors);
    free(text);
}

int
main(void)
{
    struct muster_process *processes[COMMANDS];

    example_begin(NO_FUNCTIONS);
    for (int i = 0; i < COMMANDS; i++)
        processes[i] = ask(commands[i]);
    for (int i = 0; i < COMMANDS; i++) {
        show(commands[i], processes[i]);
        muster_process_free(processes[i]);
    }
    example_end();
    return 0;
}
