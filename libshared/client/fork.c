/* fork.c - see fork.h */
#include "fork.h"

#include <errno.h>
#include <pthread.h>

#include "buffer.h"

static struct {
    pthread_once_t  once;
    pthread_mutex_t lock;
    struct list     owners;
    int             failed;              /* errno: it cannot be done */
} forks = { .once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };

static struct fork_owner *
owner_at(struct list *at)
{
    return CONTAINER(at, struct fork_owner, link);
}

static void
forks_prepare(void)
{
    pthread_mutex_lock(&forks.lock);
    for (struct list *at = forks.owners.next; at != &forks.owners; at = at->next) {
        if (owner_at(at)->prepare != NULL)
            owner_at(at)->prepare(owner_at(at));
    }
}

static void
forks_release(void)
{
    for (struct list *at = forks.owners.next; at != &forks.owners; at = at->next) {
        if (owner_at(at)->release != NULL)
            owner_at(at)->release(owner_at(at));
    }
    pthread_mutex_unlock(&forks.lock);
}

static void
forks_child(void)
{
    for (struct list *at = forks.owners.next; at != &forks.owners; at = at->next)
        owner_at(at)->child(owner_at(at));
    forks_release();
}

static void
forks_start(void)
{
    list_init(&forks.owners);
    forks.failed = pthread_atfork(forks_prepare, forks_release, forks_child);
}

muster_err
fork_watch(struct fork_owner *owner, struct muster_error *error)
{
    (void)pthread_once(&forks.once, forks_start);
    if (forks.failed != 0) {
        errno = forks.failed;
        return error_errno(error, MUSTER_ERR_IO, "cannot watch for fork()");
    }
    pthread_mutex_lock(&forks.lock);
    list_append(&forks.owners, &owner->link);
    pthread_mutex_unlock(&forks.lock);
    return MUSTER_OK;
}

void
fork_forget(struct fork_owner *owner)
{
    pthread_mutex_lock(&forks.lock);
    if (list_linked(&owner->link))
        list_remove(&owner->link);
    pthread_mutex_unlock(&forks.lock);
}

void
forks_pause(void)
{
    pthread_mutex_lock(&forks.lock);
}

void
forks_resume(void)
{
    pthread_mutex_unlock(&forks.lock);
}
