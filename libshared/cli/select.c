/* select.c - see select.h */
#include "select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static muster_err
selector_refuse(const char *text, struct muster_error *error)
{
    return error_set(error, MUSTER_ERR_INVALID,
                     "'%s' names no job or task; write 3, 3.7, 3.1-50 or last", text);
}

static bool
range_parse(char *text, struct number_range *range_out)
{
    char                *dash = strchr(text, '-');
    struct number_range range;

    if (dash != NULL)
        *dash = '\0';
    if (!parse_u64(text, UINT64_MAX, &range.first))
        return false;
    range.last = range.first;
    if (dash != NULL && !parse_u64(dash + 1, UINT64_MAX, &range.last))
        return false;
    if (range.last < range.first)
        return false;
    *range_out = range;
    return true;
}

static bool
ranges_parse(char *text, struct selector *selector)
{
    char *rest = NULL;

    if (text[0] == '\0' || text[0] == ',' || text[strlen(text) - 1] == ',')
        return false;
    selector->ranges = base_array(SELECT_RANGES_MAX, sizeof(*selector->ranges));
    for (char *part = strtok_r(text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        if (selector->range_count == SELECT_RANGES_MAX ||
            !range_parse(part, &selector->ranges[selector->range_count]))
            return false;
        selector->range_count++;
    }
    return true;
}

muster_err
selector_parse(const char *text, struct selector *selector_out, struct muster_error *error)
{
    struct selector selector = { 0 };
    char           *copy = base_text_copy(slice_text(text));
    char           *tasks = strchr(copy, '.');
    muster_err      err = MUSTER_OK;

    if (tasks != NULL)
        *tasks++ = '\0';
    if (strcmp(copy, "all") == 0 && tasks == NULL)
        selector.all = true;
    else if (strcmp(copy, "last") != 0 &&
             (!parse_u64(copy, UINT64_MAX, &selector.job) || selector.job == 0))
        err = selector_refuse(text, error);
    if (!err && tasks != NULL && !ranges_parse(tasks, &selector))
        err = selector_refuse(text, error);
    free(copy);
    if (err)
        selector_free(&selector);
    else
        *selector_out = selector;
    return err;
}

void
selector_free(struct selector *selector)
{
    free(selector->ranges);
    *selector = (struct selector){ 0 };
}

bool
selector_is_one(const struct selector *selector)
{
    return selector->range_count == 1 && selector->ranges[0].first == selector->ranges[0].last;
}

struct numbering
numbering_of(const struct muster_job_info *info)
{
    if (info->number_step == 0)
        return (struct numbering){ 1, 1 };
    return (struct numbering){ info->number_first, info->number_step };
}

uint64_t
numbering_number(struct numbering numbering, uint32_t index)
{
    return numbering.first + index * numbering.step;
}

/* The indexes whose numbers lie within the range; false when there is none. */
static bool
range_to_indexes(struct number_range range, struct numbering numbering, uint32_t total,
                 struct muster_range *range_out)
{
    uint64_t first = 0;
    uint64_t last;

    if (total == 0 || range.last < numbering.first)
        return false;
    if (range.first > numbering.first)
        first = (range.first - numbering.first - 1) / numbering.step + 1;
    last = (range.last - numbering.first) / numbering.step;
    if (last > total - 1)
        last = total - 1;
    if (first > last)
        return false;
    *range_out = (struct muster_range){ (uint32_t)first, (uint32_t)last };
    return true;
}

muster_err
selector_indexes(const struct selector *selector, struct numbering numbering, uint32_t total,
                 struct muster_range **ranges_out, struct muster_error *error)
{
    struct muster_range *ranges;

    if (selector->range_count == 0) {
        *ranges_out = NULL;
        return MUSTER_OK;
    }
    ranges = base_array(selector->range_count, sizeof(*ranges));
    for (size_t i = 0; i < selector->range_count; i++) {
        struct number_range range = selector->ranges[i];

        if (range_to_indexes(range, numbering, total, &ranges[i]))
            continue;
        free(ranges);
        if (range.first == range.last)
            return error_set(error, MUSTER_ERR_NOT_FOUND, "the job has %u tasks and none is "
                                                          "number %" PRIu64,
                             total, range.first);
        return error_set(error, MUSTER_ERR_NOT_FOUND,
                         "the job has %u tasks and none is among %" PRIu64 "-%" PRIu64, total,
                         range.first, range.last);
    }
    *ranges_out = ranges;
    return MUSTER_OK;
}

int
selected_get(struct cli *cli, const char *command, const char *text, struct selected *selected)
{
    struct muster_error error = { 0 };
    int                 status;

    *selected = (struct selected){ 0 };
    if (selector_parse(text, &selected->selector, &error))
        return cli_usage(command, "%s", error.detail);
    if (selected->selector.all)
        return cli_usage(command, "'all' is not possible here; name a job");
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    if (muster_job_get(cli->session, selected->selector.job, CLI_CALL_MS, &selected->info, &error))
        return cli_fail(&error, "look up job", "%s", text);
    selected->numbering = numbering_of(&selected->info);
    if (selector_indexes(&selected->selector, selected->numbering, selected->info.counts.total,
                         &selected->ranges, &error))
        return cli_fail(&error, "look up task", "%s", text);
    return EXIT_DONE;
}

void
selected_free(struct selected *selected)
{
    selector_free(&selected->selector);
    muster_job_info_free(&selected->info);
    free(selected->ranges);
}
