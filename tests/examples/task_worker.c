/* task_worker.c - takes tasks from the master's queue, puts results into another
 *
 * task_worker ADDRESS AUTHKEY_FILE
 *
 * A task is reserved and acknowledged only when its result is safe: another worker gets
 * it when this one dies.
 */
#include <poll.h>

#include "example.h"

enum { TERM_MS = 3000, WORK_MS = 20 };

int
main(int argc, char **argv)
{
    const struct muster_open task_name = { .name = "task_queue" };
    const struct muster_open result_name = { .name = "result_queue" };
    struct muster_queue     *tasks = NULL, *results = NULL;
    struct muster_item       item;
    char                     text[64];

    example_open(argv[1], argv[argc - 1]);
    CHECK(muster_queue_open(session, &task_name, 0, CALL_MS, &tasks, &error));
    CHECK(muster_queue_open(session, &result_name, 0, CALL_MS, &results, &error));
    while (muster_queue_reserve(tasks, TERM_MS, MUSTER_FOREVER, &item, &error) == MUSTER_OK) {
        long number = strtol(item.data, NULL, 10);

        printf("run task %ld\n", number);
        fflush(stdout);
        poll(NULL, 0, WORK_MS);
        snprintf(text, sizeof(text), "%ld %ld", number, number * number);
        CHECK(muster_queue_put(results, text, strlen(text), NULL, CALL_MS, &error));
        if (muster_queue_ack(tasks, &item.id, 1, CALL_MS, NULL, &error) == MUSTER_ERR_STALE)
            printf("task %ld took too long: another worker has it\n", number);
        muster_item_free(&item);
    }
    if (error.code != MUSTER_ERR_CLOSED && error.code != MUSTER_ERR_NOT_FOUND)
        CHECK(error.code);
    printf("no more tasks\n");          /* the master has removed the queue */
    muster_queue_close(results);
    muster_queue_close(tasks);
    muster_session_close(session);
    return 0;
}
