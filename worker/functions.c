/* functions.c - see functions.h: groups, what waits, and who gets it next */
#include "functions_parts.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "files.h"
#include "log.h"

void
functions_init(struct functions *functions)
{
    list_init(&functions->servers);
    list_init(&functions->groups);
    functions->ping_at_ms = clock_now_ms() + FUNCTIONS_PING_MS;
}

uint32_t
function_output_limit(const struct functions *functions, const struct wire_spec *spec)
{
    /* 0: as much as needs no chunks, which the manager would refuse. */
    uint32_t wanted = spec->output_bytes > 0 ? spec->output_bytes : OUTPUT_INLINE_BYTES_MAX;

    return wanted < functions->output_max ? wanted : functions->output_max;
}

/* ---- groups ---- */

static struct group *
group_take(struct functions *functions, const struct function_start *start)
{
    struct group *group;

    for (struct list *at = functions->groups.next; at != &functions->groups; at = at->next) {
        if (GROUP_OF(at)->spec == start->spec)
            return GROUP_OF(at);
    }
    group = base_alloc(sizeof(*group));
    group->number = ++functions->group_last;
    group->spec = start->spec;
    group->job = start->token.job;
    group->argument_fd = -1;
    list_init(&group->waiting);
    list_append(&functions->groups, &group->link);
    return group;
}

static void
group_drop(struct group *group)
{
    assert(group->busy == 0 && group->waiting_count == 0);
    list_remove(&group->link);
    if (group->argument_fd >= 0)
        close(group->argument_fd);
    free(group);
}

/* ---- calls ---- */

/* Out of its ring, and out of what its server has to do. */
static void
call_unlink(struct call *call)
{
    struct server *server = call->server;

    list_remove(&call->link);
    if (server == NULL) {
        call->group->waiting_count--;
        return;
    }
    call->server = NULL;
    server->handed_bytes -= call->bytes;
    if (--server->handed_count > 0)
        return;
    server->group->busy--;
    server->group = NULL;
    server->still_ms = 0;
    server->look_at_ms = clock_now_ms() + FUNCTIONS_IDLE_MS;
}

void
call_forget(struct functions *functions, struct call *call)
{
    struct group *group = call->group;

    call_unlink(call);
    map_remove(&functions->by_task, call->task);
    /* See agent.h: what ends hands its place on, if another one waits for it. */
    group->outstanding--;
    if (group->lanes > group->outstanding)
        group->lanes = group->outstanding;
    for (int i = 0; i < 2 && call->captures != NULL; i++)
        capture_free(&call->captures[i]);
    free(call->captures);
    free(call);
    if (group->outstanding == 0)
        group_drop(group);
}

void
call_take_back(struct call *call)
{
    struct group *group = call->group;

    call_unlink(call);
    list_prepend(&group->waiting, &call->link);     /* it is older than they are */
    group->waiting_count++;
}

void
server_take_back(struct server *server)
{
    uint32_t begun = child_take_back(&server->child);

    if (begun < server->begun)
        begun = server->begun;         /* what was begun stays so */
    while (server->handed_count > 0) {
        struct call *last = CALL_OF(server->handed.prev);

        if (last->number <= begun)
            return;
        server->given--;
        call_take_back(last);
    }
}

void
call_end(struct functions *functions, struct call *call, struct wire_result *result)
{
    struct capture *captures = call->captures;

    result->host = slice_text(functions->host);
    if (captures != NULL) {
        result->out_bytes = captures[0].written;
        result->err_bytes = captures[1].written;
        result->out_kept = capture_kept(&captures[0]);
        result->err_kept = capture_kept(&captures[1]);
        result->out = capture_inline(&captures[0]);
        result->err = capture_inline(&captures[1]);
    }
    functions->calls.ended(functions->calls.context, call->task, result);
    if (captures != NULL && (result->out_kept > result->out.bytes ||
                             result->err_kept > result->err.bytes)) {
        functions->calls.keep(functions->calls.context, call->task, captures);
        call->captures = NULL;
        free(captures);
    }
    call_forget(functions, call);
}

