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
    bool     stopped;          /* to be cancelled, however it ends */
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

struct hist_key {
    uint64_t          number;
    struct wire_token token;           /* the lease that it was made for */
    bool              valid;
};

struct hist_session {
    uint64_t session;
    uint64_t heard_ms;                 /* 0: it has ended */
};

struct history {
    struct sim          *sim;
    struct plan        **plans;
    uint32_t             plan_count, plan_capacity;
    struct hist_run     *runs;
    uint32_t             run_count, run_capacity;
    struct hist_session *sessions;
    uint32_t             session_count, session_capacity;
    struct buffer        keys;         /* struct hist_key of every one that a task had */
    struct buffer        accepted;     /* struct wire_token of every one acknowledged */
    uint64_t             stale;
    uint64_t             restarts;     /* of the manager */
    struct hist_objects *objects;
};

void hist_keys_apply(struct history *history, const struct note *note);
/* After a turn: no key is good whose lease has ended. */
void hist_keys_check(struct history *history);
void hist_keys_restarted(struct history *history);
bool token_is(const struct wire_token *token, uint32_t attempt, uint64_t epoch);
struct hist_session *session_of(struct history *history, uint64_t session);

#endif
