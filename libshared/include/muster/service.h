/* service.h - methods that a program offers to others (BaseManager.register)
 *
 * See object.h for what holds for all calls.  A program publishes a service under a
 * name with the methods it exposes; others call them with bytes in and bytes out
 * (at most 128 KiB each).  Several programs may serve one service: each call goes
 * to one of them, and is made once.
 */
#ifndef MUSTER_SERVICE_H
#define MUSTER_SERVICE_H

#include <muster/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_service;

/* ---- who offers ---- */

struct muster_request {
    const char *method;
    const void *data;            /* arguments */
    size_t      bytes;
    uint64_t    caller;          /* its session, for people */
};
/* Fill *reply_out with muster_bytes_copy() or malloc()ed data; or return an error and
 * its text in `error`: the caller gets REMOTE with that text. */
typedef muster_err muster_method(void *context, const struct muster_request *request,
                                 struct muster_bytes *reply_out, struct muster_error *error);
struct muster_method_row { const char *name; muster_method *call; void *context; };

MUSTER_API void muster_bytes_copy(struct muster_bytes *out, const void *data, size_t bytes);

MUSTER_API MUSTER_MUST_CHECK muster_err
muster_service_publish(struct muster_session *session, const struct muster_open *open,
                       const struct muster_method_row *methods, size_t count, uint32_t timeout_ms,
                       struct muster_service **service_out, struct muster_error *error);
/* Serve calls in this thread for so long; any number of threads may.  OK: served at
 * least one (and returns after it when `once`); TIMEOUT; INTERRUPTED. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_service_serve(struct muster_service *service, bool once, uint32_t timeout_ms,
                     struct muster_error *error);

/* ---- who calls ---- */

MUSTER_API MUSTER_MUST_CHECK muster_err
muster_service_open(struct muster_session *session, const struct muster_open *open,
                    uint32_t timeout_ms, struct muster_service **service_out,
                    struct muster_error *error);
/* Errors: NO_KEY (not exposed), REMOTE (what it said), END (nobody serves it), TIMEOUT
 * (it may have been made or not). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_service_call(struct muster_service *service, const char *method, const void *data,
                    size_t bytes, uint32_t timeout_ms, struct muster_bytes *reply_out,
                    struct muster_error *error);
MUSTER_API void muster_service_close(struct muster_service *service);

#ifdef __cplusplus
}
#endif
#endif
