/* commands.h - one row per cmd_*.c */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "command.h"

extern const struct command command_run, command_submit, command_wait, command_jobs, command_job,
    command_tasks, command_output, command_cancel, command_retry, command_why, command_workers,
    command_drain, command_queue, command_queues, command_lock, command_event,
    command_barrier, command_dict, command_object, command_functions, command_call,
    command_map, command_logs, command_status, command_shutdown, command_key, command_manager,
    command_worker, command_help, command_completion;

#endif
