/* loop_act.c - the agent's actions, and the parts that the loop puts together */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "clock.h"
#include "log.h"
#include "loop_parts.h"
#include "notify.h"
#include "parse.h"

enum {
    SPOOL_NAMES_MAX = 64,         /* workers of one name on one machine */
    REPLACE_MS      = 10000,      /* beyond its grace, for a worker that is replaced */
};

/* ---- what the runner tells ---- */

static void
on_ended(void *context, uint64_t task, const struct wire_result *result)
{
    struct loop *loop = context;

    task_keys_forget(&loop->keys, task);
    agent_ended(loop->agent, clock_now_ms(), task, result, &loop->actions);
    loop->again = true;
}

static void
on_failed(void *context, uint64_t task, const char *why)
{
    struct loop *loop = context;

    task_keys_forget(&loop->keys, task);
    agent_failed(loop->agent, clock_now_ms(), task, why, &loop->actions);
    loop->again = true;
}

static void
on_lost(void *context, uint64_t task, const char *why)
{
    struct loop *loop = context;

    task_keys_forget(&loop->keys, task);
    agent_lost(loop->agent, clock_now_ms(), task, why, &loop->actions);
    loop->again = true;
}

static void
on_unstarted(void *context, uint64_t task)
{
    struct loop *loop = context;

    agent_unstarted(loop->agent, clock_now_ms(), task, &loop->actions);
    loop->again = true;
}

static void
on_keep(void *context, uint64_t task, struct capture captures[2])
{
    struct loop *loop = context;

    runner_keep(&loop->runner, task, captures);
}

static void
on_started(void *context, uint64_t task, uint32_t pid)
{
    struct loop *loop = context;

    agent_started(loop->agent, clock_now_ms(), task, pid);
}

/* Live output is for who looks on: what the link does not take now is not kept. */
static void
on_output(void *context, const struct msg_task_output *m)
{
    struct loop *loop = context;
    size_t       begin;

    if (!agent_joined(loop->agent) || loop->outbox.blocked)
        return;
    buffer_clear(&loop->scratch_message);
    begin = wire_message_begin(&loop->scratch_message, MSG_TYPE_TASK_OUTPUT, 0);
    wire_put_msg_task_output(&loop->scratch_message, m);
    wire_message_end(&loop->scratch_message, begin);
    outbox_add(&loop->outbox, buffer_slice(&loop->scratch_message));
}

/* ---- standard input ---- */

static uint64_t
on_ask(void *context, uint64_t job, uint64_t offset)
{
    struct loop         *loop = context;
    struct msg_stdin_get m = { .job = job, .offset = offset };
    uint64_t             request;
    size_t               begin;

    if (!agent_joined(loop->agent))
        return 0;
    request = agent_request(loop->agent);
    buffer_clear(&loop->scratch_message);
    begin = wire_message_begin(&loop->scratch_message, MSG_TYPE_STDIN_GET, request);
    wire_put_msg_stdin_get(&loop->scratch_message, &m);
    wire_message_end(&loop->scratch_message, begin);
    outbox_add(&loop->outbox, buffer_slice(&loop->scratch_message));
    return request;
}

static void
on_stdin_ready(void *context, const struct stdin_waiter *waiter, muster_err err)
{
    struct loop *loop = context;

    if (err) {
        log_warn("standard input of job %llu cannot be had: %s",
                 (unsigned long long)waiter->token.job, muster_err_text(err));
        on_failed(loop, waiter->task, muster_err_text(err));
        return;
    }
    runner_start(&loop->runner, waiter->task, &waiter->token, waiter->spec, waiter->input,
                 waiter->ahead);
}

bool
loop_read_kept(void *context, uint64_t task, uint8_t stream, uint32_t offset, uint32_t bytes,
               struct buffer *out)
{
    struct loop *loop = context;

    return runner_read(&loop->runner, task, stream, offset, bytes, out);
}

/* ---- actions ---- */

static void
act_spool(struct loop *loop, const struct agent_action *action)
{
    struct spool_record record = {
        .manager = loop->manager,
        .session = agent_session(loop->agent),
        .secret = agent_secret(loop->agent),
        .token = action->token,
        .result = action->result,
    };
    struct muster_error error = { 0 };

    if (runner_spool(&loop->runner, action->task, &record, &error))
        log_error("a finished result is in memory only: %s", error.detail);
}

static void
act_key(struct loop *loop, const struct agent_action *action)
{
    struct muster_error error = { 0 };
    uint8_t             public[KEY_PUBLIC_BYTES];

    if (task_keys_make(&loop->keys, action->task, &action->token, public, &error))
        on_failed(loop, action->task, error.detail);
    else
        agent_key(loop->agent, clock_now_ms(), action->task, public, &loop->actions);
}

static void
act_reconnect(struct loop *loop)
{
    struct muster_error error = { 0 };

    log_warn("no word from the manager: connecting anew");
    loop_disconnect(loop);
    if (loop_connect(loop, &error)) {
        loop->exit_error = error;
        loop->exiting = true;
    }
}

