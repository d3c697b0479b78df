/* raw.c - processes and syncs without muster; see raw.h */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { RAW_SLOTS = 2, RAW_SYNC_BYTES = 4096 };

double
raw_spawn(uint32_t count)
{
    char  program[] = "/bin/true";
    char *argv[] = { program, NULL };
    double   began = bench_now();
    uint32_t started = 0, ended = 0;

    while (ended < count) {
        pid_t pid;

        if (started < count && started - ended < RAW_SLOTS) {
            int failed = posix_spawn(&pid, program, NULL, NULL, argv, environ);

            if (failed)
                bench_die("spawn %s: %s", program, strerror(failed));
            started++;
            continue;
        }
        if (wait(NULL) < 0)
            bench_die("wait: %s", strerror(errno));
        ended++;
    }
    return count / (bench_now() - began);
}

double
raw_shell(const char *command)
{
    double began = bench_now();
    int    status;

    fflush(stdout);
    status = system(command);
    return status == 0 ? bench_now() - began : 0;
}

bool
raw_installed(const char *program)
{
    char command[128];

    snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

void
raw_sync(const char *dir, double *seconds_out, uint32_t count)
{
    static const char bytes[RAW_SYNC_BYTES];
    char              path[300];
    int               fd;

    snprintf(path, sizeof(path), "%s/sync", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        bench_die("open %s: %s", path, strerror(errno));
    for (uint32_t i = 0; i < count; i++) {
        double began = bench_now();

        if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || fdatasync(fd) < 0)
            bench_die("write %s: %s", path, strerror(errno));
        seconds_out[i] = bench_now() - began;
    }
    close(fd);
    (void)unlink(path);
}
