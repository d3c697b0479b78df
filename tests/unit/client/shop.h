/* shop.h - a job of its own before the fake manager, for tests of futures
 *
 * The shop keeps the items that are fed to its only job and gives each back as its
 * result, at once or when it is let, and misbehaves as a story says.  scene_open()
 * makes a real session and a pool before it.
 */
#ifndef SHOP_H
#define SHOP_H

#include "fake.h"

enum { CALL_MS = 8000, JOB = 7, SHOP_BLOCKS_MAX = 65536 };

/* One job.  Knobs are atomic; the rest belongs to the fake's thread. */
static struct shop {
    _Atomic int   closed_shop;          /* take items, give no results */
    _Atomic int   refuse_items;         /* with this error, for good */
    _Atomic int   full_polls;           /* so often FULL */
    _Atomic int   gone;                 /* the job is not known any more */
    _Atomic int   cancelled;            /* the job ended so */
    _Atomic int   cancel_says;          /* tasks, to JOB_CANCEL */
    _Atomic int   known;                /* 0: nobody can call the function */
    _Atomic int   short_polls;          /* polls are answered without anything new */
    _Atomic int   polls, gets, fetches, submits, cancels;
    uint64_t      dedup[2];
    _Atomic uint32_t items, given;
    uint32_t      sizes[SHOP_BLOCKS_MAX];
    char          first[SHOP_BLOCKS_MAX];
    uint32_t      entries;              /* blocks of one entry each */
    uint32_t      at[SHOP_BLOCKS_MAX];  /* their tasks */
    uint64_t      request, cursor;      /* of the poll that waits */
} shop;

static char shop_bytes[OUTPUT_INLINE_BYTES_MAX];

/* 'f' fails, 'c' was cancelled, 'r' stands for a run of cancelled tasks from it on,
 * 'l' is larger than what comes with it, 'b' as large as what may; all others succeed. */
static inline void
shop_entry(struct buffer *out, uint32_t index)
{
    struct wire_entry entry = { .index = index, .count = 1, .attempt = 1,
                                .worker = slice_text("w1") };
    char              kind = shop.first[index];

    entry.result.host = slice_text("host");
    entry.result.pid = 99;
    entry.result.out = slice_of(shop_bytes, shop.sizes[index]);
    memset(shop_bytes, kind, sizeof(shop_bytes));
    entry.result.out_bytes = entry.result.out_kept = shop.sizes[index];
    if (kind == 'f') {
        entry.result.outcome = OUTCOME_EXITED;
        entry.result.exit_code = 3;
        entry.result.err = slice_text("one\nlast words\n");
        entry.result.err_kept = 15;
    } else if (kind == 'c' || kind == 'r') {
        entry.result.outcome = OUTCOME_CANCELLED;
        entry.count = kind == 'r' ? TASKS_PER_JOB_MAX - index : 1;
    } else if (kind == 'l') {
        entry.result.out_kept = shop.sizes[index] + 5;
    }
    wire_put_entry(out, &entry);
}

static inline void
shop_answer(struct fake *fake)
{
    union wire_any m = { .results = { .job = JOB, .cursor = shop.cursor, .state = JOB_RUNNING } };
    struct buffer  entries = { 0 };

    while (m.results.cursor < shop.entries && entries.bytes < BLOCK_BYTES_MAX / 2)
        shop_entry(&entries, shop.at[m.results.cursor++]);
    m.results.counts.total = shop.items;
    m.results.entries = buffer_slice(&entries);
    if (atomic_load(&shop.cancelled)) {
        m.results.state = JOB_CANCELLED;
        m.results.ended = m.results.cursor == shop.entries;
    }
    fake_send(fake, MSG_TYPE_RESULTS, shop.request, &m);
    shop.request = 0;
    buffer_free(&entries);
}

static inline void
shop_turn(struct fake *fake)
{
    while (!atomic_load(&shop.closed_shop) && shop.given < shop.items)
        shop.at[shop.entries++] = shop.given++;
    if (shop.request != 0 && atomic_load(&shop.gone))
        fake_error(fake, shop.request, MUSTER_ERR_NOT_FOUND, "no job 7 of user test");
    else if (shop.request == 0 ||
             (shop.cursor == shop.entries && !atomic_load(&shop.cancelled) &&
              !atomic_load(&shop.short_polls)))
        return;
    else
        shop_answer(fake);
    shop.request = 0;
}

static inline void
shop_items(struct fake *fake, uint64_t request, const struct msg_job_items *m)
{
    if (atomic_load(&shop.refuse_items)) {
        fake_error(fake, request, atomic_load(&shop.refuse_items), "said the test");
        return;
    }
    if (m->first > shop.items) {
        fake_error(fake, request, MUSTER_ERR_STATE, "you are ahead");
        return;
    }
    for (uint32_t i = 0; i < m->count; i++) {
        struct slice item = wire_block_item(m->block, i);
        uint32_t     index = m->first + i;

        if (index != shop.items)
            continue;                   /* a repeat */
        shop.sizes[index] = (uint32_t)item.bytes;
        shop.first[index] = item.bytes > 0 ? *(const char *)item.data : '-';
        if (shop.first[index] == 'b')
            shop.sizes[index] = OUTPUT_INLINE_BYTES_MAX;
        shop.items++;
    }
    fake_ack(fake, request, shop.items);
}