static void
act_exit(struct loop *loop, const struct agent_action *action, const char *text)
{
    loop->exiting = true;
    if (action->err)
        error_set(&loop->exit_error, action->err, "%s", text);
    else
        log_info("%s", text);
}

static void
act_one(struct loop *loop, const struct agent_action *action)
{
    struct slice message = slice_cut(buffer_slice(&loop->actions.out), action->offset,
                                     action->bytes);

    switch (action->type) {
    case AGENT_SEND:
        if (action->bulk)
            outbox_add_bulk(&loop->outbox, message);
        else
            outbox_add(&loop->outbox, message);
        break;
    case AGENT_CHUNK:
        outbox_add_chunks(&loop->outbox, action->task, &action->token, action->stream,
                          (uint32_t)action->offset, (uint32_t)action->bytes);
        break;
    case AGENT_KEY:
        act_key(loop, action);
        break;
    case AGENT_START:
        runner_start(&loop->runner, action->task, &action->token, action->spec, action->input,
                     action->ahead);
        break;
    case AGENT_KILL:
        runner_kill(&loop->runner, action->task, action->hard);
        break;
    case AGENT_WATCH:
        runner_watch(&loop->runner, action->task, action->on);
        break;
    case AGENT_SPOOL:
        act_spool(loop, action);
        break;
    case AGENT_RELEASE:
        runner_release(&loop->runner, action->task);
        task_keys_forget(&loop->keys, action->task);
        break;
    case AGENT_RECONNECT:
        act_reconnect(loop);
        break;
    case AGENT_EXIT:
        act_exit(loop, action, (const char *)message.data);
        break;
    case AGENT_NOTE:
        log_warn("%s", (const char *)message.data);
        break;
    }
}

static void
note_joined(struct loop *loop)
{
    bool joined = agent_joined(loop->agent);
    char mem[16];

    if (joined && !loop->joined) {
        log_info("joined %s as %s: %u.%03u cpus, %s", loop->config->connect, loop->config->name,
                 loop->config->cpus_milli / 1000, loop->config->cpus_milli % 1000,
                 format_size(mem, loop->config->mem_bytes));
        if (!loop->joined_said)
            notify_ready(loop->config->ready_fd);
        loop->joined_said = true;
        stdin_resume(&loop->stdins);
    }
    loop->joined = joined;
}

void
loop_act(struct loop *loop, uint64_t now_ms)
{
    (void)now_ms;
    for (uint32_t i = 0; i < loop->actions.count; i++) {
        struct agent_action action = loop->actions.items[i];    /* the array may grow */

        act_one(loop, &action);
    }
    agent_actions_clear(&loop->actions);
    note_joined(loop);
}

/* ---- parts ---- */

/* --replace: the holder drains first, so that its tasks are not lost to us. */
static muster_err
replace_holder(struct loop *loop, const char *folder, pid_t holder, struct muster_error *error)
{
    uint64_t   until_ms = clock_now_ms() + loop->config->grace_ms + REPLACE_MS;
    muster_err err = MUSTER_ERR_EXISTS;

    log_info("asking the worker with pid %d to end", (int)holder);
    if (holder <= 0 || (kill(holder, SIGTERM) < 0 && errno != ESRCH))
        return error_errno(error, MUSTER_ERR_EXISTS, "cannot ask the worker with pid %d to end",
                           (int)holder);
    while (err == MUSTER_ERR_EXISTS && clock_now_ms() < until_ms) {
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        err = spool_open(&loop->spool, folder, &holder, error);
    }
    return err;
}

static muster_err
open_spool_at(struct loop *loop, const char *folder, struct muster_error *error)
{
    pid_t      holder = 0;
    muster_err err = spool_open(&loop->spool, folder, &holder, error);

    if (err == MUSTER_ERR_EXISTS && loop->config->replace)
        err = replace_holder(loop, folder, holder, error);
    return err;
}

/* Under a lifeline nobody will start this worker again to deliver what is left,
 * so the spool lies with the scratch folders and goes with them. */
static muster_err
open_spool(struct loop *loop, struct muster_error *error)
{
    struct buffer path = { 0 };
    muster_err    err = MUSTER_ERR_EXISTS;

    if (loop->config->spool != NULL)
        return open_spool_at(loop, loop->config->spool, error);
    for (int i = 1; i <= SPOOL_NAMES_MAX && err == MUSTER_ERR_EXISTS; i++) {
        buffer_clear(&path);
        if (loop->config->lifeline_fd < 0)
            spool_default(loop->config->name, &path);
        if (path.bytes == 0)
            buffer_printf(&path, "%s/spool", loop->scratch);
        if (i > 1)
            buffer_printf(&path, "-%d", i);
        err = open_spool_at(loop, buffer_text(&path), error);
    }
    buffer_free(&path);
    return err;
}

