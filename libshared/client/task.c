/* task.c - what a running task knows of itself, from its environment */
#include <muster/task.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "parse.h"

static uint64_t
self_number(const char *name, uint64_t max)
{
    const char *text = getenv(name);
    uint64_t    number = 0;

    return text != NULL && parse_u64(text, max, &number) ? number : 0;
}

static void
self_text(const char *name, char *out, size_t bytes)
{
    const char *text = getenv(name);

    text_put(out, bytes, slice_text(text != NULL ? text : ""));
}

/* JOB.INDEX */
static void
self_parent(struct muster_task_id *id_out)
{
    const char *text = getenv("MUSTER_PARENT");
    const char *dot = text != NULL ? strchr(text, '.') : NULL;
    char        job[24];
    uint64_t    number = 0, index = 0;

    if (dot == NULL || (size_t)(dot - text) >= sizeof(job))
        return;
    text_put(job, sizeof(job), slice_of(text, (size_t)(dot - text)));
    if (!parse_u64(job, UINT64_MAX, &number) || !parse_u64(dot + 1, TASKS_PER_JOB_MAX, &index))
        return;
    *id_out = (struct muster_task_id){ number, (uint32_t)index };
}

void
muster_task_self(struct muster_task_self *self_out)
{
    struct muster_task_self self = { .name = "MainProcess" };
    const char             *cpus = getenv("MUSTER_CPUS");
    uint64_t                milli = 0;

    self.id.job = self_number("MUSTER_JOB_ID", UINT64_MAX);
    if (self.id.job == 0 || getenv("MUSTER_TASK_INDEX") == NULL) {
        self.id.job = 0;
        *self_out = self;
        return;
    }
    self.is_task = true;
    self.id.index = (uint32_t)self_number("MUSTER_TASK_INDEX", TASKS_PER_JOB_MAX);
    self.attempt = (uint32_t)self_number("MUSTER_ATTEMPT", UINT32_MAX);
    if (cpus != NULL && parse_milli(cpus, &milli) && milli <= CPUS_MILLI_MAX)
        self.cpus_milli = (uint32_t)milli;
    self.daemon = self_number("MUSTER_DAEMON", 1) == 1;
    self_parent(&self.parent);
    self_text("MUSTER_WORKER", self.worker, sizeof(self.worker));
    self_text("MUSTER_PROCESS_NAME", self.name, sizeof(self.name));
    *self_out = self;
}

const char *
task_parent(char *out, size_t bytes)
{
    struct muster_task_self self;

    muster_task_self(&self);
    if (!self.is_task)
        return NULL;
    (void)snprintf(out, bytes, "MUSTER_PARENT=%llu.%u", (unsigned long long)self.id.job,
                   (unsigned)self.id.index);
    return out;
}
