/* task_master.c - puts tasks into a queue that other machines take them from
 *
 * task_master ADDRESS AUTHKEY_FILE
 */
#include "example.h"

enum { TASKS = 40 };

int
main(int argc, char **argv)
{
    const struct muster_open task_name = { .name = "task_queue" };
    const struct muster_open result_name = { .name = "result_queue" };
    struct muster_queue     *tasks = NULL, *results = NULL;
    struct muster_item       item;
    long                     squares[TASKS] = { 0 };
    char                     text[32];

    example_open(argv[1], argv[argc - 1]);
    CHECK(muster_queue_open(session, &task_name, 0, CALL_MS, &tasks, &error));
    CHECK(muster_queue_open(session, &result_name, 0, CALL_MS, &results, &error));
    for (int number = 0; number < TASKS; number++) {
        snprintf(text, sizeof(text), "%d", number);
        CHECK(muster_queue_put(tasks, text, strlen(text), NULL, CALL_MS, &error));
    }
    CHECK(muster_queue_join(tasks, MUSTER_FOREVER, &error));
    while (muster_queue_get(results, MUSTER_NO_WAIT, &item, &error) == MUSTER_OK) {
        long number = 0, square = 0;

        /* A task whose worker was lost may have two results: they are the same. */
        if (sscanf(item.data, "%ld %ld", &number, &square) == 2 && number >= 0 && number < TASKS)
            squares[number] = square;
        muster_item_free(&item);
    }
    for (int number = 0; number < TASKS; number++)
        printf("%d * %d = %ld\n", number, number, squares[number]);
    CHECK(muster_object_delete(session, MUSTER_QUEUE, "task_queue", CALL_MS, &error));
    CHECK(muster_object_delete(session, MUSTER_QUEUE, "result_queue", CALL_MS, &error));
    muster_queue_close(results);
    muster_queue_close(tasks);
    muster_session_close(session);
    return 0;
}
