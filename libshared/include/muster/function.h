/* function.h - write functions that workers call by name
 *
 *     #include <muster/function.h>
 *
 *     MUSTER_FUNCTION(square)
 *     {
 *         long n = strtol(muster_call_text(call), NULL, 10);
 *
 *         muster_call_print(call, "%ld", n * n);
 *     }
 *
 *     cc -shared -fPIC -o square.so square.c
 *     muster-worker ... --module ./square.so
 *
 * A module is a shared library with any number of such functions; it needs this
 * header and no library of muster.  A program may serve functions of its own
 * instead (serve.h).  C and C++.
 *
 * 1. A worker runs the calls in children of their own, one call at a time in each,
 *    many calls one after another: what a call leaves in static variables the next
 *    call in the same child sees.  Calls do not share threads, so no locks are needed.
 * 2. A call that crashes, exits, overflows its stack or runs over its time limit fails
 *    with that reason; its child is gone with it, and other calls are not harmed.
 * 3. What it prints on standard output and standard error is kept as its log, behind
 *    what muster_call_log() wrote.
 * 4. Pointers from a call live until the function returns.
 * 5. Children are shared: calls of other jobs, and of other users whose jobs reach this
 *    worker, run in them before and after.  They see what a call left in memory, can
 *    change what later calls give back, and a process that was left behind prints into
 *    the log of a later call.  Where users do not trust each other's modules or data,
 *    each gets workers of a queue of their own; muster-worker --max-tasks-per-child 1
 *    gives each call a new child.
 * 6. A job's memory limit counts all processes that descend from the call; one whose
 *    parent has ended is not found.  It is looked at ten times a second.
 */
#ifndef MUSTER_FUNCTION_H
#define MUSTER_FUNCTION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_FUNCTION_ABI 1u                 /* checked when a module is loaded */
#define MUSTER_RESULT_BYTES_MAX (256u * 1024u * 1024u)

struct muster_call;

/* What a call can ask of its worker; reached by the functions below. */
struct muster_call_table {
    const void *(*named)(struct muster_call *call, const char *name, size_t *bytes_out);
    const char *(*env)(struct muster_call *call, const char *name);
    bool  (*give)(struct muster_call *call, const void *data, size_t bytes, bool append);
    void  (*fail)(struct muster_call *call, const char *format, va_list args);
    void  (*log)(struct muster_call *call, const char *format, va_list args);
    bool  (*print)(struct muster_call *call, const char *format, va_list args);
    bool  (*cancelled)(struct muster_call *call);
};

/* The public head of a call.  All of it is for reading, but for `state`. */
struct muster_call {
    const struct muster_call_table *table;
    const void *data;            /* the argument; a zero byte follows it */
    size_t      bytes;
    const char *function;        /* the name it was called by */
    const char *worker;          /* name of the worker */
    void       *state;           /* of this child: whatever the module puts here stays */
    uint64_t    job;
    uint64_t    number;          /* of the task, as people see it */
    uint32_t    index;           /* of the task in its job */
    uint32_t    attempt;         /* 1 = the first */
    uint32_t    cpus_milli;      /* granted to it: 2000 = two cpus */
    uint32_t    reserved;
};

enum muster_function_kind { MUSTER_KIND_FUNCTION, MUSTER_KIND_START, MUSTER_KIND_END };

struct muster_function {
    const char *name;            /* 1..64 of A-Z a-z 0-9 . _ - */
    void      (*run)(struct muster_call *call);
    uint32_t    kind;
    uint32_t    reserved;
};

/* ---- define ---- */

/* MUSTER_FUNCTION(square) { ... } with `struct muster_call *call` in scope. */
#define MUSTER_FUNCTION(name) MUSTER_ENTRY(name, #name, MUSTER_KIND_FUNCTION)
/* The same under a name that is no C name: MUSTER_FUNCTION_AS(square, "math.square"). */
#define MUSTER_FUNCTION_AS(symbol, text) MUSTER_ENTRY(symbol, text, MUSTER_KIND_FUNCTION)

/* MUSTER_CHILD_START(open_tables) { call->state = ...; } runs in each new child before
 * its first call (with --start-method fork once, before the children are made), and
 * MUSTER_CHILD_END when a child ends by itself.  A start that says muster_call_fail(), or
 * takes longer than muster-worker's --start-limit, keeps the child from being used: its
 * calls go back unpunished, this worker gets none for two seconds, and `muster why` tells
 * what the start said.  An end may take as long as muster-worker's --grace. */
#define MUSTER_CHILD_START(name) MUSTER_ENTRY(name, #name, MUSTER_KIND_START)
#define MUSTER_CHILD_END(name)   MUSTER_ENTRY(name, #name, MUSTER_KIND_END)

