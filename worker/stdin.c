/* stdin.c - standard input of tasks */
#include "stdin.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files.h"

static bool
is_body(const struct wire_spec *spec)
{
    return !spec->input_is_stdin && spec->stdin_bytes > spec->stdin_inline.bytes;
}

static struct stdin_body *
body_find(const struct stdin_cache *cache, uint64_t job)
{
    for (int i = 0; i < STDIN_JOBS_MAX; i++) {
        if (cache->bodies[i] != NULL && cache->bodies[i]->job == job)
            return cache->bodies[i];
    }
    return NULL;
}

static void
body_free(struct stdin_cache *cache, int at)
{
    struct stdin_body *body = cache->bodies[at];

    cache->bodies[at] = NULL;
    close(body->file);
    free(body->waiters);
    free(body);
}

bool
stdin_must_wait(struct stdin_cache *cache, const struct wire_spec *spec, uint64_t job)
{
    struct stdin_body *body;

    if (!is_body(spec))
        return false;
    body = body_find(cache, job);
    if (body != NULL)
        body->used = ++cache->used;
    return body == NULL || body->have < body->total;
}

/* A free place; the body that was used longest ago and that nobody waits for goes. */
static int
place_for(struct stdin_cache *cache)
{
    int oldest = -1;

    for (int i = 0; i < STDIN_JOBS_MAX; i++) {
        if (cache->bodies[i] == NULL)
            return i;
        if (cache->bodies[i]->waiter_count == 0 &&
            (oldest < 0 || cache->bodies[i]->used < cache->bodies[oldest]->used))
            oldest = i;
    }
    if (oldest >= 0)
        body_free(cache, oldest);
    return oldest;
}

static muster_err
body_make(struct stdin_cache *cache, uint64_t job, uint64_t total, struct stdin_body **body_out,
          struct muster_error *error)
{
    struct stdin_body *body;
    int                at = place_for(cache), file;
    char               path[PATH_MAX];

    if (at < 0)
        return error_set(error, MUSTER_ERR_FULL, "standard input of more than %d jobs at once",
                         STDIN_JOBS_MAX);
    snprintf(path, sizeof(path), "%s/stdin-XXXXXX", cache->folder);
    file = mkostemp(path, O_CLOEXEC);
    if (file < 0)
        return error_errno(error, MUSTER_ERR_IO, "make a file for standard input in %s",
                           cache->folder);
    unlink(path);
    body = base_alloc(sizeof(*body));
    body->job = job;
    body->total = total;
    body->file = file;
    body->used = ++cache->used;
    cache->bodies[at] = body;
    *body_out = body;
    return MUSTER_OK;
}

muster_err
stdin_wait(struct stdin_cache *cache, const struct stdin_waiter *waiter,
           struct muster_error *error)
{
    struct stdin_body *body = body_find(cache, waiter->token.job);
    void              *grown;
    muster_err         err;

    if (body == NULL) {
        err = body_make(cache, waiter->token.job, waiter->spec->stdin_bytes, &body, error);
        if (err)
            return err;
    }
    grown = body->waiters;
    base_grow(&grown, &body->waiter_capacity, body->waiter_count + 1, sizeof(*body->waiters));
    body->waiters = grown;
    body->waiters[body->waiter_count++] = *waiter;
    if (body->request == 0)
        body->request = cache->ask(cache->context, body->job, body->have);
    return MUSTER_OK;
}

bool
stdin_forget(struct stdin_cache *cache, uint64_t task)
{
    for (int i = 0; i < STDIN_JOBS_MAX; i++) {
        struct stdin_body *body = cache->bodies[i];

        for (uint32_t at = 0; body != NULL && at < body->waiter_count; at++) {
            if (body->waiters[at].task != task)
                continue;
            body->waiters[at] = body->waiters[--body->waiter_count];
            return true;
        }
    }
    return false;
}

/* Those who wait are told, and may come back for more. */
static void
body_tell(struct stdin_cache *cache, struct stdin_body *body, muster_err err)
{
    struct stdin_waiter *waiters = body->waiters;
    uint32_t             count = body->waiter_count;
    int                  at = 0;

    body->waiters = NULL;
    body->waiter_count = body->waiter_capacity = 0;
    if (err) {
        while (cache->bodies[at] != body)
            at++;
        body_free(cache, at);
    }
    for (uint32_t i = 0; i < count; i++)
        cache->ready(cache->context, &waiters[i], err);
    free(waiters);
}

static struct stdin_body *
body_of_request(const struct stdin_cache *cache, uint64_t request)
{
    for (int i = 0; i < STDIN_JOBS_MAX && request != 0; i++) {
        if (cache->bodies[i] != NULL && cache->bodies[i]->request == request)
            return cache->bodies[i];
    }
    return NULL;
}

bool
stdin_piece(struct stdin_cache *cache, uint64_t request, const struct msg_body *m)
{
    struct stdin_body  *body = body_of_request(cache, request);
    struct muster_error error;

    if (body == NULL)
        return false;
    body->request = 0;
    if (m->offset != body->have || m->total != body->total || m->data.bytes == 0 ||
        m->data.bytes > body->total - body->have) {
        body_tell(cache, body, MUSTER_ERR_INTERNAL);
        return true;
    }
    if (file_write_fd(body->file, m->data, &error)) {
        body_tell(cache, body, error.code);
        return true;
    }
    body->have += m->data.bytes;
    if (body->have == body->total)
        body_tell(cache, body, MUSTER_OK);
    else
        body->request = cache->ask(cache->context, body->job, body->have);
    return true;
}

bool
stdin_refused(struct stdin_cache *cache, uint64_t request, muster_err err)
{
    struct stdin_body *body = body_of_request(cache, request);

    if (body == NULL)
        return false;
    body->request = 0;
    if (err != MUSTER_ERR_SESSION)        /* after which we join anew and ask again */
        body_tell(cache, body, err);
    return true;
}

void
stdin_resume(struct stdin_cache *cache)
{
    for (int i = 0; i < STDIN_JOBS_MAX; i++) {
        struct stdin_body *body = cache->bodies[i];

        if (body != NULL && body->have < body->total)
            body->request = cache->ask(cache->context, body->job, body->have);
    }
}

static muster_err
memory_fd(struct slice bytes, int *fd_out, struct muster_error *error)
{
    int        fd = memfd_create("stdin", MFD_CLOEXEC);
    muster_err err;

    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "make standard input");
    err = file_write_fd(fd, bytes, error);
    if (!err && lseek(fd, 0, SEEK_SET) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "rewind standard input");
    if (err) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return MUSTER_OK;
}

muster_err
stdin_open(struct stdin_cache *cache, const struct wire_spec *spec, uint64_t job,
           struct slice input, int *fd_out, struct muster_error *error)
{
    struct stdin_body *body;
    char               path[64];
    int                fd;

    *fd_out = -1;
    if (!is_body(spec)) {
        if (!spec->input_is_stdin)
            input = spec->stdin_inline;
        return input.bytes > 0 ? memory_fd(input, fd_out, error) : MUSTER_OK;
    }
    body = body_find(cache, job);
    assert(body != NULL && body->have == body->total);
    /* A new open file, so that each task reads from the start and none can write. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", body->file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open standard input of job %llu",
                           (unsigned long long)job);
    *fd_out = fd;
    return MUSTER_OK;
}

void
stdin_free(struct stdin_cache *cache)
{
    for (int i = 0; i < STDIN_JOBS_MAX; i++) {
        if (cache->bodies[i] != NULL)
            body_free(cache, i);
    }
}
