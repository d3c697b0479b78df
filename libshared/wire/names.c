/* names.c - the numbers of the protocol in words
 *
 * 1. Words that people and scripts see: they change as rarely as the numbers.
 */
#include "wire.h"

#define NAME_OF(names, number) \
    ((number) < sizeof(names) / sizeof((names)[0]) ? (names)[number] : "unknown")

const char *
wire_outcome_name(unsigned outcome)
{
    static const char *const names[OUTCOME_COUNT] = {
        [OUTCOME_SUCCEEDED] = "succeeded",
        [OUTCOME_EXITED] = "exited",
        [OUTCOME_SIGNALED] = "signaled",
        [OUTCOME_TIMED_OUT] = "timed-out",
        [OUTCOME_MEMORY] = "out-of-memory",
        [OUTCOME_NOT_STARTED] = "not-started",
        [OUTCOME_LOST] = "lost",
        [OUTCOME_CANCELLED] = "cancelled",
        [OUTCOME_DEPENDENCY] = "dependency-failed",
    };

    return NAME_OF(names, outcome);
}

const char *
wire_job_state_name(unsigned state)
{
    static const char *const names[JOB_STATE_COUNT] = {
        [JOB_WAITING] = "waiting",
        [JOB_QUEUED] = "queued",
        [JOB_RUNNING] = "running",
        [JOB_SUCCEEDED] = "succeeded",
        [JOB_FAILED] = "failed",
        [JOB_CANCELLED] = "cancelled",
    };

    return NAME_OF(names, state);
}

const char *
wire_task_state_name(unsigned state)
{
    static const char *const names[TASK_STATE_COUNT] = {
        [TASK_WAITING] = "waiting",
        [TASK_READY] = "ready",
        [TASK_LEASED] = "running",
        [TASK_SUCCEEDED] = "succeeded",
        [TASK_FAILED] = "failed",
        [TASK_CANCELLED] = "cancelled",
    };

    return NAME_OF(names, state);
}

const char *
wire_worker_state_name(unsigned state)
{
    static const char *const names[WORKER_STATE_COUNT] = {
        [WORKER_ACTIVE] = "active",
        [WORKER_DRAINING] = "draining",
        [WORKER_AWAY] = "away",
    };

    return NAME_OF(names, state);
}

const char *
wire_role_name(unsigned role)
{
    static const char *const names[ROLE_COUNT] = {
        [ROLE_NONE] = "none",
        [ROLE_WORKER] = "worker",
        [ROLE_CLIENT] = "client",
        [ROLE_ADMIN] = "admin",
    };

    return NAME_OF(names, role);
}

const char *
wire_noun_name(unsigned noun)
{
    static const char *const names[NOUN_COUNT] = {
#define NOUN_NAME(NOUN, name, number) [number] = name,
        NOUNS(NOUN_NAME)
#undef NOUN_NAME
    };

    return NAME_OF(names, noun);
}

const struct wire_verb_rule *
wire_verb_rule(unsigned verb)
{
    static const struct wire_verb_rule rules[VERB_COUNT] = {
#define VERB_RULE(NOUN, VERB, name, number, kind) [number] = { VERB_##kind, NOUN_##NOUN, name },
        VERBS(VERB_RULE)
#undef VERB_RULE
    };
    static const struct wire_verb_rule none = { VERB_NONE, NOUN_QUEUE, "unknown" };

    return verb < VERB_COUNT ? &rules[verb] : &none;
}