void
call_fail(struct functions *functions, struct call *call, const char *why)
{
    functions->calls.failed(functions->calls.context, call->task, why);
    call_forget(functions, call);
}

void
call_lost(struct functions *functions, struct call *call, const char *why)
{
    functions->calls.lost(functions->calls.context, call->task, why);
    call_forget(functions, call);
}

/* It was cancelled before it was begun. */
static void
call_cancel(struct functions *functions, struct call *call)
{
    struct wire_result result = { .outcome = OUTCOME_CANCELLED,
                                  .reason = slice_text("cancelled before it started") };

    call_end(functions, call, &result);
}

/* ---- start ---- */

void
functions_start(struct functions *functions, const struct function_start *start)
{
    struct group *group = group_take(functions, start);
    struct call  *call = base_alloc(sizeof(*call));

    call->group = group;
    call->task = start->task;
    call->token = start->token;
    call->input = start->input;
    call->key_file = start->key_file;
    /* One descriptor, however many calls are started ahead. */
    if (group->argument_fd < 0)
        group->argument_fd = start->argument_fd;
    else if (start->argument_fd >= 0)
        close(start->argument_fd);
    list_append(&group->waiting, &call->link);
    group->waiting_count++;
    group->outstanding++;
    if (!start->ahead)
        group->lanes++;
    if (group->outstanding == 1)
        group->progress_ms = clock_now_ms();
    map_put(&functions->by_task, start->task, call);
}

/* How many calls may lie at one child. */
static uint32_t
group_depth(const struct group *group)
{
    uint64_t depth;

    if (group->quick_us == 0)
        return 1;
    depth = FUNCTIONS_HANDED_US / group->quick_us;
    return depth < 1 ? 1 : depth < FUNCTIONS_HANDED_MAX ? (uint32_t)depth : FUNCTIONS_HANDED_MAX;
}

static struct server *
server_idle(const struct functions *functions)
{
    for (struct list *at = functions->servers.next; at != &functions->servers; at = at->next) {
        if (SERVER_OF(at)->group == NULL && server_usable(functions, SERVER_OF(at)))
            return SERVER_OF(at);
    }
    return NULL;
}

/* The child of the group with the fewest calls, if it may have one more. */
static struct server *
server_shortest(const struct functions *functions, const struct group *group)
{
    struct server *best = NULL;
    uint32_t       depth = group_depth(group);

    for (struct list *at = functions->servers.next; at != &functions->servers; at = at->next) {
        struct server *server = SERVER_OF(at);

        if (server->group == group && server_usable(functions, server) && !server->slow &&
            server->handed_count < depth && server->handed_bytes < FUNCTIONS_HANDED_BYTES &&
            (best == NULL || server->handed_count < best->handed_count))
            best = server;
    }
    return best;
}

/* The argument: the item; the number of a task of an array; or the same bytes for all.
 * False: it cannot be read. */
static bool
call_argument(const struct call *call, struct buffer *large, char text[static 24],
              struct slice *argument_out)
{
    const struct wire_spec *spec = call->group->spec;
    struct muster_error     error = { 0 };

    if (call->group->argument_fd >= 0) {
        /* From its start: it was read for others before. */
        if (lseek(call->group->argument_fd, 0, SEEK_SET) < 0 ||
            file_read_fd(call->group->argument_fd, STDIN_BYTES_MAX, large, &error)) {
            log_warn("a call goes back, its argument cannot be read: %s", error.detail);
            return false;
        }
        *argument_out = buffer_slice(large);
    } else if (call->input.bytes > 0) {
        *argument_out = call->input;
    } else if (spec->number_is_input) {
        snprintf(text, 24, "%llu", (unsigned long long)(spec->number_first +
                                                        call->token.index * spec->number_step));
        *argument_out = slice_text(text);
    } else {
        *argument_out = spec->stdin_inline;
    }
    return true;
}

