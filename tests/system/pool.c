/* pool.c - see pool.h */
#include "pool.h"

#include <fcntl.h>

struct muster_session *session;
struct muster_error    error;
char                   self_path[4096];

void
test_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

void
test_err(const char *file, int line, const char *what, muster_err got, muster_err wanted)
{
    fprintf(stderr, "%s:%d: %s: gave %s, wanted %s; said: %s\n", file, line, what,
            muster_err_name(got), muster_err_name(wanted), got ? error.detail : "");
    exit(1);
}

uint64_t
now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

struct muster_session *
connect_to(const char *address, const char *authkey_file)
{
    struct muster_session_options options = { .address = address, .authkey_file = authkey_file };
    struct muster_session        *made = NULL;

    OK(muster_session_open(&options, &made, &error));
    return made;
}

const char *
folder(void)
{
    static char path[16][256];
    static int  next;
    const char *place = getenv("TMPDIR");
    char       *mine = path[next++ % 16];

    snprintf(mine, sizeof(path[0]), "%s/pool-XXXXXX", place != NULL ? place : "/tmp");
    CHECK(mkdtemp(mine) != NULL);
    return mine;
}

const char *
in_folder(const char *dir, const char *name)
{
    static char path[16][512];
    static int  next;
    char       *mine = path[next++ % 16];

    snprintf(mine, sizeof(path[0]), "%s/%s", dir, name);
    return mine;
}

void
touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    close(fd);
}

bool
exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool
text_is(const void *data, size_t bytes, const char *text)
{
    return bytes == strlen(text) && memcmp(data, text, bytes) == 0;
}

/* ---- main ---- */

static const struct test_case *const groups[] = { process_cases, family_cases, pool_cases,
                                                  future_cases, fleet_cases };

int
main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    ssize_t     bytes = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);

    CHECK(bytes > 0);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        for (const struct test_case *at = groups[i]; at->name != NULL; at++) {
            if (strcmp(wanted, "--list") == 0 && at->story != NULL)
                printf("%s\t%s\n", at->name, at->story);
            if (strcmp(wanted, at->name) != 0)
                continue;
            if (getenv("MUSTER_ADDRESS") != NULL)
                session = connect_to(getenv("MUSTER_ADDRESS"), getenv("MUSTER_AUTHKEY_FILE"));
            at->run();
            muster_session_close(session);
            return 0;
        }
    }
    return strcmp(wanted, "--list") == 0 ? 0 : 2;
}
