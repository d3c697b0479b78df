/* call_function.c - call a function for each line of standard input and print what comes back
 *
 *   call_function FUNCTION [--named NAME=VALUE] [--time-limit MS] [--grace MS] [--output-bytes N]
 *          [--single FILE] [--cancel-first] [--attempts N] [--mem BYTES]
 *
 * One line per result, by index: index, outcome, exit code, result, reason, log, between
 * tabs (line ends of a log as |).  With --single one call whose argument is the file; its
 * result goes to standard output as it is.  The submission's warning goes to stderr.
 */
#include <muster/job.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 8, LINE_BYTES_MAX = 64 * 1024, SINGLE_BYTES_MAX = 65 * 1024 * 1024 };

struct caller {
    struct muster_session    *session;
    struct muster_job_options options;
    struct muster_named       named[NAMED_MAX];
    const char               *single;
    bool                      cancel_first;
    uint64_t                  job;
    uint32_t                  items;
};

struct line {
    uint32_t index;
    char    *text;
};

static struct muster_error error;

static void
check(muster_err err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "call_function: %s: %s: %s\n", what, muster_err_name(err), error.detail);
    exit(1);
}

static void
read_options(struct caller *caller, char **argv)
{
    caller->options.function = *argv++;
    caller->options.named = caller->named;
    for (; *argv != NULL; argv++) {
        const char *value = argv[1];

        if (strcmp(*argv, "--cancel-first") == 0) {
            caller->cancel_first = true;
            continue;
        }
        if (value == NULL)
            exit(2);
        if (strcmp(*argv, "--named") == 0) {
            struct muster_named *named = &caller->named[caller->options.named_count++];
            char                *equals = strchr(argv[1], '=');

            *equals = 0;
            *named = (struct muster_named){ value, equals + 1, strlen(equals + 1) };
        } else if (strcmp(*argv, "--time-limit") == 0) {
            caller->options.time_limit_ms = (uint32_t)atoi(value);
        } else if (strcmp(*argv, "--grace") == 0) {
            caller->options.grace_ms = (uint32_t)atoi(value);
        } else if (strcmp(*argv, "--attempts") == 0) {
            caller->options.attempts_max = (uint32_t)atoi(value);
        } else if (strcmp(*argv, "--mem") == 0) {
            caller->options.mem_bytes = (uint64_t)atoll(value);
        } else if (strcmp(*argv, "--output-bytes") == 0) {
            caller->options.output_bytes = (uint64_t)atoll(value);
        } else if (strcmp(*argv, "--single") == 0) {
            caller->single = value;
        } else {
            exit(2);
        }
        argv++;
    }
}

static void
read_file(struct caller *caller)
{
    FILE  *file = fopen(caller->single, "rb");
    char  *data = malloc(SINGLE_BYTES_MAX);
    size_t bytes = file != NULL && data != NULL ? fread(data, 1, SINGLE_BYTES_MAX, file) : 0;

    if (file == NULL)
        exit(2);
    fclose(file);
    caller->options.stdin_data = data;
    caller->options.stdin_bytes = bytes;
}

static void
submit(struct caller *caller)
{
    struct muster_submitted submitted;

    if (caller->single != NULL)
        read_file(caller);
    else
        caller->options.source = MUSTER_SOURCE_ITEMS;
    check(muster_job_submit(caller->session, &caller->options, 10000, &submitted, &error),
          "submit");
    caller->job = submitted.job;
    fprintf(stderr, "job %llu %s\n", (unsigned long long)submitted.job, submitted.warning);
}

static void
feed(struct caller *caller)
{
    static char line[LINE_BYTES_MAX];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        check(muster_job_feed(caller->session, caller->job, line, strlen(line), MUSTER_FOREVER,
                              &error), "feed");
        caller->items++;
    }
    check(muster_job_close_input(caller->session, caller->job, 10000, &error), "close");
}

static void
cancel_first(struct caller *caller)
{
    struct muster_range      first = { 0, 0 };
    struct muster_task_info *infos = NULL;
    size_t                   count;
    uint64_t                 cancelled;
    bool                     runs = false;

    /* A worker tells of a call that has run for a while. */
    while (!runs) {
        check(muster_job_tasks(caller->session, caller->job, 10000, &infos, &count, &error),
              "tasks");
        runs = count > 0 && infos[0].pid != 0;
        free(infos);
        poll(NULL, 0, 10);
    }
    check(muster_job_cancel(caller->session, caller->job, &first, 1, false, 10000, &cancelled,
                            &error), "cancel");
}

static char *
line_of(const struct muster_result *result)
{
    char *text = NULL, *log = strndup(result->err, result->err_bytes);

    for (char *at = log; *at != 0; at++) {
        if (*at == '\n')
            *at = '|';
    }
    if (asprintf(&text, "%u\t%s\t%d\t%.*s\t%s\t%s", result->index,
                 muster_outcome_name(result->outcome), result->exit_code, (int)result->out_bytes,
                 (const char *)result->out, result->reason, log) < 0)
        exit(1);
    free(log);
    return text;
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = ((const struct line *)a)->index, y = ((const struct line *)b)->index;

    return (x > y) - (x < y);
}

static muster_err
to_stdout(void *context, const void *data, size_t bytes)
{
    (void)context;
    return fwrite(data, 1, bytes, stdout) == bytes ? MUSTER_OK : MUSTER_ERR_IO;
}

static void
print_single(struct caller *caller, const struct muster_result *result)
{
    fprintf(stderr, "%s\n", result->reason);
    check(muster_result_output(caller->session, caller->job, 0, false, 60000, to_stdout, NULL,
                               &error), "output");
}

static void
print(struct caller *caller)
{
    struct line           *lines = calloc(caller->items + 1, sizeof(*lines));
    struct muster_results *results;
    struct muster_result   result;
    uint32_t               count = 0;
    muster_err             err;

    check(muster_results_open(caller->session, caller->job, 0, false, &results, &error), "open");
    while ((err = muster_results_next(results, 60000, &result, &error)) == MUSTER_OK) {
        if (caller->single != NULL)
            print_single(caller, &result);
        else if (count == caller->items)
            check(MUSTER_ERR_INTERNAL, "a result came twice");
        else
            lines[count++] = (struct line){ result.index, line_of(&result) };
    }
    if (err != MUSTER_ERR_CLOSED)
        check(err, "results");
    muster_results_close(results);
    qsort(lines, count, sizeof(*lines), compare);
    for (uint32_t i = 0; i < count; i++) {
        puts(lines[i].text);
        free(lines[i].text);
    }
    free(lines);
    free((void *)(uintptr_t)caller->options.stdin_data);
}

int
main(int argc, char **argv)
{
    struct caller                 caller = { 0 };
    struct muster_session_options options = { .address = getenv("MUSTER_ADDRESS"),
                                              .authkey_file = getenv("MUSTER_AUTHKEY_FILE") };

    if (argc < 2)
        return 2;
    read_options(&caller, argv + 1);
    check(muster_session_open(&options, &caller.session, &error), "open the session");
    submit(&caller);
    if (caller.single == NULL)
        feed(&caller);
    if (caller.cancel_first)
        cancel_first(&caller);
    print(&caller);
    muster_session_close(caller.session);
    return 0;
}
