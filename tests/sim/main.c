/* main.c - muster-sim: run seeds of the simulated world
 *
 *   muster-sim --seeds 1-2000       run many, on all cores
 *   muster-sim --seed 17            run one again, with a trace
 *   muster-sim --seeds 1-500 --find a violation must come up (planted bugs)
 *
 * A seed runs in a process of its own, so that a broken assertion is as good a
 * finding as a broken promise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parse.h"
#include "world.h"

enum { STEPS_DEFAULT = 6000, CHILDREN_MAX = 64 };

struct run {
    uint64_t first, last;      /* seeds */
    uint64_t steps;
    bool     trace;
    bool     find;
};

static const char usage[] =
    "usage: muster-sim [--seeds A-B | --seed N] [--steps N] [--find]\n"
    "  --seeds A-B  run these seeds, without a trace (1-200)\n"
    "  --seed N     run one seed and trace what happens\n"
    "  --steps N    events until everything is put right (6000)\n"
    "  --find       succeed when some seed finds a violation: for planted bugs\n";

static bool
parse_seeds(const char *text, struct run *run)
{
    const char *dash = strchr(text, '-');
    char        first[32];

    if (dash == NULL || (size_t)(dash - text) >= sizeof(first))
        return false;
    memcpy(first, text, (size_t)(dash - text));
    first[dash - text] = 0;
    return parse_u64(first, UINT64_MAX / 2, &run->first) &&
           parse_u64(dash + 1, UINT64_MAX / 2, &run->last) && run->first <= run->last;
}

static bool
parse_arguments(int argc, char **argv, struct run *run)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool        good = false;

        if (strcmp(name, "--find") == 0) {
            run->find = true;
            continue;
        }
        if (strcmp(name, "--seeds") == 0)
            good = parse_seeds(value, run);
        if (strcmp(name, "--steps") == 0)
            good = parse_u64(value, UINT64_MAX, &run->steps);
        if (strcmp(name, "--seed") == 0) {
            good = parse_u64(value, UINT64_MAX / 2, &run->first);
            run->last = run->first;
            run->trace = true;
        }
        if (!good)
            return false;
        i++;
    }
    return true;
}

static pid_t
run_seed(const struct run *run, uint64_t seed)
{
    struct sim_options options = { seed, run->steps, run->trace };
    pid_t              pid;

    fflush(stdout);
    pid = fork();
    if (pid != 0)
        return pid;
    sim_run(&options);
    exit(0);                   /* so that a sanitizer looks for leaks */
}

struct child {
    pid_t    pid;              /* 0: free */
    uint64_t seed;
};

/* Wait for one seed to end; false when it found something. */
static bool
run_wait(struct child *children, uint32_t count)
{
    int   status = 0;
    pid_t pid = waitpid(-1, &status, 0);

    for (uint32_t i = 0; i < count; i++) {
        if (children[i].pid != pid)
            continue;
        children[i].pid = 0;
        if (WIFSIGNALED(status))
            printf("seed %llu: ended by signal %d (an assertion?)\n",
                   (unsigned long long)children[i].seed, WTERMSIG(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
run_seeds(const struct run *run, uint64_t *done_out)
{
    struct child children[CHILDREN_MAX] = { { 0, 0 } };
    long         cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t     count = cores < 1 ? 1 : cores > CHILDREN_MAX ? CHILDREN_MAX : (uint32_t)cores;
    uint64_t     next = run->first;
    uint32_t     under_way = 0;
    bool         clean = true;

    while ((clean && next <= run->last) || under_way > 0) {
        for (uint32_t i = 0; i < count && clean && next <= run->last; i++) {
            if (children[i].pid != 0)
                continue;
            children[i].seed = next++;
            children[i].pid = run_seed(run, children[i].seed);
            if (children[i].pid < 0) {
                perror("fork");
                return false;
            }
            under_way++;
        }
        clean = run_wait(children, count) && clean;
        under_way--;
    }
    *done_out = next - run->first;
    return clean;
}

int
main(int argc, char **argv)
{
    struct run run = { .first = 1, .last = 200, .steps = STEPS_DEFAULT };
    uint64_t   done = 0;
    bool       clean;

    if (!parse_arguments(argc, argv, &run)) {
        fputs(usage, stderr);
        return 2;
    }
    clean = run_seeds(&run, &done);
    if (clean)
        printf("%llu seeds, no violation\n", (unsigned long long)done);
    if (run.find)
        printf("the planted bug was %s %llu seeds\n", clean ? "not found in" : "found within",
               (unsigned long long)done);
    return clean == run.find;
}
