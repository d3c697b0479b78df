/* answer.c - see answer.h */
#include "answer.h"

#include <assert.h>
#include <stdlib.h>

/* The body read last: the leases of a turn mostly share one spec and one block. */
struct answer_body {
    uint64_t      job;             /* 0: none */
    uint64_t      number;
    struct buffer bytes;
};

struct answer {
    struct store      *store;
    struct admit      *admit;
    struct outbox     *outbox;
    struct answer_body spec;
    struct answer_body input;      /* a block of items */
    struct answer_body block;      /* a block of results, or a piece of an output */
    struct buffer      message;    /* being built */
    struct buffer      list;       /* items of a list in it */
};

struct answer *
answer_new(struct store *store, struct admit *admit, struct outbox *outbox)
{
    struct answer *answer = base_alloc(sizeof(*answer));

    answer->store = store;
    answer->admit = admit;
    answer->outbox = outbox;
    return answer;
}

void
answer_free(struct answer *answer)
{
    if (answer == NULL)
        return;
    buffer_free(&answer->spec.bytes);
    buffer_free(&answer->input.bytes);
    buffer_free(&answer->block.bytes);
    buffer_free(&answer->message);
    buffer_free(&answer->list);
    free(answer);
}

static muster_err
answer_read(struct answer *answer, struct answer_body *body, uint64_t job, uint64_t number,
            struct muster_error *error)
{
    muster_err err;

    if (body->job == job && body->number == number)
        return MUSTER_OK;
    body->job = 0;
    buffer_clear(&body->bytes);
    err = store_read(answer->store, job, number, &body->bytes, error);
    if (err)
        return err;
    body->job = job;
    body->number = number;
    return MUSTER_OK;
}

/* Put one message together and hand it to the peer of its session. */
static void
answer_send(struct answer *answer, uint64_t peer, uint16_t type, uint64_t request,
            const union wire_any *m)
{
    buffer_clear(&answer->message);
    wire_put_any(&answer->message, type, request, m);
    outbox_add(answer->outbox, peer, buffer_slice(&answer->message));
}

static void
answer_error(struct answer *answer, uint64_t peer, uint64_t request, muster_err code,
             const char *detail)
{
    union wire_any m = { .error = { .code = (uint16_t)code, .detail = slice_text(detail) } };

    answer_send(answer, peer, MSG_TYPE_ERROR, request, &m);
}

static void
answer_sends(struct answer *answer, const struct effects *fx)
{
    for (uint32_t i = 0; i < fx->send_count; i++) {
        const struct effect_send *send = &fx->sends[i];
        uint64_t peer = send->session != 0 ? admit_session_peer(answer->admit, send->session)
                                           : send->peer;

        /* One without a session may have left while its turn was committed. */
        if (peer != 0 && admit_peer_known(answer->admit, peer))
            outbox_add(answer->outbox, peer, slice_of(fx->out.data + send->offset, send->bytes));
    }
}

/* ---- leases ---- */

/* Worst case of what one leased task adds to a TASK_LEASE beside its input. */
enum { ANSWER_LEASED_BYTES = 32, ANSWER_LEASE_HEAD_BYTES = 64 };

static void
answer_lease_send(struct answer *answer, uint64_t peer, uint64_t job, uint32_t count)
{
    union wire_any m = { .task_lease = {
                             .job = job,
                             .spec = buffer_slice(&answer->spec.bytes),
                             .tasks = { buffer_slice(&answer->list), count },
                         } };

    if (count > 0)
        answer_send(answer, peer, MSG_TYPE_TASK_LEASE, 0, &m);
    buffer_clear(&answer->list);
}

/* The input of a lease: a slice into answer->input, empty when it has none. */
static muster_err
answer_lease_input(struct answer *answer, const struct effect_lease *lease, struct slice *input_out,
                   struct muster_error *error)
{
    muster_err err;

    *input_out = slice_of(NULL, 0);
    if (lease->block == 0)
        return MUSTER_OK;
    err = answer_read(answer, &answer->input, lease->job, lease->block, error);
    if (!err)
        *input_out = wire_block_item(buffer_slice(&answer->input.bytes), lease->at);
    return err;
}

/* Leases from `first` on that share session and job, in as few messages as fit.
 * Returns how many they were in *taken_out. */