static inline void
shop_get(struct fake *fake, uint64_t request, uint32_t index)
{
    union wire_any m = { .results = { .job = JOB, .state = JOB_RUNNING } };
    struct buffer  entries = { 0 };

    atomic_fetch_add(&shop.gets, 1);
    if (atomic_load(&shop.gone) || index >= shop.items) {
        fake_error(fake, request, MUSTER_ERR_NOT_FOUND, "no such task");
    } else if (index >= shop.given) {
        fake_error(fake, request, MUSTER_ERR_STATE, "it has no result yet");
    } else {
        shop_entry(&entries, index);
        m.results.entries = buffer_slice(&entries);
        fake_send(fake, MSG_TYPE_RESULTS, request, &m);
    }
    buffer_free(&entries);
}

static inline void
shop_poll(struct fake *fake, uint64_t request, uint64_t cursor)
{
    atomic_fetch_add(&shop.polls, 1);
    if (fake_take(&shop.full_polls)) {
        fake_error(fake, request, MUSTER_ERR_FULL, "this session follows 1024 jobs already");
        return;
    }
    shop.request = request;
    shop.cursor = cursor;
}

static inline void
shop_job(struct fake *fake, uint64_t request)
{
    union wire_any   m = { .job_info = { .job = { .job = JOB, .name = slice_text("shop") } } };
    struct wire_spec spec = { 0 };
    struct buffer    bytes = { 0 };

    wire_put_spec(&bytes, &spec);
    m.job_info.spec = buffer_slice(&bytes);
    if (atomic_load(&shop.gone))
        fake_error(fake, request, MUSTER_ERR_NOT_FOUND, "no job 7 of user test");
    else
        fake_send(fake, MSG_TYPE_JOB_INFO, request, &m);
    buffer_free(&bytes);
}

static inline void
shop_submit(struct fake *fake, uint64_t request, const struct msg_job_submit *m)
{
    union wire_any answer = { .job_submitted = { .job = JOB } };

    if (atomic_fetch_add(&shop.submits, 1) > 0)
        assert_true(shop.dedup[0] == m->dedup_hi && shop.dedup[1] == m->dedup_lo);
    shop.dedup[0] = m->dedup_hi;
    shop.dedup[1] = m->dedup_lo;
    if (m->source == SOURCE_COUNTED)
        shop.items = 1;
    if (!atomic_load(&shop.known))
        answer.job_submitted.warning = slice_text("no worker has the function");
    fake_send(fake, MSG_TYPE_JOB_SUBMITTED, request, &answer);
}

static inline bool
shop_serve(struct fake *fake, const struct wire_message *message, const union wire_any *m)
{
    union wire_any answer = { 0 };

    switch (message->type) {
    case MSG_TYPE_JOB_SUBMIT:
        shop_submit(fake, message->request, &m->job_submit);
        return true;
    case MSG_TYPE_JOB_ITEMS:
        shop_items(fake, message->request, &m->job_items);
        return true;
    case MSG_TYPE_RESULTS_GET:
        shop_poll(fake, message->request, m->results_get.cursor);
        return true;
    case MSG_TYPE_RESULT_GET:
        shop_get(fake, message->request, m->result_get.index);
        return true;
    case MSG_TYPE_OUTPUT_GET:
        atomic_fetch_add(&shop.fetches, 1);
        answer.body = (struct msg_body){ .offset = m->output_get.offset,
                                         .total = m->output_get.offset + 5,
                                         .data = slice_text("-rest") };
        fake_send(fake, MSG_TYPE_BODY, message->request, &answer);
        return true;
    case MSG_TYPE_JOB_CANCEL:
        atomic_fetch_add(&shop.cancels, 1);
        fake_ack(fake, message->request, (uint64_t)atomic_load(&shop.cancel_says));
        return true;
    case MSG_TYPE_JOB_GET:
        shop_job(fake, message->request);
        return true;
    case MSG_TYPE_WORKER_LIST_GET:
        fake_send(fake, MSG_TYPE_WORKER_LIST, message->request, &answer);
        return true;
    default:
        return false;
    }
}

/* ---- a session before it ---- */

struct scene {
    struct fake           *fake;
    struct muster_session *session;
    struct muster_pool    *pool;
    struct muster_error    error;
};

static inline struct scene
scene_open(void)
{
    struct scene scene = { 0 };

    memset(&shop, 0, sizeof(shop));
    shop.known = 1;
    scene.fake = fake_start(true);
    atomic_store(&scene.fake->instead, shop_serve);
    atomic_store(&scene.fake->turn, shop_turn);
    scene.session = fake_connect(scene.fake);
    assert_int_equal(muster_pool_open(scene.session, NULL, &scene.pool, &scene.error), MUSTER_OK);
    return scene;
}

static inline void
scene_close(struct scene *scene)
{
    muster_pool_free(scene->pool);
    muster_session_close(scene->session);
    fake_stop(scene->fake);
}

static inline struct muster_future *
scene_call(struct scene *scene, const char *text)
{
    struct muster_future *future = NULL;

    if (muster_pool_submit(scene->pool, "echo", text, strlen(text), CALL_MS, &future,
                           &scene->error) != MUSTER_OK)
        fail_msg("%s", scene->error.detail);
    return future;
}

static inline muster_err
scene_result(struct scene *scene, struct muster_future *future)
{
    struct muster_bytes bytes = { 0 };
    muster_err          err = muster_future_result(future, CALL_MS, &bytes, &scene->error);

    muster_bytes_free(&bytes);
    return err;
}

#endif
