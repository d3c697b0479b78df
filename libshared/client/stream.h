/* stream.h - follow the results of a job, one long poll after another
 *
 *   RESULTS_GET(cursor) -> answer -> told() -> RESULTS_GET(next cursor) ...
 *
 * 1. One request is out at a time (its cursor comes with the answer before), and
 *    the next goes as soon as wants() allows: who takes the results paces it.
 * 2. A request that finds nothing ends after STREAM_WAIT_MS with fresh counts.
 * 3. Following is resumable: what counts is the cursor, not the connection.
 * 4. A session may have so many polls and no more: those beyond it wait and ask
 *    again a little later.
 */
#ifndef CLIENT_STREAM_H
#define CLIENT_STREAM_H

#include "client.h"

struct stream;
/* Shall the next be asked for?  It is asked about after every answer, and by
 * stream_ask(). */
typedef bool stream_wants(const struct stream *stream);
/* Under the lock, on the session's thread.  An answer: `m` lies in
 * stream->call.answer, which may be taken over; stream->cursor is still that of its
 * request.  Or NULL: stream->error says why there will be no more. */
typedef void stream_told(struct stream *stream, const struct msg_results *m);

struct stream {
    struct muster_session *session;
    uint64_t               job;
    stream_wants          *wants;
    stream_told           *told;
    bool                   brief;
    /* guarded by the session's lock */
    bool                   ended;        /* nothing follows behind what was told */
    struct call            call;
    uint64_t               cursor;       /* of the request that is out or comes next */
    struct muster_counts   counts;
    enum muster_job_state  state;
    struct muster_error    error;
};

/* All with the lock held. */
void stream_ask(struct stream *stream);      /* if it may and nothing is out */
void stream_stop(struct stream *stream);     /* frees what it holds; told() is called no more */

#endif
