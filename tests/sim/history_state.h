/* history_state.h - the checker's picture; for history*.c only */
#ifndef SIM_HISTORY_STATE_H
#define SIM_HISTORY_STATE_H

#include "history.h"

enum {
    HIST_SLACK_MS = 1000,      /* the manager looks at terms when a turn ends */
    HIST_LOST_MIN = 3,         /* the smallest number of lost workers that ends a task */
};

struct hist_task {
    bool     known;            /* leased at least once */
    bool     leased;           /* the newest lease, which ... */
    bool     expired;          /* ... has run out */
    uint32_t attempt;
    uint64_t epoch;
    uint64_t session;
    bool     accepted;         /* a result was acknowledged ... */
    uint8_t  outcome;          /* ... the newest with this */
    bool     done;             /* for good */
    uint32_t failures;
    uint32_t leases, starts;   /* ever */
    uint32_t start_attempt;    /* the newest start */
    uint64_t start_epoch;
};

struct hist_run {
    struct plan      *plan;
    struct wire_token token;
    const char       *worker;
    bool              ended;
    uint8_t           outcome;
};

struct hist_session {
    uint64_t session;
    uint64_t heard_ms;
};

struct history {
    struct sim          *sim;
    struct plan        **plans;
    uint32_t             plan_count, plan_capacity;
    struct hist_run     *runs;
    uint32_t             run_count, run_capacity;
    struct hist_session *sessions;
    uint32_t             session_count, session_capacity;
    struct buffer        accepted;     /* struct wire_token of every one acknowledged */
    uint64_t             stale;
    uint64_t             restarts;     /* of the manager */
    struct hist_objects *objects;
};

#endif
