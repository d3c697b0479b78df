/* main.c - muster-bench: figures of the whole system, each beside its limit
 *
 * The figures run in a child; this process waits for it, then ends whatever is
 * left of it and removes the temporary folder, also after Ctrl-C.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "files.h"

static const struct {
    const char *name;
    const char *text;
    void (*run)(const struct bench *bench);
} figures[] = {
    { "commands", "N x /bin/true, beside spawning them here, xargs and GNU parallel",
      figure_commands },
    { "cycles", "life cycles of tasks without processes, beside raw libzmq", figure_cycles },
    { "backlog", "their rate with 1,000,000 tasks queued, beside 1,000", figure_backlog },
    { "latency", "one submit to its result, beside a round trip and a sync", figure_latency },
    { "memory", "memory of the manager for each queued task", figure_memory },
    { "lines", "a million lines submitted: seconds, and memory of the command", figure_lines },
    { "objects", "locks, dicts, values, queues one by one, beside Python's managers",
      figure_objects },
    { "scale", "their cost with 1, 100, 1,000 sessions, with 1,000,000 items", figure_scale },
    { "queue", "items put, reserved, acknowledged without waiting, 4 clients", figure_queue },
    { "pipe", "1 GiB through a pipe, beside raw libzmq", figure_pipe },
    { "functions", "calls of a function that does nothing, and one call's round trip",
      figure_functions },
};

enum { FIGURE_COUNT = sizeof(figures) / sizeof(figures[0]), ROUNDS_DEFAULT = 3 };

static void
usage(FILE *out)
{
    fprintf(out, "Usage: muster-bench [--only NAME]... [--rounds N] [--scale X] [--dir DIR]\n"
                 "\n"
                 "Starts managers and workers of its own, prints one line for each figure.\n"
                 "Let nothing else run meanwhile.\n"
                 "\n"
                 "  --only NAME   this figure alone; repeatable\n"
                 "  --rounds N    so many times each; default %d\n"
                 "  --scale X     multiply all counts; default 1\n"
                 "  --dir DIR     temporary folders here; a real disk; default /var/tmp\n"
                 "\n", ROUNDS_DEFAULT);
    for (int i = 0; i < FIGURE_COUNT; i++)
        fprintf(out, "  %-10s %s\n", figures[i].name, figures[i].text);
}

static int
figure_find(const char *name)
{
    for (int i = 0; i < FIGURE_COUNT; i++)
        if (strcmp(figures[i].name, name) == 0)
            return i;
    fprintf(stderr, "muster-bench: no figure is called %s\n", name);
    exit(2);
}

static void
parse(int argc, char **argv, struct bench *bench, bool chosen[FIGURE_COUNT])
{
    static const struct option options[] = {
        { "only", required_argument, NULL, 'o' },   { "rounds", required_argument, NULL, 'r' },
        { "scale", required_argument, NULL, 's' },  { "dir", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    bool any = false;
    int  option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o')
            any = chosen[figure_find(optarg)] = true;
        else if (option == 'r')
            bench->rounds = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            bench->scale = strtod(optarg, NULL);
        else if (option == 'd')
            bench->dir = optarg;
        else {
            usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    for (int i = 0; i < FIGURE_COUNT; i++)
        chosen[i] = chosen[i] || !any;
    if (bench->rounds < 1 || bench->rounds > BENCH_SAMPLES_MAX || bench->scale <= 0 ||
        optind < argc) {
        usage(stderr);
        exit(2);
    }
}

/* ---- cleaning up ---- */

static volatile sig_atomic_t stopped;

static void
stop(int signal_number)
{
    stopped = signal_number;
}

/* Whatever the child left becomes ours (see main): wait a while, then kill. */
static void
reap(void)
{
    char  path[64], list[4096];
    FILE *file;
    int   tries = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
        if (tries++ < 100) {
            (void)poll(NULL, 0, 50);
            continue;
        }
        file = fopen(path, "re");
        if (file != NULL && fgets(list, sizeof(list), file) != NULL)
            for (char *pid = strtok(list, " "); pid != NULL; pid = strtok(NULL, " "))
                kill((pid_t)strtol(pid, NULL, 10), SIGKILL);
        if (file != NULL)
            fclose(file);
        (void)poll(NULL, 0, 50);
    }
}

static int
supervise(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        if (stopped)
            kill(child, SIGKILL);
    reap();
    if (stopped)
        return 128 + stopped;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void
run(const struct bench *bench, const bool chosen[FIGURE_COUNT])
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);       /* the parent decides */
    signal(SIGTERM, SIG_DFL);
    for (int i = 0; i < FIGURE_COUNT; i++)
        if (chosen[i])
            figures[i].run(bench);
    exit(0);
}

int
main(int argc, char **argv)
{
    struct bench        bench = { .dir = "/var/tmp", .rounds = ROUNDS_DEFAULT, .scale = 1 };
    bool                chosen[FIGURE_COUNT] = { false };
    struct sigaction    action = { .sa_handler = stop };
    struct muster_error error = { 0 };
    char                dir[256];
    pid_t               child;
    int                 status;

    parse(argc, argv, &bench, chosen);
    snprintf(dir, sizeof(dir), "%s/muster-bench-XXXXXX", bench.dir);
    if (mkdtemp(dir) == NULL) {
        fprintf(stderr, "muster-bench: make a folder %s: %s\n", dir, strerror(errno));
        return 1;
    }
    bench.dir = dir;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    child = fork();
    if (child == 0)
        run(&bench, chosen);
    status = child < 0 ? 1 : supervise(child);
    if (file_remove_tree(dir, &error))
        fprintf(stderr, "muster-bench: %s stays behind: %s\n", dir, error.detail);
    return status;
}
