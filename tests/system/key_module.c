/* key_module.c - a function that speaks to the manager with the key of its call */
#include <muster/function.h>
#include <muster/muster.h>

#include <sys/stat.h>

enum { WAIT_MS = 10000 };

/* Puts its argument into the queue `called`, and returns the key's path. */
MUSTER_FUNCTION(speak)
{
    struct muster_session_options options = { .address = muster_call_address(call),
                                              .authkey_file = muster_call_keyfile(call) };
    struct muster_open            named = { .name = "called" };
    struct muster_error           error = { 0 };
    struct muster_session        *session = NULL;
    struct muster_queue          *queue = NULL;
    struct stat                   st;

    if (options.authkey_file == NULL) {
        muster_call_print(call, "no key");
        return;
    }
    if (stat(options.authkey_file, &st) != 0 || (st.st_mode & 0777) != 0600) {
        muster_call_fail(call, "the key file is missing or open to others");
        return;
    }
    if (muster_session_open(&options, &session, &error) ||
        muster_queue_open(session, &named, 0, WAIT_MS, &queue, &error) ||
        muster_queue_put(queue, call->data, call->bytes, NULL, WAIT_MS, &error))
        muster_call_fail(call, "%s", error.detail);
    else
        muster_call_print(call, "%s", options.authkey_file);
    if (queue != NULL)
        muster_queue_close(queue);
    if (session != NULL)
        muster_session_close(session);
}