static muster_err
answer_lease_run(struct answer *answer, const struct effects *fx, uint32_t first,
                 uint32_t *taken_out, struct muster_error *error)
{
    const struct effect_lease *lease = &fx->leases[first];
    uint64_t   job = lease->job;
    uint64_t   session = lease->session;
    uint64_t   peer = admit_session_peer(answer->admit, session);
    uint32_t   count = 0;
    uint32_t   at = first;
    muster_err err = answer_read(answer, &answer->spec, job, 0, error);

    buffer_clear(&answer->list);
    for (; !err && at < fx->lease_count; at++) {
        struct slice input;
        size_t       used = ANSWER_LEASE_HEAD_BYTES + answer->spec.bytes.bytes + answer->list.bytes;

        lease = &fx->leases[at];
        if (lease->job != job || lease->session != session)
            break;
        if (peer == 0)
            continue;
        err = answer_lease_input(answer, lease, &input, error);
        if (err)
            break;
        if (count == LEASES_PER_MESSAGE_MAX ||
            used + ANSWER_LEASED_BYTES + input.bytes > MESSAGE_BODY_BYTES_MAX) {
            answer_lease_send(answer, peer, job, count);
            count = 0;
        }
        wire_put_leased(&answer->list, &(struct wire_leased){ lease->index, lease->attempt,
                                                              lease->epoch, input });
        count++;
    }
    if (!err && peer != 0)
        answer_lease_send(answer, peer, job, count);
    *taken_out = at - first;
    return err;
}

static muster_err
answer_leases(struct answer *answer, const struct effects *fx, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    for (uint32_t i = 0, taken = 0; !err && i < fx->lease_count; i += taken)
        err = answer_lease_run(answer, fx, i, &taken, error);
    return err;
}

/* ---- result streams ---- */

/* Put the entries of a block without what the tasks wrote. */
static void
answer_brief(struct buffer *out, struct slice block)
{
    struct reader     in = reader_of(block);
    struct wire_entry entry;

    while (read_left(&in) > 0 && wire_get_entry(&in, &entry)) {
        entry.result.out = slice_of(NULL, 0);
        entry.result.err = slice_of(NULL, 0);
        wire_put_entry(out, &entry);
    }
}

/* The newest entry about `index` in a block. */
static bool
answer_find(struct slice block, uint32_t index, struct wire_entry *entry_out)
{
    struct reader     in = reader_of(block);
    struct wire_entry entry;
    bool              found = false;

    while (read_left(&in) > 0 && wire_get_entry(&in, &entry)) {
        if (index >= entry.index && index - entry.index < entry.count) {
            *entry_out = entry;
            found = true;
        }
    }
    return found;
}

static const uint64_t *
answer_numbers(const struct effects *fx, const struct effect_results *want)
{
    const uint64_t *numbers = (const uint64_t *)(const void *)fx->numbers.data;

    assert((want->blocks_first + want->blocks) * sizeof(*numbers) <= fx->numbers.bytes);
    return want->blocks > 0 ? numbers + want->blocks_first : NULL;
}

/* Entries of as many blocks as fit one answer, into answer->list. */
static muster_err
answer_results_read(struct answer *answer, const struct effects *fx,
                    const struct effect_results *want, uint32_t *blocks_out,
                    struct muster_error *error)
{
    const uint64_t *numbers = answer_numbers(fx, want);
    uint32_t        done = 0;

    buffer_clear(&answer->list);
    for (; done < want->blocks; done++) {
        size_t     before = answer->list.bytes;
        muster_err err = answer_read(answer, &answer->block, want->job, numbers[done], error);

        if (err)
            return err;
        if (want->brief)
            answer_brief(&answer->list, buffer_slice(&answer->block.bytes));
        else
            buffer_append_slice(&answer->list, buffer_slice(&answer->block.bytes));
        if (answer->list.bytes > BLOCK_BYTES_MAX) {
            answer->list.bytes = before;
            break;
        }
    }
    *blocks_out = done;
    return MUSTER_OK;
}

/* The entry of a task, or what its inline part has of one of its outputs. */
static void
answer_entry(struct answer *answer, const struct effect_results *want, uint64_t peer,
             const struct wire_entry *entry)
{
    const struct wire_result *result = &entry->result;
    struct slice              inlined = want->stream == 0 ? result->out : result->err;
    union wire_any            m;

    if (want->output) {
        m.body = (struct msg_body){ .offset = want->offset,
                                    .total = want->stream == 0 ? result->out_kept
                                                               : result->err_kept,
                                    .data = slice_cut(inlined, want->offset, CHUNK_BYTES_MAX) };
        answer_send(answer, peer, MSG_TYPE_BODY, want->request, &m);
        return;
    }
    buffer_clear(&answer->list);
    wire_put_entry(&answer->list, entry);
    m.results = (struct msg_results){ .job = want->job, .ended = want->ended,
                                      .state = want->state, .counts = want->counts,
                                      .entries = buffer_slice(&answer->list) };
    answer_send(answer, peer, MSG_TYPE_RESULTS, want->request, &m);
}

