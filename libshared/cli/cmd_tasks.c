/* cmd_tasks.c - muster tasks JOB: what became of each task
 *
 * The states come from the manager as runs of equal tasks; exit codes and
 * times from the results of the job.  A task that was retried shows its latest
 * result.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "follow.h"
#include "json_out.h"
#include "parse.h"
#include "select.h"
#include "table.h"

struct tasks_settings {
    bool failed;
};

static const struct option tasks_rows[] = {
    { 'f', "failed", NULL, OPTION_FLAG, offsetof(struct tasks_settings, failed), 0,
      "only tasks that failed", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group tasks_options = { "Options", tasks_rows, false };
static const struct option_group *const tasks_groups[] = { &tasks_options, &cli_options, NULL };

static const struct example tasks_examples[] = {
    { "every task of the latest job", "muster tasks last" },
    { "what failed, and why", "muster tasks 3 --failed" },
    { "some of them", "muster tasks 3.1-20" },
    { "the slowest five", "muster tasks --json 3 | jq 'sort_by(-.wall_seconds) | .[:5]'" },
    { "numbers of failed tasks, for scripts",
      "for t in $(muster tasks -q -f 3); do muster output 3.$t; done" },
    EXAMPLES_END,
};

static const struct table_column tasks_columns[] = {
    { "TASK", TABLE_RIGHT }, { "STATE", TABLE_LEFT }, { "EXIT", TABLE_RIGHT },
    { "TIME", TABLE_RIGHT }, { "TRY", TABLE_RIGHT }, { "WORKER", TABLE_LEFT },
    { "REASON", TABLE_LEFT },
};

/* What a result says of a task, without its output. */
struct ended {
    uint32_t            index, count;
    uint32_t            sequence;      /* a later one counts */
    uint32_t            attempt;
    enum muster_outcome outcome;
    int32_t             exit_code;
    uint64_t            wall_us;
    uint64_t            rss_bytes;
    uint32_t            worker, reason;   /* offsets into `texts` */
};

struct tasks {
    struct cli      *cli;
    struct selected *selected;
    bool             failed_only;
    struct ended    *ended;
    uint32_t         ended_count, ended_capacity;
    bool             has_runs;         /* one of them stands for several tasks */
    struct buffer    texts;
    uint32_t         last_worker;
    struct table     table;
    json_t          *array;
};

/* ---- gathering ---- */

/* Workers repeat from task to task, reasons are mostly empty. */
static uint32_t
tasks_text(struct tasks *tasks, const char *text, uint32_t last)
{
    uint32_t at = (uint32_t)tasks->texts.bytes;

    if (last < at && strcmp((const char *)tasks->texts.data + last, text) == 0)
        return last;
    buffer_append(&tasks->texts, text, strlen(text) + 1);
    return at;
}

static void
tasks_add(struct tasks *tasks, const struct muster_result *result)
{
    struct ended *ended;

    base_grow((void **)&tasks->ended, &tasks->ended_capacity, tasks->ended_count + 1,
              sizeof(*tasks->ended));
    ended = &tasks->ended[tasks->ended_count];
    tasks->last_worker = tasks_text(tasks, result->worker, tasks->last_worker);
    *ended = (struct ended){
        .index = result->index, .count = result->count > 0 ? result->count : 1,
        .sequence = tasks->ended_count, .attempt = result->attempt, .outcome = result->outcome,
        .exit_code = result->exit_code, .wall_us = result->wall_us,
        .rss_bytes = result->rss_bytes, .worker = tasks->last_worker,
        .reason = result->reason[0] == '\0' ? 0 : tasks_text(tasks, result->reason, UINT32_MAX),
    };
    tasks->has_runs = tasks->has_runs || ended->count > 1;
    tasks->ended_count++;
}

static int
ended_compare(const void *a, const void *b)
{
    const struct ended *left = a;
    const struct ended *right = b;

    if (left->index != right->index)
        return left->index < right->index ? -1 : 1;
    return left->sequence < right->sequence ? -1 : 1;
}

static muster_err
tasks_gather(struct tasks *tasks, struct muster_error *error)
{
    struct so_far so_far = { 0 };
    muster_err    err;

    buffer_append(&tasks->texts, "", 1);       /* offset 0: no text */
    err = so_far_open(&so_far, tasks->cli->session, &tasks->selected->info, true, error);
    while (!err) {
        struct muster_result result;

        err = so_far_next(&so_far, &result, error);
        if (!err)
            tasks_add(tasks, &result);
    }
    so_far_close(&so_far);
    if (tasks->ended_count > 0)
        qsort(tasks->ended, tasks->ended_count, sizeof(*tasks->ended), ended_compare);
    return err == MUSTER_ERR_CLOSED ? MUSTER_OK : err;
}

