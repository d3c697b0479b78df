/* hostile_module.c - functions that do what they can to the worker that runs them */
#include <muster/function.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024, FLOOD_FORKS = 2, LINES = 5000 };

static bool lingers;

/* The head of the memory that the child shares with its worker. */
struct shared {
    _Atomic uint64_t ticket, started_us;
};

static struct shared *
shared_find(void)
{
    FILE         *maps = fopen("/proc/self/maps", "r");
    char          line[512];
    unsigned long at = 0;

    while (maps != NULL && at == 0 && fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, "muster-calls") != NULL)
            at = strtoul(line, NULL, 16);
    }
    if (maps != NULL)
        fclose(maps);
    return (struct shared *)(uintptr_t)at;
}

static void __attribute__((noreturn))
stay(void)
{
    signal(SIGTERM, SIG_IGN);
    for (;;)
        poll(NULL, 0, 1000);
}

/* It says that it begins only now, and now, and now. */
static void
always_young(void)
{
    struct shared *shared = shared_find();

    signal(SIGTERM, SIG_IGN);
    for (;;) {
        atomic_store(&shared->started_us, UINT64_MAX);
        poll(NULL, 0, 1);
    }
}

/* It says that it has begun calls that it was never handed. */
static void
ahead(void)
{
    atomic_store(&shared_find()->ticket, (uint64_t)UINT32_MAX << 32);
    stay();
}

/* It says that it has begun none. */
static void
unbegun(void)
{
    atomic_store(&shared_find()->ticket, 0);
    stay();
}

static int
socket_find(void)
{
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
        int       type = 0;
        socklen_t bytes = sizeof(type);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM)
            return fd;
    }
    return -1;
}

static void
flood(void)
{
    static char bells[60000];
    int         fd = socket_find();

    for (int i = 0; i < FLOOD_FORKS; i++)
        (void)fork();
    for (;;)
        (void)!send(fd, bells, sizeof(bells), MSG_NOSIGNAL);
}

static void
close_all(void)
{
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        close(fd);
    stay();
}

MUSTER_FUNCTION(hostile)
{
    static const struct { const char *name; void (*run)(void); } ways[] = {
        { "young", always_young }, { "ahead", ahead }, { "unbegun", unbegun },
        { "flood", flood }, { "close", close_all },
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(muster_call_text(call), ways[i].name) == 0)
            ways[i].run();
    }
    lingers = strcmp(muster_call_text(call), "linger") == 0;
    muster_call_print(call, "%d", (int)getpid());
}

/* What it says happens to the process that made this one. */
MUSTER_FUNCTION(parricide)
{
    bool stop = strcmp(muster_call_text(call), "stop") == 0;

    kill(getppid(), stop ? SIGSTOP : SIGKILL);
    if (!stop)
        stay();
}

/* Says that nothing was begun, and dies. */
MUSTER_FUNCTION(liar)
{
    atomic_store(&shared_find()->ticket, 0);
    abort();
}

/* Two processes, each with so many MiB. */
MUSTER_FUNCTION(family)
{
    size_t bytes = (size_t)atoi(muster_call_text(call)) << 20;
    bool   child = fork() == 0;
    char  *data = malloc(bytes);

    if (data != NULL)
        memset(data, 1, bytes);
    poll(NULL, 0, 1000);
    if (child)
        _exit(0);
    muster_call_print(call, "%d", data != NULL ? data[bytes - 1] : 0);
}

/* Takes the given milliseconds; its attempt. */
MUSTER_FUNCTION(patient)
{
    poll(NULL, 0, atoi(muster_call_text(call)));
    muster_call_print(call, "%u", call->attempt);
}

/* Prints 10 MB after the given milliseconds, and dies of it. */
MUSTER_FUNCTION(wordy)
{
    static char line[1024];

    poll(NULL, 0, atoi(muster_call_text(call)));
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 10000; i++)
        fwrite(line, 1, sizeof(line), stdout);
    fflush(stdout);
    abort();
}

/* Four processes log at once; one of them returns. */
MUSTER_FUNCTION(chorus)
{
    bool child = fork() == 0;

    child = fork() == 0 || child;
    for (int i = 0; i < LINES; i++)
        muster_call_log(call, "line %d", i);
    if (child)
        _exit(0);
    muster_call_print(call, "sung");
}

/* Leaves a process in a session of its own, and stays. */
MUSTER_FUNCTION(spawner)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            execlp("sleep", "sleep", muster_call_text(call), (char *)NULL);
            _exit(1);
        }
        _exit(0);
    }
    stay();
}

/* Leaves a process that prints 100 MB into the child's output. */
MUSTER_FUNCTION(sprayer)
{
    static char bytes[64 * 1024];

    muster_call_print(call, "%d", (int)getpid());
    if (fork() != 0)
        return;
    for (int i = 0; i < 1600; i++)
        (void)!write(1, bytes, sizeof(bytes));
    stay();
}

MUSTER_CHILD_END(stay_for_ever)
{
    if (lingers)
        stay();
}
