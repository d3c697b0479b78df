/* mirror_list.c - shared lists, with Python's indexes and slices */
#include "mirror.h"

static struct muster_list *
list_of(const char *const *texts, size_t count)
{
    struct muster_list *list = NULL;
    struct muster_cell  cells[16];

    for (size_t i = 0; i < count; i++)
        cells[i] = mirror_cell(texts[i]);
    OK(muster_list_open(session, NULL, CALL_MS, &list, &error));
    OK(muster_list_extend(list, cells, count, CALL_MS, &error));
    return list;
}

static void
list_is(struct muster_list *list, const char *const *texts, size_t count)
{
    struct muster_bytes *items = NULL;
    size_t               found = 0;

    OK(muster_list_slice(list, 0, MUSTER_LIST_END, CALL_MS, &items, &found, &error));
    assert_int_equal(found, count);
    for (size_t i = 0; i < count; i++)
        mirror_text(&items[i], texts[i]);
    muster_list_free(items, found);
}

#define TEXTS(...) (const char *const[]){ __VA_ARGS__ }, \
                   sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *)
#define LIST(...)          list_of(TEXTS(__VA_ARGS__))
#define LIST_IS(list, ...) list_is(list, TEXTS(__VA_ARGS__))

static void
list_append_extend_insert(void)
{
    struct muster_list *list = LIST("b", "c");
    struct muster_cell  cell = mirror_cell("d");

    OK(muster_list_append(list, &cell, CALL_MS, &error));
    cell = mirror_cell("a");
    OK(muster_list_insert(list, 0, &cell, CALL_MS, &error));
    cell = mirror_cell("z");
    OK(muster_list_insert(list, 99, &cell, CALL_MS, &error));     /* clamped */
    LIST_IS(list, "a", "b", "c", "d", "z");
    muster_list_close(list);
}

static void
list_pop_remove(void)
{
    struct muster_list *list = LIST("a", "b", "c", "b");
    struct muster_bytes item;

    OK(muster_list_pop(list, -1, CALL_MS, &item, &error));
    mirror_text(&item, "b");
    muster_bytes_free(&item);
    OK(muster_list_pop(list, 0, CALL_MS, &item, &error));
    mirror_text(&item, "a");
    muster_bytes_free(&item);
    OK(muster_list_remove(list, "b", 1, CALL_MS, &error));
    GIVES(MUSTER_ERR_NO_KEY, muster_list_remove(list, "b", 1, CALL_MS, &error));
    LIST_IS(list, "c");
    GIVES(MUSTER_ERR_RANGE, muster_list_pop(list, 1, CALL_MS, &item, &error));
    muster_list_close(list);
}

static void
list_index_count(void)
{
    struct muster_list *list = LIST("a", "b", "a", "c");
    uint64_t            at = 0;

    OK(muster_list_index(list, "a", 1, 1, MUSTER_LIST_END, CALL_MS, &at, &error));
    assert_int_equal(at, 2);
    OK(muster_list_count(list, "a", 1, CALL_MS, &at, &error));
    assert_int_equal(at, 2);
    GIVES(MUSTER_ERR_NO_KEY, muster_list_index(list, "a", 1, 3, MUSTER_LIST_END, CALL_MS, &at,
                                               &error));
    muster_list_close(list);
}

static void
list_get_set_delete(void)
{
    struct muster_list *list = LIST("a", "b", "c");
    struct muster_cell  cell = mirror_cell("C");
    struct muster_bytes item;
    uint64_t            len = 0;

    OK(muster_list_get(list, -2, CALL_MS, &item, &error));
    mirror_text(&item, "b");
    muster_bytes_free(&item);
    OK(muster_list_set(list, -1, &cell, CALL_MS, &error));
    OK(muster_list_delete(list, 0, CALL_MS, &error));
    LIST_IS(list, "b", "C");
    OK(muster_list_len(list, CALL_MS, &len, &error));
    assert_int_equal(len, 2);
    OK(muster_list_clear(list, CALL_MS, &error));
    OK(muster_list_len(list, CALL_MS, &len, &error));
    assert_int_equal(len, 0);
    muster_list_close(list);
}

static void
list_slices(void)
{
    struct muster_list       *list = LIST("a", "b", "c", "d", "e");
    struct muster_bytes      *items = NULL;
    const struct muster_cell  two[] = { mirror_cell("x"), mirror_cell("y") };
    size_t                    count = 0;

    OK(muster_list_slice(list, -3, -1, CALL_MS, &items, &count, &error));
    assert_int_equal(count, 2);
    mirror_text(&items[0], "c");
    mirror_text(&items[1], "d");
    muster_list_free(items, count);
    OK(muster_list_set_slice(list, 1, 4, two, 2, CALL_MS, &error));
    LIST_IS(list, "a", "x", "y", "e");
    OK(muster_list_delete_slice(list, 1, 99, CALL_MS, &error));
    LIST_IS(list, "a");
    muster_list_close(list);
}

static void
list_reverse_sort(void)
{
    struct muster_list *list = LIST("10", "9", "-1", "2.5");

    OK(muster_list_reverse(list, CALL_MS, &error));
    LIST_IS(list, "2.5", "-1", "9", "10");
    OK(muster_list_sort(list, MUSTER_SORT_BYTES, false, CALL_MS, &error));
    LIST_IS(list, "-1", "10", "2.5", "9");
    OK(muster_list_sort(list, MUSTER_SORT_DECIMALS, true, CALL_MS, &error));
    LIST_IS(list, "10", "9", "2.5", "-1");
    muster_list_close(list);
    list = LIST("2", "one");
    GIVES(MUSTER_ERR_TYPE, muster_list_sort(list, MUSTER_SORT_DECIMALS, false, CALL_MS, &error));
    LIST_IS(list, "2", "one");
    muster_list_close(list);
}

static const struct statement statements[] = {
    { "list: append, extend, insert", list_append_extend_insert },
    { "list: pop(i), remove", list_pop_remove },
    { "list: index, count", list_index_count },
    { "list: get/set/del by index (negative indexes as in Python), len, clear",
      list_get_set_delete },
    { "list: get/set/del by slice (negative indexes as in Python)", list_slices },
    { "list: reverse, sort by bytes or by number", list_reverse_sort },
};

int
main(void)
{
    return MIRROR("shared lists", statements);
}
