/* stories.h - tests as tables of stories
 *
 * A row begins with its story (a const char *); stories_run() makes one cmocka
 * test per row, so that the report reads as a list of promises.
 */
#ifndef STORIES_H
#define STORIES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static inline int
stories_run(const char *group, const void *rows, size_t row_count, size_t row_bytes,
            void (*test)(void **state))
{
    struct CMUnitTest *tests = calloc(row_count, sizeof(*tests));
    int                failed;

    if (tests == NULL)
        abort();
    for (size_t i = 0; i < row_count; i++) {
        const char *row = (const char *)rows + i * row_bytes;

        tests[i].name = *(const char *const *)(const void *)row;
        tests[i].test_func = test;
        tests[i].initial_state = (void *)(uintptr_t)row;
    }
    failed = _cmocka_run_group_tests(group, tests, row_count, NULL, NULL);
    free(tests);
    return failed;
}

#define STORIES(group, rows, test) \
    stories_run(group, rows, sizeof(rows) / sizeof((rows)[0]), sizeof((rows)[0]), test)

#endif
