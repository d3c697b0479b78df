/* figure_lines.c - a file of a million lines through muster submit --each-line */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"
#include "raw.h"

enum { LINES = 1000000 };

static void
lines_write(const char *path, uint32_t count)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, "/usr/share/some/folder/input-%07u.txt\n", i);
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

static void
lines_submit(const struct place *place, const char *path, double *seconds_out, double *mib_out)
{
    struct rusage usage;
    double        began = bench_now();
    pid_t         pid;
    int           status = 0;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(126);
        execl(BENCH_MUSTER, "muster", "--connect", place->endpoint, "--authkey-file",
              place->client_key, "-q", "submit", "--each-line", path, "--", "/bin/true", "{}",
              (char *)NULL);
        _exit(127);
    }
    if (wait4(pid, &status, 0, &usage) != pid || status != 0)
        bench_die("muster submit ended with status 0x%x", status);
    *seconds_out = bench_now() - began;
    *mib_out = (double)usage.ru_maxrss / 1024;
}

void
figure_lines(const struct bench *bench)
{
    uint32_t       count = bench_scaled(bench, LINES);
    struct samples seconds = { 0 }, memory = { 0 }, copy = { 0 };
    char           path[300], command[1000], setting[80];

    snprintf(path, sizeof(path), "%s/lines", bench->dir);
    snprintf(command, sizeof(command), "dd if='%s' of='%s.copy' bs=128k oflag=dsync 2>/dev/null",
             path, path);
    lines_write(path, count);
    for (uint32_t i = 0; i < bench->rounds; i++) {
        struct place place;
        double       took, mib;

        place_open(&place, bench);
        lines_submit(&place, path, &took, &mib);
        place_close(&place);
        samples_add(&seconds, took);
        samples_add(&memory, mib);
        samples_add(&copy, raw_shell(command));
    }
    snprintf(setting, sizeof(setting), "submit --each-line of %u lines", count);
    bench_print("lines", setting, "s", &seconds, "dd bs=128k oflag=dsync", &copy);
    bench_print("lines", "peak memory of the command", "MiB", &memory, NULL, NULL);
}
