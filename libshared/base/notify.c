/* notify.c - see notify.h */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Nobody listening is no error: the program runs as well without systemd. */
static void
notify_systemd(const char *state)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char        *path = getenv("NOTIFY_SOCKET");
    size_t             bytes = path != NULL ? strlen(path) : 0;
    int                fd;

    if (bytes == 0 || bytes >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, bytes);
    if (path[0] == '@')
        to.sun_path[0] = '\0';      /* the abstract name space */

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes));
    close(fd);
}

void
notify_ready(int ready_fd)
{
    notify_systemd("READY=1");
    if (ready_fd < 0)
        return;
    if (write(ready_fd, "1\n", 2) != 2) {
        /* The parent has gone; its lifeline will tell us. */
    }
    close(ready_fd);
}

void
notify_stopping(void)
{
    notify_systemd("STOPPING=1");
}
