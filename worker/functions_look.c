/* functions_look.c - what time brings to calls: limits, and calls that block others */
#include "functions_parts.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "clock.h"
#include "hatch.h"
#include "log.h"
#include "parse.h"
#include "tree.h"

static void
sooner(uint64_t *wake_ms, uint64_t at_ms)
{
    if (at_ms < *wake_ms)
        *wake_ms = at_ms;
}

static uint64_t
grace_of(const struct functions *functions, const struct call *call)
{
    uint32_t grace_ms = call->group->spec->grace_ms;

    return grace_ms > 0 ? grace_ms : functions->grace_ms;
}

/* A call that has run for a while: does it take too much? */
static void
look_at_use(struct functions *functions, struct server *server, const struct call *call,
            uint64_t now_ms)
{
    uint64_t mem_bytes = call->group->spec->mem_bytes;

    if (now_ms < server->memory_at_ms)
        return;
    server->memory_at_ms = now_ms + FUNCTIONS_MEMORY_MS;
    if (mem_bytes > 0 && tree_memory_of(server->child.pid) > mem_bytes)
        server_stop(functions, server, STOP_MEMORY, SIGKILL, 0);
    else if (child_printed_bytes(&server->child) > FUNCTIONS_PRINTED_MAX)
        server_stop(functions, server, STOP_PRINTED, SIGKILL, 0);
}

/* The call that runs; returns when to look again. */
static uint64_t
look_at_call(struct functions *functions, struct server *server, struct call *call,
             uint64_t now_ms)
{
    uint64_t started_ms = server_started_us(server, now_ms * 1000) / 1000;
    uint64_t run_ms = now_ms > started_ms ? now_ms - started_ms : 0;
    uint32_t limit_ms = call->group->spec->time_limit_ms;
    uint64_t wake_ms = UINT64_MAX;

    if (!call->told && run_ms >= FUNCTIONS_STARTED_MS && server->child.pid != 0) {
        call->told = true;
        functions->calls.started(functions->calls.context, call->task,
                                 (uint32_t)server->child.pid);
    }
    if (run_ms >= FUNCTIONS_SLOW_MS && server->handed_count > 1) {
        server->slow = true;
        server_take_back(server);
    }
    if (limit_ms > 0 && run_ms >= limit_ms && server->stop != STOP_TIME && !server->ending)
        server_stop(functions, server, STOP_TIME, SIGTERM, now_ms + grace_of(functions, call));
    else if (run_ms >= FUNCTIONS_MEMORY_MS && !server->ending)
        look_at_use(functions, server, call, now_ms);

    if (limit_ms > 0 && !server->ending)
        sooner(&wake_ms, started_ms + limit_ms);
    if (!call->told)
        sooner(&wake_ms, started_ms + FUNCTIONS_STARTED_MS);
    if (call->told && !server->ending)
        sooner(&wake_ms, now_ms + FUNCTIONS_MEMORY_MS);
    if (server->handed_count > 1)
        sooner(&wake_ms, now_ms + FUNCTIONS_LOOK_MS);
    return wake_ms > now_ms ? wake_ms : now_ms + 1;
}

/* It took too long for something that is no call. */
static void
server_expire(struct functions *functions, struct server *server, const char *what,
              uint64_t limit_ms)
{
    char limit[16];

    snprintf(server->fault, sizeof(server->fault), "%s after %s; it was killed", what,
             format_duration(limit, limit_ms));
    log_warn("%s", server->fault);
    server_kill(functions, server, SIGKILL);
}

/* It has begun nothing yet, as far as it tells; returns when to look again. */
static uint64_t
look_at_still(struct functions *functions, struct server *server, uint64_t now_ms)
{
    uint32_t limit_ms = functions->start_limit_ms;

    if (server->ending)
        return UINT64_MAX;
    if (server->child.state == CHILD_NEW) {
        if (now_ms >= server->opened_ms + limit_ms)
            server_expire(functions, server, "the start hooks of a child still ran", limit_ms);
    } else if (server->still_ms == 0) {
        server->still_ms = now_ms;
    } else if (now_ms >= server->still_ms + limit_ms) {
        server_expire(functions, server, "a child had not begun the call that it was handed",
                      limit_ms);
    }
    return now_ms + FUNCTIONS_STARTED_MS;
}

