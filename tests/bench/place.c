/* place.c - see place.h */
#include "place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PLACE_READY_MS = 30000,
    PLACE_STOP_MS  = 30000,
    PLACE_CALL_MS  = 600000,
};

/* A port that was free a moment ago. */
static uint16_t
place_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          bytes = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
        bench_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

static void
place_start(struct program *program, const char *name, const char *dir, const char *const *args)
{
    struct muster_error error = { 0 };

    if (program_start(program, name, dir, args, -1, &error) ||
        program_ready(program, PLACE_READY_MS, &error))
        bench_die("%s: %s", name, error.detail);
}

void
place_open(struct place *place, const struct bench *bench)
{
    struct muster_error error = { 0 };

    *place = (struct place){ .manager.lifeline = -1, .worker.lifeline = -1 };
    snprintf(place->dir, sizeof(place->dir), "%s/place-XXXXXX", bench->dir);
    if (mkdtemp(place->dir) == NULL)
        bench_die("make a folder %s: %s", place->dir, strerror(errno));
    if (muster_key_init(place->dir, &error))
        bench_die("keys in %s: %s", place->dir, error.detail);
    snprintf(place->client_key, sizeof(place->client_key), "%s/client.authkey", place->dir);
    snprintf(place->worker_key, sizeof(place->worker_key), "%s/worker.authkey", place->dir);
    snprintf(place->endpoint, sizeof(place->endpoint), "tcp://127.0.0.1:%u", place_port());

    const char *const args[] = { "--dir", place->dir, "--listen", place->endpoint,
                                 "--jobs-per-user", "100000000", "--lifeline-fd", "3",
                                 "--ready-fd", "4", NULL };

    place_start(&place->manager, "muster-manager", place->dir, args);
}

void
place_worker_with(struct place *place, uint32_t slots, const char *module)
{
    char              cpus[16], spool[300];
    const char *const args[] = { "--connect", place->endpoint, "--authkey-file",
                                 place->worker_key, "--cpus", cpus, "--spool", spool,
                                 "--lifeline-fd", "3", "--ready-fd", "4",
                                 module != NULL ? "--module" : NULL, module, NULL };

    snprintf(cpus, sizeof(cpus), "%u", slots);
    snprintf(spool, sizeof(spool), "%s/spool", place->dir);
    place_start(&place->worker, "muster-worker", place->dir, args);
}

void
place_worker(struct place *place, uint32_t slots)
{
    place_worker_with(place, slots, NULL);
}

void
place_close(struct place *place)
{
    program_stop(&place->worker, PLACE_STOP_MS);
    program_stop(&place->manager, PLACE_STOP_MS);
}

pid_t
place_child(void (*run)(const struct place *place, void *context), const struct place *place,
            void *context)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run(place, context);
    fflush(stdout);
    _exit(0);
}

void
place_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    (void)place_wait(pid);
}

bool
place_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            bench_die("wait for %d: %s", (int)pid, strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint64_t
place_rss(pid_t pid)
{
    char               path[64], line[256];
    unsigned long long kib = 0;
    FILE              *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %llu kB", &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

struct muster_session *
place_session(const struct place *place)
{
    struct muster_session_options options = { .address = place->endpoint,
                                              .authkey_file = place->client_key };
    struct muster_session        *session = NULL;
    struct muster_error           error = { 0 };

    if (muster_session_open(&options, &session, &error))
        bench_die("session: %s", error.detail);
    return session;
}

/* ---- jobs ---- */

static void
place_feed(struct muster_session *session, uint64_t job, uint32_t count)
{
    struct muster_error error = { 0 };
    muster_err          err = MUSTER_OK;
    char                item[32];

    for (uint32_t i = 0; i < count && !err; i++) {
        int bytes = snprintf(item, sizeof(item), "input number %u", i);

        err = muster_job_feed(session, job, item, (size_t)bytes, PLACE_CALL_MS, &error);
    }
    if (!err)
        err = muster_job_close_input(session, job, PLACE_CALL_MS, &error);
    if (err)
        bench_die("feed: %s", error.detail);
}

uint64_t
place_submit(struct muster_session *session, const struct place_load *load)
{
    static const char *const  args[] = { "/bin/true", NULL };
    struct muster_job_options options = { .args = args,
                                          .count = load->items ? 0 : load->count,
                                          .source = load->items ? MUSTER_SOURCE_ITEMS
                                                                : MUSTER_SOURCE_COUNTED,
                                          .after = &load->after,
                                          .after_count = load->after != 0 };
    struct muster_submitted   submitted;
    struct muster_error       error = { 0 };

    if (muster_job_submit(session, &options, PLACE_CALL_MS, &submitted, &error))
        bench_die("submit: %s", error.detail);
    if (load->items)
        place_feed(session, submitted.job, load->count);
    return submitted.job;
}

void
place_follow(struct muster_session *session, uint64_t job, uint32_t results)
{
    struct muster_results *reader = NULL;
    struct muster_result   result;
    struct muster_error    error = { 0 };
    uint32_t               ended = 0;
    muster_err             err = muster_results_open(session, job, 0, true, &reader, &error);

    while (!err && ended < results) {
        err = muster_results_next(reader, PLACE_CALL_MS, &result, &error);
        if (!err && result.outcome != MUSTER_OUTCOME_SUCCEEDED)
            bench_die("task %u of job %llu %s: %s", result.index, (unsigned long long)job,
                      muster_outcome_name(result.outcome), result.reason);
        if (!err)
            ended += result.count;
    }
    if (err)
        bench_die("results: %s: %s", muster_err_name(err), error.detail);
    muster_results_close(reader);
}
