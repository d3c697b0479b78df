/* select.h - which job and which of its tasks: 3, 3.7, 3.1-50, 3.1,5,9-12, last, all
 *
 * Numbers are those that people see; they become indexes with the job's
 * number_first and number_step.
 */
#ifndef SELECT_H
#define SELECT_H

#include "cli.h"

enum { SELECT_RANGES_MAX = 1024 };

struct number_range { uint64_t first, last; };       /* both included */

struct selector {
    uint64_t             job;         /* 0: the latest */
    bool                 all;         /* every unfinished job */
    struct number_range *ranges;      /* none: all tasks */
    size_t               range_count;
};

/* Errors: INVALID.  Free with selector_free(). */
muster_err selector_parse(const char *text, struct selector *selector_out,
                          struct muster_error *error);
void       selector_free(struct selector *selector);
/* One task and no more? */
bool       selector_is_one(const struct selector *selector);

/* Numbering of a job's tasks. */
struct numbering { uint64_t first, step; };
struct numbering numbering_of(const struct muster_job_info *info);
uint64_t         numbering_number(struct numbering numbering, uint32_t index);
/* Task indexes of the ranges, clipped to `total` tasks; an array for free().
 * NOT_FOUND when a range holds no task at all. */
muster_err       selector_indexes(const struct selector *selector, struct numbering numbering,
                                  uint32_t total, struct muster_range **ranges_out,
                                  struct muster_error *error);

/* Parse `text` and fetch the job's description, telling what fails. */
struct selected {
    struct selector        selector;
    struct muster_job_info info;
    struct muster_range   *ranges;    /* indexes; NULL: all tasks */
    struct numbering       numbering;
};
/* 0 or an exit status.  Free with selected_free() in either case. */
int  selected_get(struct cli *cli, const char *command, const char *text,
                  struct selected *selected);
void selected_free(struct selected *selected);

#endif
