/* callback.h - where callbacks run
 *
 * Callbacks of a session (queue.h, future.h, pool.h) run one after the other, in
 * the order in which their calls ended, on one thread of the library - or, in
 * programs that have an event loop, in muster_session_dispatch().  They may use
 * every call of muster but must not close their session.
 */
#ifndef MUSTER_CALLBACK_H
#define MUSTER_CALLBACK_H

#include <muster/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A descriptor that polls readable while callbacks wait.  From the first call on no
 * thread of the library runs callbacks of this session: muster_session_dispatch()
 * does.  It belongs to the session.  Negative: none could be made, or this is a child of the
 * process that opened the session. */
MUSTER_API int muster_session_fd(struct muster_session *session);
/* Run the callbacks that wait now; how many. */
MUSTER_API size_t muster_session_dispatch(struct muster_session *session);

#ifdef __cplusplus
}
#endif
#endif
