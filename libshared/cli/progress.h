/* progress.h - one line at the bottom of a terminal that says how far a job is
 *
 * Drawn on stderr, at most ten times a second, erased before anything else goes to the
 * terminal.  On what is not a terminal nothing is ever drawn.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <muster/job.h>

struct progress {
    bool     enabled;
    bool     stdout_apart;  /* standard output is no terminal: it may stay while that grows */
    bool     drawn;         /* and not erased since */
    uint64_t begin_ms;
    uint64_t drawn_ms;      /* the last time; 0 = never */
    double   rate;          /* tasks per second, smoothed */
    uint32_t rate_done;
    uint64_t rate_ms;
};

void progress_begin(struct progress *progress, bool wanted, uint64_t now_ms);
/* `open`: more tasks may come. */
void progress_show(struct progress *progress, const struct muster_counts *counts, bool open,
                   uint64_t now_ms);
void progress_erase(struct progress *progress);
/* Before something is printed on standard output. */
void progress_erase_for_stdout(struct progress *progress);

/* The text of the bar, for at most `width` columns. */
void progress_text(char *text, size_t bytes, uint32_t width, const struct muster_counts *counts,
                   bool open, double rate);

#endif
