/* pool_module.c - functions that tell how they are run */
#include <muster/function.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
files_in(const char *folder)
{
    DIR                 *dir = opendir(folder);
    const struct dirent *entry;
    int                  count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return count;
}

/* In the folder it is given: how many calls are there at once? */
static void
overlap_look(struct muster_call *call)
{
    char path[4096];
    int  most = 0;

    snprintf(path, sizeof(path), "%s/%llu.%u", muster_call_text(call),
             (unsigned long long)call->job, call->index);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    for (int i = 0; i < 10; i++) {
        int now = files_in(muster_call_text(call));

        most = now > most ? now : most;
        poll(NULL, 0, 10);
    }
    unlink(path);
    muster_call_print(call, "%d", most);
}

MUSTER_FUNCTION_AS(overlap, "pool.overlap")
{
    overlap_look(call);
}

MUSTER_FUNCTION_AS(overlap_too, "pool.overlap-too")
{
    overlap_look(call);
}

MUSTER_FUNCTION_AS(overlap_three, "pool.overlap-three")
{
    overlap_look(call);
}

/* "PATH TEXT": returns TEXT once the file is there. */
MUSTER_FUNCTION_AS(gate, "pool.gate")
{
    char        path[4096] = "";
    const char *space = strchr(muster_call_text(call), ' ');

    snprintf(path, sizeof(path), "%.*s", (int)(space - muster_call_text(call)),
             muster_call_text(call));
    while (access(path, F_OK) != 0 && !muster_call_cancelled(call))
        poll(NULL, 0, 5);
    muster_call_print(call, "%s", space + 1);
}

/* Logs a line, and another one once the file is there whose path it is given. */
MUSTER_FUNCTION_AS(talk, "pool.talk")
{
    muster_call_log(call, "waiting");
    while (access(muster_call_text(call), F_OK) != 0 && !muster_call_cancelled(call))
        poll(NULL, 0, 5);
    muster_call_log(call, "seen");
}

/* A number: its square, unless it ends with 3. */
MUSTER_FUNCTION_AS(picky, "pool.picky")
{
    long n = strtol(muster_call_text(call), NULL, 10);

    muster_call_log(call, "looking at %ld", n);
    if (n % 10 == 3)
        muster_call_fail(call, "%ld ends with 3", n);
    else
        muster_call_print(call, "%ld", n * n);
}