struct restored {
    struct buffer records;            /* struct restored_one, for after the agent is made */
    uint64_t      session, secret;
    uint64_t      manager;
    uint32_t      others;
};

struct restored_one {
    uint64_t          id;
    struct wire_token token;
    struct buffer     result;
};

static void
on_restored(void *context, uint64_t id, const struct spool_record *record)
{
    struct restored    *restored = context;
    struct restored_one one = { .id = id, .token = record->token };

    if (record->manager != restored->manager) {
        restored->others++;
        return;
    }
    restored->session = record->session;
    restored->secret = record->secret;
    buffer_append_slice(&one.result, record->result);
    buffer_append(&restored->records, &one, sizeof(one));
}

static void
give_back(struct loop *loop, struct restored *restored)
{
    uint32_t count = (uint32_t)(restored->records.bytes / sizeof(struct restored_one));

    for (uint32_t i = 0; i < count; i++) {
        struct restored_one one;
        uint64_t            task;

        memcpy(&one, restored->records.data + i * sizeof(one), sizeof(one));
        agent_restore(loop->agent, &one.token, buffer_slice(&one.result), &task);
        runner_restored(&loop->runner, task, one.id);
        buffer_free(&one.result);
    }
    if (count > 0)
        log_info("%u results of an earlier run wait in %s for the manager", count,
                 loop->spool.folder);
    if (restored->others > 0)
        log_warn("%u results in %s are for another manager; they stay", restored->others,
                 loop->spool.folder);
    buffer_free(&restored->records);
}

static void
open_agent(struct loop *loop, const struct restored *restored)
{
    const struct config *config = loop->config;
    struct agent_config  agent = {
        .name = config->name, .host = config->host, .software = "muster-worker " MUSTER_VERSION,
        .pid = (uint32_t)getpid(),
        .cpus_milli = config->cpus_milli, .mem_bytes = config->mem_bytes,
        .window = config->window, .running_max = loop->running_max,
        .resources = config->resource_items, .resource_count = config->resources.count,
        .labels = (const char *const *)config->labels.items, .label_count = config->labels.count,
        .queues = (const char *const *)config->queues.items, .queue_count = config->queues.count,
        .functions = (const char *const *)loop->hatched->names.items,
        .function_count = loop->hatched->names.count,
        .on_manager_lost = (enum agent_lost)config->on_manager_lost,
        .grace_ms = config->grace_ms, .idle_ms = config->idle_ms,
        .session = restored->session, .secret = restored->secret,
        .wary = loop->again_started,
    };

    while (agent.secret == 0)
        auth_random(&agent.secret, sizeof(agent.secret));
    auth_random(&agent.random, sizeof(agent.random));
    loop->agent = agent_new(&agent, clock_now_ms());
}

muster_err
loop_open_parts(struct loop *loop, const struct spawn_user *user, struct muster_error *error)
{
    struct restored restored = { 0 };
    muster_err      err = open_spool(loop, error);

    if (err)
        return err;
    loop->manager = map_hash(slice_of(key_manager_public(loop->key), KEY_BYTES));
    loop->base_env = command_base_env(environ, user->switches ? user->name : NULL, user->home);
    loop->keys = (struct task_keys){ .scratch = loop->scratch, .user = user,
                                     .worker = loop->key };
    loop->stdins = (struct stdin_cache){ .folder = loop->scratch, .context = loop, .ask = on_ask,
                                         .ready = on_stdin_ready };
    loop->functions = (struct functions){
        .calls = { loop, loop_watch_child, on_ended, on_failed, on_lost, on_unstarted,
                   on_started, on_output, on_keep },
        .hatchery = loop->hatched->socket, .hatchery_pid = loop->hatched->hatchery,
        .worker = loop->config->name, .address = loop->config->connect,
        .host = loop->config->host, .scratch = loop->scratch,
        .output_max = (uint32_t)loop->config->output_max, .grace_ms = loop->config->grace_ms,
        .calls_per_child_max = loop->config->calls_per_child_max,
        .start_limit_ms = loop->config->start_limit_ms,
        .child_last = clock_now_us(),     /* never a number that an earlier start used */
    };
    functions_init(&loop->functions);
    loop->runner = (struct runner){
        .calls = { loop, loop_watch_slot, on_ended, on_failed, on_lost, on_started,
                   on_output },
        .nursery = loop->nursery, .spool = &loop->spool, .stdins = &loop->stdins,
        .functions = &loop->functions, .keys = &loop->keys, .address = loop->config->connect,
        .scratch = loop->scratch, .host = loop->config->host,
        .worker = loop->config->name, .base_env = loop->base_env,
        .output_max = (uint32_t)loop->config->output_max, .grace_ms = loop->config->grace_ms,
    };
    restored.manager = loop->manager;
    err = spool_load(&loop->spool, on_restored, &restored, error);
    open_agent(loop, &restored);
    give_back(loop, &restored);
    return err;
}