static void
hand_spec(struct functions *functions, struct server *server, const struct group *group)
{
    struct buffer     bytes = { 0 };
    struct frame_spec spec = { .job = group->job };

    if (server->spec_group == group->number)
        return;
    wire_put_spec(&bytes, group->spec);
    spec.spec = buffer_slice(&bytes);
    spec.result_bytes_max = function_output_limit(functions, group->spec);
    child_spec(&server->child, &spec);
    buffer_free(&bytes);
    server->spec_group = group->number;
}

static void
call_hand(struct functions *functions, struct server *server, struct call *call)
{
    struct group *group = call->group;
    struct buffer large = { 0 };
    struct slice  argument;
    char          text[24];

    if (!call_argument(call, &large, text, &argument)) {
        buffer_free(&large);
        call_fail(functions, call, "the argument of a call cannot be read");
        return;
    }
    hand_spec(functions, server, group);
    if (call->key_file != NULL)
        child_key(&server->child, functions->address, call->key_file);
    call->number = child_call(&server->child, call->token.index, call->token.attempt, argument);
    call->bytes = argument.bytes;
    buffer_free(&large);
    list_remove(&call->link);
    group->waiting_count--;
    if (server->group == NULL) {
        server->group = group;
        group->busy++;
    }
    call->server = server;
    list_append(&server->handed, &call->link);
    server->handed_count++;
    server->given++;
    server->handed_bytes += call->bytes;
    server->look_at_ms = 0;
    if (server->given == functions->calls_per_child_max ||
        server->child.next == CHILD_CALLS_MAX)
        child_finish(&server->child);
}

/* None can be had: none of those that should run now can. */
static void
group_fail(struct functions *functions, struct group *group, const char *why)
{
    uint32_t count = group->waiting_count;

    while (count-- > 0)
        call_fail(functions, CALL_OF(group->waiting.next), why);
}

static void
group_fill(struct functions *functions, struct group *group)
{
    struct muster_error error = { 0 };

    /* A call that fails on the way may be the group's last. */
    for (uint32_t left = group->waiting_count; left > 0; left--) {
        struct server *server = NULL;

        if (group->busy < group->lanes) {
            server = server_idle(functions);
            if (server == NULL)
                server = server_open(functions, &error);
            if (server == NULL && group->busy == 0) {
                group_fail(functions, group, error.detail);
                return;
            }
        }
        if (server == NULL)
            server = server_shortest(functions, group);
        if (server == NULL)
            return;
        call_hand(functions, server, CALL_OF(group->waiting.next));
    }
}

/* ---- kill and watch ---- */

bool
functions_kill(struct functions *functions, uint64_t task, bool hard, uint64_t now_ms)
{
    struct call   *call = map_get(&functions->by_task, task);
    struct server *server = call != NULL ? call->server : NULL;
    uint64_t       grace_ms;

    if (call == NULL)
        return false;
    if (server != NULL)
        server_take_back(server);          /* perhaps it is not begun yet */
    if (call->server == NULL) {
        call_cancel(functions, call);
        return true;
    }
    if (hard) {
        server_stop(functions, server, STOP_CANCEL, SIGKILL, 0);
        return true;
    }
    if (server->stop != STOP_NONE)
        return true;
    grace_ms = call->group->spec->grace_ms > 0 ? call->group->spec->grace_ms
                                               : functions->grace_ms;
    server->stop = STOP_CANCEL;
    server->stop_call = call->number;
    server->kill_at_ms = now_ms + grace_ms;
    server->look_at_ms = 0;
    atomic_store(&server->child.page->cancelled, call->number);
    return true;
}

