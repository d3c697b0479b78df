/* follow.h - the results of a job as they come, until it has ended
 *
 *            results             interrupted, feeder failed, stdout gone
 *   FOLLOW ----------> FOLLOW ----------------> cancel ----> FOLLOW until the end
 *      `--------------- the job ended: done
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "cli.h"
#include "feeder.h"
#include "hold.h"
#include "progress.h"
#include "show.h"

struct follow {
    struct cli     *cli;
    uint64_t        job;
    struct show    *show;
    bool            keep_order;
    bool            brief;           /* outputs are not wanted */
    bool            cancel;          /* cancel the job when we are interrupted */
    struct feeder  *feeder;          /* NULL: all inputs are there */
    struct progress progress;
    uint64_t        until_ms;        /* give up then; 0 = never */

    struct hold     hold;
    uint32_t        next;            /* index whose turn it is */
    bool            cancelled;
    bool            feed_failed;
    struct muster_counts  counts;    /* as of the last answer */
    enum muster_job_state state;
};

/* OK: the job has ended and everything was shown.  Other errors were told, but
 * for TIMEOUT (until_ms) and INTERRUPTED (without `cancel`). */
muster_err follow_job(struct follow *follow);

/* Reads what there is of a job's results, without waiting for more to come. */
struct so_far {
    struct muster_results *results;
    uint64_t               expected;     /* tasks that had ended when we looked */
    uint64_t               seen;
};
muster_err so_far_open(struct so_far *so_far, struct muster_session *session,
                       const struct muster_job_info *info, bool brief, struct muster_error *error);
/* CLOSED: that was all. */
muster_err so_far_next(struct so_far *so_far, struct muster_result *result_out,
                       struct muster_error *error);
void       so_far_close(struct so_far *so_far);

/* Show what there is now, by index, each task once, its latest result. */
muster_err follow_so_far(struct cli *cli, const struct muster_job_info *info, struct show *show,
                         const struct muster_range *ranges, size_t range_count);

#endif
