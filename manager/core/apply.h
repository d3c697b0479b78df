/* apply.h - the files that change durable state (private to this folder) */
#ifndef APPLY_H
#define APPLY_H

#include "state.h"

/* apply.c */
void apply_changed(struct core *core, struct job *job);
void apply_job_begin(struct core *core, struct job *job);

/* apply_tasks.c: facts about tasks */
#define APPLY_TASKS(A)                                                         \
    A(tasks_leased) A(task_ended) A(task_again) A(tasks_stopped) A(tasks_retried) A(chunk_added)
#define APPLY_DECLARE(name)                                                    \
    bool check_##name(const struct core *core, const struct record_##name *it); \
    void apply_##name(struct core *core, const struct record_##name *it);
APPLY_TASKS(APPLY_DECLARE)

/* apply_objects.c: facts about shared objects */
#define APPLY_OBJECTS(A)                                                       \
    A(object_made) A(object_tied) A(object_untied) A(object_deleted) A(object_did) \
    A(answers_seen) A(range_seen) A(answer_undone) A(body_loose)
APPLY_OBJECTS(APPLY_DECLARE)

/* lent.c: facts about keys of tasks */
#define APPLY_KEYS(A) A(job_keyed) A(task_keyed) A(session_keyed)
APPLY_KEYS(APPLY_DECLARE)
#undef APPLY_DECLARE

#endif
