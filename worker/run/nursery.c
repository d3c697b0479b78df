/* nursery.c - the process that makes keepers */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "files.h"
#include "keeper.h"
#include "nursery.h"
#include "scratch.h"
#include "tree.h"

enum {
    NURSERY_LEAVE_MS = 5000,      /* keepers may take so long to end by themselves */
    NURSERY_SWEEP_MS = 5,
};

struct nursery_wish { uint32_t slot; };   /* loop -> nursery, with three descriptors */
struct nursery_news { uint32_t slot; };   /* nursery -> loop */

/* Keepers by slot; 0 = none. */
static struct {
    struct nursery_config config;
    int       socket;
    pid_t    *pids;
    uint32_t  slots;
    bool     *dead;               /* its keeper died; the rest is being swept */
    uint32_t  dead_count;
} self;

static bool
is_keeper(void *context, pid_t pid)
{
    (void)context;
    for (uint32_t slot = 0; slot < self.slots; slot++) {
        if (self.pids[slot] == pid)
            return true;
    }
    return false;
}

static void
on_child(int number)
{
    (void)number;                 /* it only has to interrupt ppoll() */
}

/* ---- making keepers ---- */

static void
slots_grow(uint32_t count)
{
    if (count <= self.slots)
        return;
    self.pids = base_realloc(self.pids, count * sizeof(*self.pids));
    self.dead = base_realloc(self.dead, count * sizeof(*self.dead));
    memset(self.pids + self.slots, 0, (count - self.slots) * sizeof(*self.pids));
    memset(self.dead + self.slots, 0, (count - self.slots) * sizeof(*self.dead));
    self.slots = count;
}

static void
tell_gone(uint32_t slot)
{
    struct nursery_news news = { slot };
    ssize_t             sent;

    do
        sent = send(self.socket, &news, sizeof(news), MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}

static void
keeper_make(uint32_t slot, const int fds[3])
{
    struct keeper keeper = {
        .slot = slot, .socket = fds[0], .out = fds[1], .err = fds[2], .nursery = getpid(),
        .scratch = self.config.scratch, .cgroup = self.config.cgroup, .user = self.config.user,
    };
    pid_t pid;

    slots_grow(slot + 1);
    pid = fork();
    if (pid == 0)
        keeper_main(&keeper);
    if (pid < 0)
        tell_gone(slot);
    else
        self.pids[slot] = pid;
}

/* False when the loop is gone. */
static bool
wish_receive(void)
{
    union {
        char           bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct nursery_wish wish;
    struct iovec        part = { &wish, sizeof(wish) };
    struct msghdr       message = { .msg_iov = &part, .msg_iovlen = 1,
                                    .msg_control = control.bytes,
                                    .msg_controllen = sizeof(control.bytes) };
    ssize_t             got = recvmsg(self.socket, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr     *head = got == sizeof(wish) ? CMSG_FIRSTHDR(&message) : NULL;
    int                 fds[3] = { -1, -1, -1 };

    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (head != NULL && head->cmsg_len == CMSG_LEN(sizeof(fds))) {
        memcpy(fds, CMSG_DATA(head), sizeof(fds));
        keeper_make(wish.slot, fds);
        for (int i = 0; i < 3; i++)
            close(fds[i]);
    }
    return got > 0;
}

/* ---- keepers that end ---- */

static void
reap(void)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (uint32_t slot = 0; slot < self.slots; slot++) {
            if (self.pids[slot] != pid)
                continue;
            self.pids[slot] = 0;
            self.dead[slot] = true;
            self.dead_count++;
        }
    }
}

/* What a dead keeper left falls to us piece by piece. */
static void
sweep(void)
{
    if (self.dead_count == 0 || !tree_kill_others(is_keeper, NULL))
        return;
    for (uint32_t slot = 0; slot < self.slots; slot++) {
        if (!self.dead[slot])
            continue;
        self.dead[slot] = false;
        self.dead_count--;
        tell_gone(slot);
    }
}

static void
leave(void)
{
    struct tree_usage   usage = { 0 };
    struct muster_error error;

    for (uint32_t waited_ms = 0; waited_ms < NURSERY_LEAVE_MS; waited_ms += NURSERY_SWEEP_MS) {
        uint32_t alive = 0;

        reap();
        for (uint32_t slot = 0; slot < self.slots; slot++)
            alive += self.pids[slot] != 0;
        if (alive == 0)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = NURSERY_SWEEP_MS * 1000000 }, NULL);
    }
    tree_kill_all(&usage);
    (void)file_remove_tree(self.config.scratch, &error);
    _exit(0);
}

