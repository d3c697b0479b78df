/* log_queue.c - many processes log into a queue, one writes the log */
#include "example.h"

enum { WORKERS = 3, LINES = 4 };

static const struct muster_open log_name = { .name = "log" };

MUSTER_FUNCTION(work)
{
    struct muster_queue *log = NULL;
    char                 line[64];

    example_join(call);
    CHECK(muster_queue_open(session, &log_name, 0, CALL_MS, &log, &error));
    for (int number = 1; number <= LINES; number++) {
        snprintf(line, sizeof(line), "%s: step %d", muster_call_text(call), number);
        CHECK(muster_queue_put(log, line, strlen(line), NULL, CALL_MS, &error));
    }
    muster_queue_close(log);
}

MUSTER_FUNCTION(write_log)
{
    struct muster_item   items[WORKERS * LINES];
    struct muster_queue *log = NULL;
    size_t               count = 0;

    example_join(call);
    CHECK(muster_queue_open(session, &log_name, 0, CALL_MS, &log, &error));
    while (muster_queue_get(log, MUSTER_FOREVER, &items[count], &error) == MUSTER_OK)
        count++;                        /* until it is shut down and empty */
    for (char worker = '1'; worker < '1' + WORKERS; worker++)
        for (size_t i = 0; i < count; i++)
            if (((const char *)items[i].data)[strlen("worker ")] == worker)
                muster_call_log(call, "%s", (const char *)items[i].data);
    for (size_t i = 0; i < count; i++)
        muster_item_free(&items[i]);
    muster_queue_close(log);
}

int
main(int argc, char **argv)
{
    static const char *const names[WORKERS] = { "worker 1", "worker 2", "worker 3" };
    struct muster_process   *writer, *workers[WORKERS];
    struct muster_queue     *log = NULL;

    example_begin(argv[argc - 1]);
    CHECK(muster_queue_open(session, &log_name, 0, CALL_MS, &log, &error));
    writer = example_start("writer", "write_log", "");
    for (int i = 0; i < WORKERS; i++)
        workers[i] = example_start(names[i], "work", names[i]);
    for (int i = 0; i < WORKERS; i++)
        example_finish(workers[i]);
    CHECK(muster_queue_shutdown(log, false, CALL_MS, &error));
    example_finish(writer);
    muster_queue_close(log);
    example_end();
    return 0;
}
