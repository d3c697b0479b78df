/* completed.c - many futures in the order in which they end (as_completed)
 *
 *   pending future -> its followers -- it ends --> ready -> muster_completed_next()
 *
 * 1. A follower stands in the list of its future, or in `ready`, or in neither: it was
 *    taken, or its future was freed.
 */
#include "collect.h"

#include <stdlib.h>

struct follower {
    struct list              link;
    struct muster_completed *completed;
    size_t                   index;
};

struct muster_completed {
    struct muster_session *session;      /* NULL: of no futures */
    struct follower       *followers;
    size_t                 count;
    /* guarded by the session's lock */
    struct list            ready;
    size_t                 left;         /* neither taken nor freed */
};

static struct follower *
follower_at(struct list *at)
{
    return CONTAINER(at, struct follower, link);
}

void
future_follow(struct muster_future *future)
{
    while (!list_empty(&future->followers)) {
        struct follower *follower = follower_at(future->followers.next);

        list_remove(&follower->link);
        list_append(&follower->completed->ready, &follower->link);
        waiters_wake(follower->completed->session, follower->completed);
    }
}

void
future_unfollow(struct muster_future *future)
{
    while (!list_empty(&future->followers)) {
        struct follower *follower = follower_at(future->followers.next);

        list_remove(&follower->link);
        follower->completed->left--;
        waiters_wake(follower->completed->session, follower->completed);
    }
}

muster_err
muster_completed_open(struct muster_future *const *futures, size_t count,
                      struct muster_completed **completed_out, struct muster_error *error)
{
    struct muster_session   *session = NULL;
    struct muster_completed *completed;
    muster_err               err = futures_session(futures, count, &session, error);

    if (err)
        return err;
    completed = base_alloc(sizeof(*completed));
    completed->session = session;
    completed->followers = base_array(count, sizeof(*completed->followers));
    completed->count = completed->left = count;
    list_init(&completed->ready);
    if (session != NULL)
        pthread_mutex_lock(&session->lock);
    for (size_t i = 0; i < count; i++) {
        struct follower *follower = &completed->followers[i];

        follower->completed = completed;
        follower->index = i;
        list_append(futures[i]->state == FUTURE_PENDING ? &futures[i]->followers
                                                        : &completed->ready, &follower->link);
    }
    if (session != NULL)
        pthread_mutex_unlock(&session->lock);
    *completed_out = completed;
    return MUSTER_OK;
}

/* The next that is ready, or why there is none.  With the lock held. */
static muster_err
completed_take(struct muster_completed *completed, uint32_t timeout_ms, size_t *index_out,
               struct muster_error *error)
{
    uint64_t         deadline_ms = deadline_after(timeout_ms);
    struct follower *follower;
    struct waiter    waiter;
    muster_err       err = MUSTER_OK;

    if (list_empty(&completed->ready) && completed->left > 0) {
        waiter_begin(completed->session, &waiter, completed);
        while (!err && list_empty(&completed->ready) && completed->left > 0)
            err = waiter_wait(completed->session, &waiter, deadline_ms);
        waiter_end(&waiter);
    }
    if (completed->left == 0)
        return error_set(error, MUSTER_ERR_CLOSED, "all %zu came", completed->count);
    if (list_empty(&completed->ready))
        return session_wait_error(completed->session, err, "the next task to end", timeout_ms,
                                  error);
    follower = follower_at(completed->ready.next);
    list_remove(&follower->link);
    completed->left--;
    *index_out = follower->index;
    return MUSTER_OK;
}

muster_err
muster_completed_next(struct muster_completed *completed, uint32_t timeout_ms, size_t *index_out,
                      struct muster_error *error)
{
    muster_err err;

    if (completed->session == NULL)
        return error_set(error, MUSTER_ERR_CLOSED, "there were none");
    pthread_mutex_lock(&completed->session->lock);
    err = completed_take(completed, timeout_ms, index_out, error);
    pthread_mutex_unlock(&completed->session->lock);
    return err;
}

void
muster_completed_close(struct muster_completed *completed)
{
    if (completed == NULL)
        return;
    if (completed->session != NULL)
        pthread_mutex_lock(&completed->session->lock);
    for (size_t i = 0; i < completed->count; i++) {
        if (list_linked(&completed->followers[i].link))
            list_remove(&completed->followers[i].link);
    }
    if (completed->session != NULL)
        pthread_mutex_unlock(&completed->session->lock);
    free(completed->followers);
    free(completed);
}
