/* test_names.c - every number of the protocol has a word, and only those */
#include "stories.h"

#include <string.h>

#include "wire.h"

struct story {
    const char *story;
    const char *(*name)(unsigned number);
    unsigned    count;
};

static const struct story names[] = {
    { "outcomes", wire_outcome_name, OUTCOME_COUNT },
    { "states of jobs", wire_job_state_name, JOB_STATE_COUNT },
    { "states of tasks", wire_task_state_name, TASK_STATE_COUNT },
    { "states of workers", wire_worker_state_name, WORKER_STATE_COUNT },
    { "roles", wire_role_name, ROLE_COUNT },
};

static void
test_names(void **state)
{
    const struct story *row = *state;

    for (unsigned number = 0; number < row->count; number++) {
        const char *name = row->name(number);

        assert_non_null(name);
        assert_string_not_equal(name, "unknown");
        for (unsigned other = 0; other < number; other++)
            assert_string_not_equal(name, row->name(other));
    }
    assert_string_equal(row->name(row->count), "unknown");
    assert_string_equal(row->name(UINT32_MAX), "unknown");
}

int
main(void)
{
    return STORIES("names", names, test_names);
}