/* It has no calls: end hooks may take too long, and what a call left behind may print. */
static uint64_t
look_at_idle(struct functions *functions, struct server *server, uint64_t now_ms)
{
    if (server->ending)
        return UINT64_MAX;
    if (server->child.finish && server->leave_at_ms == 0)
        server->leave_at_ms = now_ms + functions->grace_ms;
    if (server->child.finish && now_ms >= server->leave_at_ms) {
        server_expire(functions, server, "the end hooks of a child still ran",
                      functions->grace_ms);
    } else if (child_printed_bytes(&server->child) > FUNCTIONS_PRINTED_MAX) {
        log_warn("a child is killed: what its calls left behind prints without end");
        server_kill(functions, server, SIGKILL);
    }
    /* All idle children in one turn. */
    return now_ms - now_ms % FUNCTIONS_IDLE_MS + FUNCTIONS_IDLE_MS;
}

static uint64_t
look_at_calls(struct functions *functions, struct server *server, uint64_t now_ms)
{
    struct call *call = server_running(server);

    if (server->handed_count == 0 && server->child.state != CHILD_NEW)
        return look_at_idle(functions, server, now_ms);
    if (call == NULL)
        return look_at_still(functions, server, now_ms);
    server->still_ms = 0;
    return look_at_call(functions, server, call, now_ms);
}

void
server_look(struct functions *functions, struct server *server, uint64_t now_ms)
{
    struct call *call;

    server_signal(functions, server);
    if (page_has(server->child.page))
        server_listen(functions, server, now_ms);
    call = server_running(server);
    if (server->kill_at_ms != 0 && now_ms >= server->kill_at_ms) {
        server->kill_at_ms = 0;
        if (call != NULL && call->number == server->stop_call)
            server_stop(functions, server, server->stop, SIGKILL, 0);
    }
    server->look_at_ms = look_at_calls(functions, server, now_ms);
    if (server->handed_count > 1)
        sooner(&server->look_at_ms, now_ms + FUNCTIONS_LOOK_MS);
    if (server->blocked || server->signal != 0)
        sooner(&server->look_at_ms, now_ms + 1);
    if (server->kill_at_ms != 0)
        sooner(&server->look_at_ms, server->kill_at_ms);
}

/* ---- the hatchery ---- */

void
hatchery_answered(struct functions *functions, uint64_t now_ms)
{
    functions->pinged = false;
    functions->ping_at_ms = now_ms + FUNCTIONS_PING_MS;
}

void
hatchery_look(struct functions *functions, uint64_t now_ms)
{
    struct hatch ping = { .kind = HATCH_PING };
    char         limit[16];

    /* When it was us who slept, it may have answered in vain: it is asked again. */
    if (functions->pinged && now_ms < functions->ping_at_ms + FUNCTIONS_ASLEEP_MS) {
        log_error("what makes the children for functions has not answered for %s; it is killed",
                  format_duration(limit, FUNCTIONS_PONG_MS));
        if (functions->hatchery_pid > 0)
            kill(functions->hatchery_pid, SIGKILL);    /* its socket will tell */
    }
    (void)hatch_send(functions->hatchery, MSG_DONTWAIT, &ping, NULL);
    functions->pinged = true;
    functions->ping_at_ms = now_ms + FUNCTIONS_PONG_MS;
}

/* ---- groups ---- */

/* What waits was started in advance, and nothing of its group has ended for long: it is
 * not as quick as it seemed.  The last one first: each goes back to the head of the queue. */
void
group_look(struct functions *functions, struct group *group, uint64_t now_ms)
{
    uint32_t count = group->waiting_count;

    if (now_ms < group->progress_ms + FUNCTIONS_UNSTARTED_MS)
        return;
    group->progress_ms = now_ms;
    if (group->busy < group->lanes)
        return;
    while (count-- > 0) {
        struct call *call = CALL_OF(group->waiting.prev);

        functions->calls.unstarted(functions->calls.context, call->task);
        call_forget(functions, call);
    }
}