static muster_err
answer_results_one(struct answer *answer, const struct effects *fx,
                   const struct effect_results *want, uint64_t peer, struct muster_error *error)
{
    const uint64_t   *numbers = answer_numbers(fx, want);
    struct wire_entry entry;

    for (uint32_t i = want->blocks; i-- > 0;) {
        muster_err err = answer_read(answer, &answer->block, want->job, numbers[i], error);

        if (err)
            return err;
        if (!answer_find(buffer_slice(&answer->block.bytes), want->index, &entry))
            continue;
        answer_entry(answer, want, peer, &entry);
        return MUSTER_OK;
    }
    answer_error(answer, peer, want->request, MUSTER_ERR_STATE, "the task has not ended");
    return MUSTER_OK;
}

static muster_err
answer_results(struct answer *answer, const struct effects *fx, const struct effect_results *want,
               struct muster_error *error)
{
    uint64_t       peer = admit_session_peer(answer->admit, want->session);
    uint32_t       blocks = 0;
    union wire_any m;
    muster_err     err;

    if (peer == 0)
        return MUSTER_OK;
    if (want->one)
        return answer_results_one(answer, fx, want, peer, error);
    err = answer_results_read(answer, fx, want, &blocks, error);
    if (err)
        return err;
    m.results = (struct msg_results){
        .job = want->job,
        .cursor = want->cursor + blocks,
        .ended = want->ended && blocks == want->blocks,
        .state = want->state,
        .counts = want->counts,
        .entries = buffer_slice(&answer->list),
    };
    answer_send(answer, peer, MSG_TYPE_RESULTS, want->request, &m);
    return MUSTER_OK;
}

/* ---- bodies ---- */

static muster_err
answer_info(struct answer *answer, const struct effects *fx, const struct effect_body_get *get,
            uint64_t peer)
{
    struct slice   head = slice_of(fx->out.data + get->head_offset, get->head_bytes);
    union wire_any m = { .job_info = { .spec = buffer_slice(&answer->spec.bytes) } };
    muster_err     err = wire_decode_item_job(head, &m.job_info.job);

    assert(!err);       /* the core encoded it a moment ago */
    answer_send(answer, peer, MSG_TYPE_JOB_INFO, get->request, &m);
    return err;
}

static muster_err
answer_get(struct answer *answer, const struct effects *fx, const struct effect_body_get *get,
           struct muster_error *error)
{
    uint64_t            peer = admit_session_peer(answer->admit, get->session);
    struct answer_body *body = get->info ? &answer->spec : &answer->block;
    union wire_any      m;
    muster_err          err;

    if (peer == 0)
        return MUSTER_OK;
    err = answer_read(answer, body, get->job, get->number, error);
    if (err)
        return err;
    if (get->info)
        return answer_info(answer, fx, get, peer);
    m.body = (struct msg_body){
        .offset = get->offset,
        .total = get->total,
        .data = slice_cut(buffer_slice(&body->bytes), get->skip, CHUNK_BYTES_MAX),
    };
    answer_send(answer, peer, MSG_TYPE_BODY, get->request, &m);
    return MUSTER_OK;
}

/* A body that a pruned job, or a shared object, took with it is an answer, not a fault
 * of the store. */
static muster_err
answer_missing(struct answer *answer, muster_err err, uint64_t session, uint64_t request)
{
    uint64_t peer = admit_session_peer(answer->admit, session);

    if (err != MUSTER_ERR_NOT_FOUND)
        return err;
    if (peer != 0)
        answer_error(answer, peer, request, MUSTER_ERR_NOT_FOUND, "it was removed meanwhile");
    return MUSTER_OK;
}

muster_err
answer_deliver(struct answer *answer, const struct effects *fx, struct muster_error *error)
{
    muster_err err;

    answer_sends(answer, fx);
    err = answer_leases(answer, fx, error);
    for (uint32_t i = 0; !err && i < fx->results_count; i++) {
        err = answer_results(answer, fx, &fx->results[i], error);
        err = answer_missing(answer, err, fx->results[i].session, fx->results[i].request);
    }
    for (uint32_t i = 0; !err && i < fx->get_count; i++) {
        err = answer_get(answer, fx, &fx->gets[i], error);
        err = answer_missing(answer, err, fx->gets[i].session, fx->gets[i].request);
    }
    return err;
}
