/* shared.c - a dict and a list that parent and child write */
#include "example.h"

MUSTER_FUNCTION(fill)
{
    const struct muster_open dict_name = { .name = "facts" }, list_name = { .name = "numbers" };
    const struct muster_cell one = { .data = "1", .bytes = 1 }, two = { .data = "2", .bytes = 1 };
    struct muster_dict      *facts = NULL;
    struct muster_list      *numbers = NULL;

    example_join(call);
    CHECK(muster_dict_open(session, &dict_name, CALL_MS, &facts, &error));
    CHECK(muster_list_open(session, &list_name, CALL_MS, &numbers, &error));
    CHECK(muster_dict_set(facts, muster_key("one"), &one, NULL, CALL_MS, &error));
    CHECK(muster_dict_set(facts, muster_key("two"), &two, NULL, CALL_MS, &error));
    CHECK(muster_list_reverse(numbers, CALL_MS, &error));
    muster_list_close(numbers);
    muster_dict_close(facts);
}

int
main(int argc, char **argv)
{
    const struct muster_open dict_name = { .name = "facts" }, list_name = { .name = "numbers" };
    struct muster_cell       cells[5];
    struct muster_dict      *facts = NULL;
    struct muster_list      *numbers = NULL;
    struct muster_entry     *entries = NULL;
    struct muster_bytes     *items = NULL;
    size_t                   count = 0;

    example_begin(argv[argc - 1]);
    CHECK(muster_dict_open(session, &dict_name, CALL_MS, &facts, &error));
    CHECK(muster_list_open(session, &list_name, CALL_MS, &numbers, &error));
    for (int i = 0; i < 5; i++)
        cells[i] = (struct muster_cell){ .data = &"01234"[i], .bytes = 1 };
    CHECK(muster_list_extend(numbers, cells, 5, CALL_MS, &error));
    example_finish(example_start("filler", "fill", ""));
    CHECK(muster_dict_items(facts, CALL_MS, &entries, &count, &error));
    for (size_t i = 0; i < count; i++)
        printf("%s: %s\n", (const char *)entries[i].key.data, (const char *)entries[i].value.data);
    muster_dict_free(entries, count);
    CHECK(muster_list_slice(numbers, 0, MUSTER_LIST_END, CALL_MS, &items, &count, &error));
    for (size_t i = 0; i < count; i++)
        printf("%s%s", (const char *)items[i].data, i + 1 < count ? " " : "\n");
    muster_list_free(items, count);
    muster_list_close(numbers);
    muster_dict_close(facts);
    example_end();
    return 0;
}
