/* task.h - what a running task knows of itself (current_process, parent_process)
 *
 * Read from the environment that the worker gives a command: MUSTER_JOB_ID,
 * MUSTER_TASK_INDEX, MUSTER_ATTEMPT, MUSTER_WORKER, MUSTER_CPUS; and from what the
 * submitter's library added: MUSTER_PARENT (job.index) when it was a task itself,
 * MUSTER_DAEMON and MUSTER_PROCESS_NAME of a process.  A function reads the same from
 * its call (function.h).
 *
 * A task has nothing to speak to the manager with, unless who submitted it asked for a
 * key (`own_key` in job, process and pool options, `muster run --task-key`).  Then it
 * finds in its environment, and in no other task's,
 *
 *   MUSTER_AUTHKEY_FILE   the path of an authkey file that is its own: for this attempt
 *                         of this task, on the worker's machine, while it runs
 *   MUSTER_ADDRESS        the manager
 *
 * and is with it a client with the name of the job's owner: muster_session_open() takes
 * the two, and commands (muster queue put ...) find them by themselves.  A function asks
 * its call for them: muster_call_keyfile() and muster_call_address().  When the task has
 * ended, sessions that it opened end, too, with AUTH, and with them what is bound to
 * them; the file is wiped.  At most 4 connections at a time.
 */
#ifndef MUSTER_TASK_H
#define MUSTER_TASK_H

#include <muster/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_task_self {
    bool     is_task;            /* false: this program is not run by a worker; the rest is zero */
    struct muster_task_id id;
    struct muster_task_id parent;        /* job 0: it was submitted by a program that is no task */
    uint32_t attempt;
    uint32_t cpus_milli;         /* granted to it (cpu_count) */
    bool     daemon;
    char     worker[65];
    char     name[65];           /* of its process, "" of a plain job; "MainProcess": no task */
};
MUSTER_API void muster_task_self(struct muster_task_self *self_out);

#ifdef __cplusplus
}
#endif
#endif
