/* serve.h - a program becomes a worker that serves functions of its own
 *
 *     static void
 *     square(struct muster_call *call)
 *     {
 *         long n = strtol(muster_call_text(call), NULL, 10);
 *
 *         muster_call_print(call, "%ld", n * n);
 *     }
 *
 *     int
 *     main(void)
 *     {
 *         static const struct muster_served_function functions[] = { { "square", square } };
 *         struct muster_error error;
 *
 *         return muster_err_exit_status(muster_worker_serve(NULL, functions, 1, &error));
 *     }
 *
 * What a function may do with its call is in function.h.
 */
#ifndef MUSTER_SERVE_H
#define MUSTER_SERVE_H

#include <muster/error.h>

#ifndef MUSTER_FUNCTION_H
#define MUSTER_FUNCTION_NO_MODULE
#include <muster/function.h>
#undef MUSTER_FUNCTION_NO_MODULE
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct muster_served_function {
    const char *name;            /* 1..64 of A-Z a-z 0-9 . _ -, not beginning with - or . */
    void      (*run)(struct muster_call *call);
};

struct muster_serve_options {    /* all zero is fine */
    const char *address;         /* NULL: $MUSTER_ADDRESS */
    const char *authkey_file;    /* of role worker; NULL: $MUSTER_AUTHKEY_FILE */
    const char *name;            /* of the worker; NULL: the host's */
    uint32_t    cpus;            /* offered; 0 = all that the program may use */
    uint32_t    calls_per_child; /* then a child makes room for a new one; 0 = never */
    void      (*child_start)(struct muster_call *call);    /* in each new child; or NULL */
    void      (*child_end)(struct muster_call *call);      /* in one that ends by itself */
    const char *const *args;     /* NULL-terminated further options of muster-worker, or NULL */
};

/* Serve until the worker ends.  Starts muster-worker (found as muster_fleet_start() finds
 * it; it writes its log to standard error), and a copy of this program that makes a child
 * for each slot when it is wanted: children are as the program was at the time of this
 * call, so what it has loaded and computed until now they have too.  Of threads only the
 * calling one is in the children: call it before others are started.
 *
 * SIGTERM and SIGINT are for the worker as long as this call lasts: the first lets what
 * runs end, a second one stops it.  When the program dies the worker and the children end.
 *
 * The worker runs commands, too, like any other; give it queues of its own when it should
 * not (args: "--queue", "name").
 *
 * Errors: INVALID (a name; a function given twice), NOT_FOUND (muster-worker), IO, and
 * those with which muster-worker ended (AUTH, DENIED, WRONG_MANAGER, UNREACHABLE ...). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_worker_serve(const struct muster_serve_options *options,
                    const struct muster_served_function *functions, size_t count,
                    struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