/* The latest result that covers `index`; NULL: none. */
static const struct ended *
tasks_find(const struct tasks *tasks, uint32_t index)
{
    const struct ended *found = NULL;
    uint32_t            low = 0;
    uint32_t            high = tasks->ended_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (tasks->ended[middle].index <= index)
            low = middle + 1;
        else
            high = middle;
    }
    /* Runs of cancelled tasks begin before the index that they cover. */
    while (low-- > 0) {
        const struct ended *ended = &tasks->ended[low];

        if (index - ended->index < ended->count &&
            (found == NULL || ended->sequence > found->sequence))
            found = ended;
        if (ended->index < index && !tasks->has_runs)
            break;
    }
    return found;
}

/* ---- showing ---- */

static void
tasks_show_json(struct tasks *tasks, uint64_t number, uint32_t count,
                const struct muster_task_info *info, const struct ended *ended)
{
    const char *texts = (const char *)tasks->texts.data;
    json_t     *object = json_object();

    json_object_set_new(object, "task", json_of_number(number));
    if (count > 1)
        json_object_set_new(object, "count", json_of_number(count));
    json_object_set_new(object, "state", json_string(muster_task_state_name(info->state)));
    json_object_set_new(object, "worker",
                        json_string(ended != NULL ? texts + ended->worker : info->worker));
    json_object_set_new(object, "attempt",
                        json_of_number(ended != NULL ? ended->attempt : info->attempt));
    if (info->pid != 0)
        json_object_set_new(object, "pid", json_of_number(info->pid));
    if (ended == NULL) {
        json_object_set_new(object, "since_seconds", json_real((double)info->since_ms / 1000.0));
    } else {
        json_object_set_new(object, "outcome", json_string(muster_outcome_name(ended->outcome)));
        json_object_set_new(object, "exit_code", json_integer(ended->exit_code));
        json_object_set_new(object, "reason", json_string(texts + ended->reason));
        json_object_set_new(object, "wall_seconds", json_real((double)ended->wall_us / 1e6));
        json_object_set_new(object, "memory_bytes", json_of_number(ended->rss_bytes));
    }
    json_array_append_new(tasks->array, object);
}

static void
tasks_show_exit(struct table *table, const struct ended *ended)
{
    bool ran = ended != NULL && ended->outcome != MUSTER_OUTCOME_NOT_STARTED &&
               ended->outcome != MUSTER_OUTCOME_LOST &&
               ended->outcome != MUSTER_OUTCOME_DEPENDENCY &&
               ended->outcome != MUSTER_OUTCOME_CANCELLED;

    if (ran)
        table_cell(table, "%d", ended->exit_code);
    else
        table_cell(table, "-");
}

static void
tasks_show_reason(struct tasks *tasks, const struct ended *ended)
{
    const char *reason;
    const char *name;

    if (ended == NULL || ended->outcome == MUSTER_OUTCOME_SUCCEEDED) {
        table_cell(&tasks->table, "%s", "");
        return;
    }
    reason = (const char *)tasks->texts.data + ended->reason;
    name = muster_outcome_name(ended->outcome);
    if (ended->outcome == MUSTER_OUTCOME_SIGNALED)
        table_cell(&tasks->table, "%s", reason[0] != '\0' ? reason : strsignal(-ended->exit_code));
    else if (ended->outcome == MUSTER_OUTCOME_EXITED && reason[0] == '\0')
        table_cell(&tasks->table, "exit code %d", ended->exit_code);
    else if (strncmp(reason, name, strlen(name)) == 0)     /* it says so itself */
        table_cell(&tasks->table, "%s", reason);
    else
        table_cell(&tasks->table, "%s%s%s", name, reason[0] != '\0' ? ": " : "", reason);
}

/* One task that ended, or a run of tasks in the same state. */
static void
tasks_show(struct tasks *tasks, uint32_t index, uint32_t count, const struct muster_task_info *info,
           const struct ended *ended)
{
    uint64_t    first = numbering_number(tasks->selected->numbering, index);
    uint64_t    last = numbering_number(tasks->selected->numbering, index + count - 1);
    uint64_t    time_ms = ended != NULL ? ended->wall_us / 1000 : info->since_ms;
    const char *worker = ended != NULL ? (const char *)tasks->texts.data + ended->worker
                                       : info->worker;
    char        text[16];

    if (tasks->cli->json) {
        tasks_show_json(tasks, first, count, info, ended);
        return;
    }
    if (tasks->cli->quiet) {
        for (uint32_t i = 0; i < count; i++)
            printf("%" PRIu64 "\n", numbering_number(tasks->selected->numbering, index + i));
        return;
    }
    if (count > 1)
        table_cell(&tasks->table, "%" PRIu64 "-%" PRIu64, first, last);
    else
        table_cell(&tasks->table, "%" PRIu64, first);
    table_cell(&tasks->table, "%s", muster_task_state_name(info->state));
    tasks_show_exit(&tasks->table, ended);
    table_cell(&tasks->table, "%s", format_duration(text, time_ms));
    table_cell(&tasks->table, "%u", ended != NULL ? ended->attempt : info->attempt);
    table_cell(&tasks->table, "%s", worker[0] != '\0' ? worker : "-");
    tasks_show_reason(tasks, ended);
}

