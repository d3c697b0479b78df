/* figure_commands.c - N x /bin/true: what a task costs when it is a process */
#include <stdio.h>

#include "place.h"
#include "raw.h"

enum { COMMANDS = 3000, COMMANDS_PARALLEL = 300 };

static double
commands_muster(struct muster_session *session, uint32_t count)
{
    struct place_load load = { .count = count };
    double            began = bench_now();

    place_follow(session, place_submit(session, &load), count);
    return count / (bench_now() - began);
}

static double
commands_shell(const char *format, uint32_t count)
{
    char   command[160];
    double seconds;

    snprintf(command, sizeof(command), format, count);
    seconds = raw_shell(command);
    return seconds > 0 ? count / seconds : 0;
}

void
figure_commands(const struct bench *bench)
{
    uint32_t               count = bench_scaled(bench, COMMANDS);
    bool                   parallel = raw_installed("parallel");
    struct samples         muster = { 0 }, spawn = { 0 }, xargs = { 0 }, gnu = { 0 };
    struct muster_session *session;
    struct place           place;
    char                   setting[64];

    place_open(&place, bench);
    place_worker(&place, 2);
    session = place_session(&place);
    for (uint32_t i = 0; i < bench->rounds; i++) {
        samples_add(&muster, commands_muster(session, count));
        samples_add(&spawn, raw_spawn(count));
        samples_add(&xargs, commands_shell("seq %u | xargs -P2 -n1 /bin/true", count));
        if (parallel)
            samples_add(&gnu, commands_shell("seq %u | parallel -j2 /bin/true {} 2>/dev/null",
                                             bench_scaled(bench, COMMANDS_PARALLEL)));
    }
    muster_session_close(session);
    place_close(&place);

    snprintf(setting, sizeof(setting), "%u x /bin/true, 1 worker, 2 slots, captured", count);
    bench_print("commands", setting, "/s", &muster, "posix_spawn+wait x2", &spawn);
    bench_print("commands", setting, "/s", &muster, "xargs -P2", &xargs);
    if (parallel)
        bench_print("commands", setting, "/s", &muster, "GNU parallel -j2", &gnu);
    else
        printf("%-20s GNU parallel is not installed\n", "commands");
}
