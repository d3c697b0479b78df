/* functions_look.c - what time brings to calls: limits, and calls that block others */
#include "functions_parts.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "parse.h"

static void
sooner(uint64_t *wake_ms, uint64_t at_ms)
{
    if (at_ms < *wake_ms)
        *wake_ms = at_ms;
}

/* Memory of a process that it does not share with files, 0: not to be told. */
static uint64_t
memory_of(pid_t pid)
{
    char               path[64];
    unsigned long long size, resident, shared;
    FILE              *file;
    int                got;

    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    got = fscanf(file, "%llu %llu %llu", &size, &resident, &shared);
    fclose(file);
    if (got != 3 || resident < shared)
        return 0;
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
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
    if (mem_bytes > 0 && memory_of(server->child.pid) > mem_bytes)
        server_stop(functions, server, STOP_MEMORY, SIGKILL, 0);
    else if (child_printed_bytes(&server->child) > FUNCTIONS_PRINTED_MAX)
        server_stop(functions, server, STOP_PRINTED, SIGKILL, 0);
}

/* The call that runs; returns when to look again. */
static uint64_t
look_at_call(struct functions *functions, struct server *server, struct call *call,
             uint64_t now_ms)
{
    uint64_t started_ms = atomic_load(&server->child.page->started_us) / 1000;
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

void
server_look(struct functions *functions, struct server *server, uint64_t now_ms)
{
    struct call *call;
    char         limit[16];

    if (page_has(server->child.page))
        server_listen(functions, server, now_ms);
    call = server_running(server);
    if (server->kill_at_ms != 0 && now_ms >= server->kill_at_ms) {
        server->kill_at_ms = 0;
        if (call != NULL && call->number == server->stop_call)
            server_stop(functions, server, server->stop, SIGKILL, 0);
    }
    if (server->child.state == CHILD_NEW && !server->ending &&
        now_ms >= server->opened_ms + functions->start_limit_ms) {
        snprintf(server->fault, sizeof(server->fault),
                 "the start hooks of a child still ran after %s; it was killed",
                 format_duration(limit, functions->start_limit_ms));
        log_warn("%s", server->fault);
        server_kill(functions, server, SIGKILL);
    }
    server->look_at_ms = UINT64_MAX;
    if (call != NULL)
        server->look_at_ms = look_at_call(functions, server, call, now_ms);
    else if (server->handed_count > 0)
        server->look_at_ms = now_ms + FUNCTIONS_STARTED_MS;    /* it has not begun yet */
    if (server->handed_count > 1)
        sooner(&server->look_at_ms, now_ms + FUNCTIONS_LOOK_MS);
    if (server->blocked)
        sooner(&server->look_at_ms, now_ms + 1);
    if (server->kill_at_ms != 0)
        sooner(&server->look_at_ms, server->kill_at_ms);
}

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
