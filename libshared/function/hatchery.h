/* hatchery.h - the process that makes the children which run calls
 *
 *   worker ---- hatchery ---- child ---- what a function started
 *     \   socket (hatch.h)  `- child
 *      `--------------------- a socket and shared memory per child
 *
 * It has no thread, key or connection of the worker, so that code of modules meets none
 * of them, and so that it may fork for ever.
 *
 * 1. GONE is told when a child is dead and reaped, and nothing is left of what it
 *    started: it is a subreaper, and whoever falls to it is killed.
 * 2. When the worker's end of the socket closes, all children are killed, with what they
 *    started, and it ends; a killed worker leaves nothing.  When it is killed itself, its
 *    children die with it (PR_SET_PDEATHSIG), and what they started falls to the worker.
 */
#ifndef FUNCTION_HATCHERY_H
#define FUNCTION_HATCHERY_H

#include "table.h"

enum hatchery_method {
    HATCHERY_FORKSERVER,   /* children are copies of it; each runs the start hooks */
    HATCHERY_FORK,         /* the start hooks run once, before */
    HATCHERY_SPAWN,        /* children execute `program` and load the modules anew */
};

struct hatchery {
    int                    socket;        /* to the worker */
    enum hatchery_method   method;
    const char *const     *modules;       /* NULL-terminated, checked paths; or NULL */
    struct function_table *table;         /* those of the modules are added to it */
    const char            *worker;        /* its name, for start hooks that run here */
    int                    program;       /* SPAWN: an open muster-worker, see hatchery.c */
};

/* Takes the process over and never returns. */
void hatchery_main(const struct hatchery *hatchery) __attribute__((noreturn));

/* SPAWN: `muster-worker --function-child MODULE...`, the child's descriptors being 3, 4
 * and 5. */
#define HATCHERY_CHILD_OPTION "--function-child"
void hatchery_spawned(char **modules) __attribute__((noreturn));

#endif
