/* figure_memory.c - memory of the manager for each queued task */
#include <stdio.h>

#include "place.h"

enum { MEMORY_TASKS = 1000000 };

static double
memory_round(const struct bench *bench, uint32_t count, bool items)
{
    struct place_load      load = { .count = count, .items = items };
    struct muster_session *session;
    struct place           place;
    uint64_t               before, after;

    place_open(&place, bench);
    session = place_session(&place);
    before = place_rss(place.manager.pid);
    (void)place_submit(session, &load);
    after = place_rss(place.manager.pid);
    muster_session_close(session);
    place_close(&place);
    return after > before ? (double)(after - before) / count : 0;
}

void
figure_memory(const struct bench *bench)
{
    static const char *const names[] = { "array", "distinct small inputs" };
    uint32_t                 count = bench_scaled(bench, MEMORY_TASKS);
    char                     setting[80];

    for (int items = 0; items < 2; items++) {
        struct samples samples = { 0 };

        for (uint32_t i = 0; i < bench->rounds; i++)
            samples_add(&samples, memory_round(bench, count, items));
        snprintf(setting, sizeof(setting), "%u queued tasks, %s", count, names[items]);
        bench_print("memory", setting, "bytes/task", &samples, NULL, NULL);
    }
}
