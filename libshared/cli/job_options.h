/* job_options.h - the options that describe a job, for `run` and `submit`
 *
 * Settings are what was typed; a plan is what the manager is told, with the
 * inputs still to be read.
 */
#ifndef JOB_OPTIONS_H
#define JOB_OPTIONS_H

#include "cli.h"
#include "inputs.h"

struct job_settings {
    const char *each_line, *array, *stdin_path;
    bool        null_separated, input_as_stdin;

    uint32_t         cpus_milli;
    uint64_t         mem_bytes;
    struct text_list resources, labels;
    const char      *queue;

    uint32_t         jobs, retries;
    uint64_t         timeout_ms, grace_ms, delay_ms, retry_delay_ms;
    struct text_list after;
    int32_t          priority;
    const char      *halt, *jobs_with;

    const char      *name, *cwd, *dedup, *joblog;
    struct text_list env;
    uint64_t         output_max;
    bool             dry_run, task_key;
};

extern const struct option_group job_input_options;   /* Inputs */
extern const struct option_group job_need_options;    /* Where it may run */
extern const struct option_group job_when_options;    /* When, and what a failure means */
extern const struct option_group job_what_options;    /* The task */

struct job_plan {
    struct muster_job_options options;     /* points into the rest */
    struct inputs             inputs;
    const char              **args;
    struct text_list          env, labels;
    char                    **owned;       /* texts made here, NULL-terminated */
    uint32_t                  owned_count, owned_capacity;
    struct muster_resource   *resources;
    uint64_t                 *after;
    struct buffer             stdin_data;
};

void job_settings_free(struct job_settings *settings);

/* Everything that needs no manager.  `here`: the tasks run on this machine for
 * this user, so they inherit the folder and the environment.
 * Errors: INVALID and what reading --stdin gives.  Free in either case. */
muster_err job_plan_make(const struct job_settings *settings, const struct operands *operands,
                         bool here, struct job_plan *plan, struct muster_error *error);
/* What only the manager knows: "last" in --after and --jobs-with. */
muster_err job_plan_resolve(const struct job_settings *settings, struct job_plan *plan,
                            struct muster_session *session, struct muster_error *error);
void       job_plan_free(struct job_plan *plan);

/* "3" -> fail_max, "10%" -> fail_percent; false when it is neither. */
bool halt_parse(const char *text, uint32_t *fail_max_out, uint32_t *fail_percent_out);
/* NAME=AMOUNT; the name is copied to `name` (bytes as given). */
bool resource_parse(const char *text, char *name, size_t name_bytes, uint64_t *amount_out);
/* Print what would run, a shell line each; 0 or an exit status. */
int  job_plan_dry_run(struct job_plan *plan);

#endif