/* ---- the process ---- */

static void __attribute__((noreturn))
nursery_main(void)
{
    struct pollfd    poll_socket = { .fd = self.socket, .events = POLLIN };
    struct sigaction child = { .sa_handler = on_child };
    sigset_t         mask, open;

    /* Locks, lifelines and whatever else main() had open are not ours to hold. */
    if (dup2(self.socket, 3) < 0)
        _exit(70);
    self.socket = 3;
    poll_socket.fd = 3;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0u, 0);
    /* A terminal's Ctrl-C is for the loop, which decides what becomes of tasks. */
    setsid();
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigaction(SIGCHLD, &child, NULL);
    /* Told to end are often all processes at once, as by a service manager; we end
     * when the loop has, and so do the keepers. */
    keeper_mask(&open);
    keeper_mask(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    prctl(PR_SET_NAME, "muster-nursery");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (;;) {
        struct timespec soon = { .tv_nsec = NURSERY_SWEEP_MS * 1000000 };
        int             ready;

        reap();
        sweep();
        ready = ppoll(&poll_socket, 1, self.dead_count > 0 ? &soon : NULL, &open);
        if (ready > 0 && !wish_receive())
            leave();
    }
}

muster_err
nursery_start(const struct nursery_config *config, struct nursery *nursery_out,
              struct muster_error *error)
{
    int   sockets[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_errno(error, MUSTER_ERR_IO, "make a socket for the nursery");
    /* Of what the nursery leaves when it is killed, we are the reaper. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = fork();
    if (pid < 0) {
        muster_err err = error_errno(error, MUSTER_ERR_IO, "start the nursery");

        close(sockets[0]);
        close(sockets[1]);
        return err;
    }
    if (pid == 0) {
        close(sockets[0]);
        self.config = *config;
        self.socket = sockets[1];
        nursery_main();
    }
    close(sockets[1]);
    fcntl(sockets[0], F_SETFL, O_NONBLOCK);
    *nursery_out = (struct nursery){ .socket = sockets[0], .pid = pid };
    return MUSTER_OK;
}

muster_err
nursery_keeper(const struct nursery *nursery, uint32_t slot, int socket, int out, int err,
               struct muster_error *error)
{
    union {
        char           bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct nursery_wish wish = { slot };
    int                 fds[3] = { socket, out, err };
    struct iovec        part = { &wish, sizeof(wish) };
    struct msghdr       message = { .msg_iov = &part, .msg_iovlen = 1,
                                    .msg_control = control.bytes,
                                    .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr     *head = CMSG_FIRSTHDR(&message);
    struct pollfd       room = { .fd = nursery->socket, .events = POLLOUT };

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(head), fds, sizeof(fds));
    while (sendmsg(nursery->socket, &message, MSG_NOSIGNAL) < 0) {
        if (errno == EINTR)
            continue;
        /* Hundreds of keepers asked for at once: it reads them as fast as it forks. */
        if (errno == EAGAIN && poll(&room, 1, 1000) > 0)
            continue;
        return error_errno(error, MUSTER_ERR_IO, "ask the nursery for a keeper");
    }
    return MUSTER_OK;
}

int
nursery_receive(const struct nursery *nursery, uint32_t *slot_out)
{
    struct nursery_news news;
    ssize_t             got = recv(nursery->socket, &news, sizeof(news), MSG_DONTWAIT);

    if (got == sizeof(news)) {
        *slot_out = news.slot;
        return 1;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void
nursery_after_death(struct nursery *nursery, const char *scratch)
{
    struct tree_usage   usage = { 0 };
    struct muster_error error;

    if (nursery->pid > 0)
        kill(nursery->pid, SIGKILL);
    tree_kill_all(&usage);
    (void)file_remove_tree(scratch, &error);
    close(nursery->socket);
    *nursery = (struct nursery){ .socket = -1 };
}

void
nursery_stop(struct nursery *nursery)
{
    if (nursery->socket < 0)
        return;
    close(nursery->socket);
    while (waitpid(nursery->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *nursery = (struct nursery){ .socket = -1 };
}