static bool
task_has_ended(enum muster_task_state state)
{
    return state == MUSTER_TASK_SUCCEEDED || state == MUSTER_TASK_FAILED ||
           state == MUSTER_TASK_CANCELLED;
}

/* The part of a run between two indexes, both included. */
static void
tasks_show_part(struct tasks *tasks, const struct muster_task_info *info, uint32_t first,
                uint32_t last)
{
    if (!task_has_ended(info->state)) {
        tasks_show(tasks, first, last - first + 1, info, NULL);
        return;
    }
    while (first <= last) {
        const struct ended *ended = tasks_find(tasks, first);
        uint32_t            count = 1;

        if (ended != NULL && ended->count > 1 && ended->index + ended->count - first > 1)
            count = ended->index + ended->count - first;
        if (count > last - first + 1)
            count = last - first + 1;
        tasks_show(tasks, first, count, info, ended);
        if (last - first + 1 == count)
            return;
        first += count;
    }
}

static void
tasks_show_run(struct tasks *tasks, const struct muster_task_info *info)
{
    const struct selected *selected = tasks->selected;
    uint32_t               last = info->index + info->count - 1;

    if (tasks->failed_only && info->state != MUSTER_TASK_FAILED)
        return;
    if (selected->ranges == NULL) {
        tasks_show_part(tasks, info, info->index, last);
        return;
    }
    for (size_t i = 0; i < selected->selector.range_count; i++) {
        uint32_t from = selected->ranges[i].first;
        uint32_t to = selected->ranges[i].last;

        if (from < info->index)
            from = info->index;
        if (to > last)
            to = last;
        if (from <= to)
            tasks_show_part(tasks, info, from, to);
    }
}

static int
tasks_list(struct tasks *tasks)
{
    struct muster_error      error = { 0 };
    struct muster_task_info *infos = NULL;
    uint64_t                 job = tasks->selected->info.job;
    size_t                   count = 0;
    muster_err               err;

    err = muster_job_tasks(tasks->cli->session, job, CLI_CALL_MS, &infos, &count, &error);
    /* Results second: what ended between the two is then known already. */
    if (!err)
        err = tasks_gather(tasks, &error);
    if (err)
        return cli_fail(&error, "list the tasks of job", "%" PRIu64, job);
    for (size_t i = 0; i < count; i++)
        if (infos[i].count > 0)
            tasks_show_run(tasks, &infos[i]);
    free(infos);
    if (tasks->cli->json)
        json_out_print(json_incref(tasks->array));
    table_print(&tasks->table, stdout);
    if (!tasks->cli->json && !tasks->cli->quiet && tasks->table.cell_count == 0)
        cli_note(tasks->cli, "job %" PRIu64 " has no %stasks%s", job,
                 tasks->failed_only ? "failed " : "", tasks->failed_only ? "" : " yet");
    return EXIT_DONE;
}

static int
tasks_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct tasks_settings *wanted = settings;
    struct selected              selected = { 0 };
    struct tasks                 tasks = { .cli = cli, .selected = &selected,
                                           .failed_only = wanted->failed,
                                           .last_worker = UINT32_MAX };
    int                          status;

    if (!command_operands(&command_tasks, operands, 1, 1))
        return EXIT_USAGE;
    tasks.table = (struct table){
        .columns = tasks_columns,
        .column_count = sizeof(tasks_columns) / sizeof(tasks_columns[0]),
        .width_max = terminal_width(STDOUT_FILENO),
    };
    tasks.array = json_array();
    status = selected_get(cli, "tasks", operands->items[0], &selected);
    if (status == EXIT_DONE)
        status = tasks_list(&tasks);
    selected_free(&selected);
    free(tasks.ended);
    buffer_free(&tasks.texts);
    table_free(&tasks.table);
    json_decref(tasks.array);
    return status;
}

const struct command command_tasks = {
    .name = "tasks",
    .usage = "JOB[.TASKS] [--failed]",
    .summary = "list the tasks of a job with exit codes, times and reasons",
    .text =
        "Tasks that have ended have a line each, tasks that wait in the same state share "
        "one. TIME is how long the task ran, or how long it has been in its state; TRY "
        "counts attempts. An exit code of -N means that signal N ended the task.",
    .groups = tasks_groups,
    .examples = tasks_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct tasks_settings),
    .run = tasks_run,
};