#if defined(__has_attribute)
#if __has_attribute(retain)
#define MUSTER_ENTRY_KEPT __attribute__((used, retain, section("muster_functions")))
#endif
#endif
#ifndef MUSTER_ENTRY_KEPT
#define MUSTER_ENTRY_KEPT __attribute__((used, section("muster_functions")))
#endif

/* The section holds pointers: its entries lie side by side, whatever is padded. */
#define MUSTER_ENTRY(symbol, text, kind)                                                 \
    static void muster_run_##symbol(struct muster_call *call);                           \
    static const struct muster_function muster_function_##symbol =                       \
        { text, muster_run_##symbol, kind, 0 };                                          \
    static const struct muster_function *const muster_entry_##symbol MUSTER_ENTRY_KEPT = \
        &muster_function_##symbol;                                                       \
    static void muster_run_##symbol(struct muster_call *call __attribute__((unused)))

/* ---- the argument ---- */

/* The argument as text; never NULL, `call->bytes` long if there is no zero in it. */
static inline const char *
muster_call_text(const struct muster_call *call)
{
    return (const char *)call->data;
}

/* A named value (kwargs); NULL when there is none of this name.  A zero byte follows it. */
static inline const void *
muster_call_named(struct muster_call *call, const char *name, size_t *bytes_out)
{
    return call->table->named(call, name, bytes_out);
}

/* NAME=VALUE of the job's environment; NULL when it is not set there.  The environment
 * of the process is the worker's: calls of many jobs share it. */
static inline const char *
muster_call_env(struct muster_call *call, const char *name)
{
    return call->table->env(call, name);
}

/* The path of a key file of this call's own, and the manager's address, for
 * muster_session_open(); good until the call returns.  NULL: the job did not ask for keys
 * (`own_key`). */
static inline const char *
muster_call_keyfile(struct muster_call *call)
{
    return muster_call_env(call, "MUSTER_AUTHKEY_FILE");
}

static inline const char *
muster_call_address(struct muster_call *call)
{
    return muster_call_env(call, "MUSTER_ADDRESS");
}

/* ---- the result ---- */

/* Set the result, a copy of these bytes.  False, and the call has failed, when it is
 * larger than MUSTER_RESULT_BYTES_MAX or memory is out.  A result that is larger than
 * what the job keeps (output_bytes) fails the call: it is never cut. */
static inline bool
muster_call_return(struct muster_call *call, const void *data, size_t bytes)
{
    return call->table->give(call, data, bytes, false);
}

/* Add to the result. */
static inline bool
muster_call_append(struct muster_call *call, const void *data, size_t bytes)
{
    return call->table->give(call, data, bytes, true);
}

/* Add text to the result. */
static inline bool __attribute__((format(printf, 2, 3)))
muster_call_print(struct muster_call *call, const char *format, ...)
{
    va_list args;
    bool    good;

    va_start(args, format);
    good = call->table->print(call, format, args);
    va_end(args);
    return good;
}

/* The call has failed, with this text (480 bytes at most); return after it.  Its result
 * is dropped.  The last text counts. */
static inline void __attribute__((format(printf, 2, 3)))
muster_call_fail(struct muster_call *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (call->table->fail)(call, format, args);     /* some headers define fail() */
    va_end(args);
}

/* ---- on the way ---- */

/* A line for the log of this call; the newline is added.  Followers see it at once. */
static inline void __attribute__((format(printf, 2, 3)))
muster_call_log(struct muster_call *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    call->table->log(call, format, args);
    va_end(args);
}

/* Has the call been cancelled?  Return soon then: the child is killed when the job's
 * grace time is over.  Costs next to nothing. */
static inline bool
muster_call_cancelled(struct muster_call *call)
{
    return call->table->cancelled(call);
}

#ifdef __cplusplus
}
#endif
#endif

/* ---- how a worker finds the functions of a module ----
 * Programs that only serve functions of their own (serve.h) need none of it. */
#if !defined(MUSTER_FUNCTION_NO_MODULE) && !defined(MUSTER_FUNCTION_MODULE)
#define MUSTER_FUNCTION_MODULE

#ifdef __cplusplus
extern "C" {
#endif

struct muster_module {
    uint32_t abi;
    uint32_t function_bytes;     /* sizeof(struct muster_function) */
    const struct muster_function *const *begin, *const *end;
};

extern const struct muster_function *const __start_muster_functions[]
    __attribute__((weak, visibility("hidden")));
extern const struct muster_function *const __stop_muster_functions[]
    __attribute__((weak, visibility("hidden")));

/* One per module, however many of its files include this header. */
extern const struct muster_module muster_module
    __attribute__((weak, visibility("default")));
const struct muster_module muster_module = {
    MUSTER_FUNCTION_ABI, (uint32_t)sizeof(struct muster_function),
    __start_muster_functions, __stop_muster_functions,
};

#ifdef __cplusplus
}
#endif
#endif
