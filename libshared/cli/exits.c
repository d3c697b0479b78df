/* exits.c - see exits.h */
#include "exits.h"

#include <signal.h>
#include <string.h>

enum { EXIT_OF_SIGNAL = 128 };

/* The worker says 126 or 127 as env(1) would; an older one only says why. */
static int
exit_of_not_started(const struct muster_result *result)
{
    if (result->exit_code == EXIT_NOT_STARTABLE || result->exit_code == EXIT_NO_SUCH_COMMAND)
        return result->exit_code;
    if (strstr(result->reason, "No such file") != NULL ||
        strstr(result->reason, "not found") != NULL)
        return EXIT_NO_SUCH_COMMAND;
    return EXIT_NOT_STARTABLE;
}

int
exit_of_result(const struct muster_result *result)
{
    switch (result->outcome) {
    case MUSTER_OUTCOME_SUCCEEDED:
        return EXIT_DONE;
    case MUSTER_OUTCOME_EXITED:
        return (result->exit_code & 0xff) != 0 ? result->exit_code & 0xff : 1;
    case MUSTER_OUTCOME_SIGNALED:
        return EXIT_OF_SIGNAL + (-result->exit_code & 0x7f);
    case MUSTER_OUTCOME_TIMED_OUT:
        return EXIT_TIMED_OUT;
    case MUSTER_OUTCOME_MEMORY:
        return result->exit_code > 0 ? result->exit_code & 0xff : EXIT_OF_SIGNAL + SIGKILL;
    case MUSTER_OUTCOME_NOT_STARTED:
        return exit_of_not_started(result);
    case MUSTER_OUTCOME_CANCELLED:
        return EXIT_INTERRUPTED;
    case MUSTER_OUTCOME_LOST:
    case MUSTER_OUTCOME_DEPENDENCY:
        return 1;
    }
    return 1;
}

int
exit_of_counts(const struct muster_counts *counts, enum muster_job_state state)
{
    if (counts->failed > 0)
        return counts->failed < EXIT_FAILED_TASKS_MAX ? (int)counts->failed
                                                      : EXIT_FAILED_TASKS_MAX;
    if (state == MUSTER_JOB_FAILED)
        return 1;
    return counts->cancelled > 0 || state == MUSTER_JOB_CANCELLED ? EXIT_INTERRUPTED : EXIT_DONE;
}