bool
functions_watch(struct functions *functions, uint64_t task, bool on)
{
    struct call *call = map_get(&functions->by_task, task);

    if (call == NULL)
        return false;
    call->watched = on;
    for (uint8_t stream = 0; stream < 2 && on && call->captures != NULL; stream++) {
        struct slice           data = capture_inline(&call->captures[stream]);
        struct msg_task_output m = { .token = call->token, .stream = stream,
                                     .data = slice_cut(data, 0, CHUNK_BYTES_MAX) };

        if (data.bytes > 0)
            functions->calls.output(functions->calls.context, &m);
    }
    return true;
}

/* ---- turns ---- */

void
functions_turn(struct functions *functions, uint64_t now_ms)
{
    if (functions->hatchery >= 0 && now_ms >= functions->ping_at_ms)
        hatchery_look(functions, now_ms);
    for (struct list *at = functions->servers.next, *next; at != &functions->servers; at = next) {
        next = at->next;
        if (now_ms >= SERVER_OF(at)->look_at_ms)
            server_look(functions, SERVER_OF(at), now_ms);
    }
    for (struct list *at = functions->groups.next, *next; at != &functions->groups; at = next) {
        next = at->next;
        if (GROUP_OF(at)->waiting_count > 0)
            group_fill(functions, GROUP_OF(at));
    }
    for (struct list *at = functions->groups.next, *next; at != &functions->groups; at = next) {
        next = at->next;
        if (GROUP_OF(at)->waiting_count > 0)
            group_look(functions, GROUP_OF(at), now_ms);
    }
    for (struct list *at = functions->servers.next; at != &functions->servers; at = at->next) {
        struct server *server = SERVER_OF(at);

        server->blocked = !child_flush(&server->child);
        if (server->look_at_ms == 0)       /* it was handed something now */
            server->look_at_ms = now_ms + FUNCTIONS_LOOK_MS;
    }
}

uint64_t
functions_wake_ms(const struct functions *functions)
{
    uint64_t wake_ms = functions->hatchery >= 0 ? functions->ping_at_ms : UINT64_MAX;

    for (struct list *at = functions->servers.next; at != &functions->servers; at = at->next) {
        if (SERVER_OF(at)->look_at_ms < wake_ms)
            wake_ms = SERVER_OF(at)->look_at_ms;
    }
    for (struct list *at = functions->groups.next; at != &functions->groups; at = at->next) {
        const struct group *group = GROUP_OF(at);

        if (group->waiting_count > 0 && group->progress_ms + FUNCTIONS_UNSTARTED_MS < wake_ms)
            wake_ms = group->progress_ms + FUNCTIONS_UNSTARTED_MS;
    }
    return wake_ms;
}

void
functions_readable(struct functions *functions, uint32_t number, uint64_t now_ms)
{
    struct server *server = map_get(&functions->by_child, number);

    if (server != NULL)
        server_listen(functions, server, now_ms);
}

/* ---- the end ---- */

void
functions_all_gone(struct functions *functions)
{
    static const char why[] = "what makes the children for functions was killed";
    uint64_t          now_ms = clock_now_ms();

    functions->hatchery = -1;
    while (!list_empty(&functions->servers)) {
        struct server *server = SERVER_OF(functions->servers.next);
        struct call   *call;

        server_listen(functions, server, now_ms);      /* what has a result has ended */
        call = server_suspect(server);
        if (call != NULL)
            call_lost(functions, call, why);
        while (server->handed_count > 0)
            call_fail(functions, CALL_OF(server->handed.next), why);
        server_free(functions, server);
    }
    while (!list_empty(&functions->groups))
        group_fail(functions, GROUP_OF(functions->groups.next), why);
}

void
functions_free(struct functions *functions)
{
    size_t       cursor = 0;
    struct call *call;

    if (functions->servers.next == NULL)
        return;
    while ((call = map_next(&functions->by_task, &cursor, NULL)) != NULL) {
        call_forget(functions, call);
        cursor = 0;
    }
    while (!list_empty(&functions->servers))
        server_free(functions, SERVER_OF(functions->servers.next));
    map_free(&functions->by_task);
    map_free(&functions->by_child);
}
