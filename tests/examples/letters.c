/* letters.c - a queue between two programs: one writes, one reads */
#include "example.h"

MUSTER_FUNCTION(write_letters)
{
    const struct muster_open open = { .name = "letters" };
    struct muster_queue     *queue = NULL;

    example_join(call);
    CHECK(muster_queue_open(session, &open, 0, CALL_MS, &queue, &error));
    for (const char *letter = "ABC"; *letter != '\0'; letter++)
        CHECK(muster_queue_put(queue, letter, 1, NULL, CALL_MS, &error));
    CHECK(muster_queue_shutdown(queue, false, CALL_MS, &error));
    muster_queue_close(queue);
}

int
main(int argc, char **argv)
{
    const struct muster_open open = { .name = "letters" };
    struct muster_queue     *queue = NULL;
    struct muster_process   *writer;
    struct muster_item       item;

    example_begin(argv[argc - 1]);
    CHECK(muster_queue_open(session, &open, 0, CALL_MS, &queue, &error));
    writer = example_start("writer", "write_letters", "");
    while (muster_queue_get(queue, MUSTER_FOREVER, &item, &error) == MUSTER_OK) {
        printf("got %s\n", (const char *)item.data);
        muster_item_free(&item);
    }
    printf("no more\n");
    example_finish(writer);
    muster_queue_close(queue);
    example_end();
    return 0;
}
