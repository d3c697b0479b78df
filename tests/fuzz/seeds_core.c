/* seeds_core.c - write the seeds that a manager's core makes
 *
 *   seeds_core DIR
 *
 * Lets a core live through a small history.  After each turn DIR/facts gets a
 * file with all facts so far, and DIR/objects one with a checkpoint; both are
 * restored at once and must give the state they came from.
 *
 * DIR/steps gets rows of moves for fuzz_steps.c, with the verbs of each noun.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_core.h"

enum { LEASES_MAX = 64, TURN_MS = 500, STEP_BYTES = 12 };

struct history {
    const char       *dir;
    struct core      *core;
    struct core_from  client, worker;
    struct effects    fx;
    struct buffer     facts;
    struct buffer     objects;
    uint64_t          now_ms, request, job_last;
    unsigned          turns;
    struct wire_token leases[LEASES_MAX];   /* granted, not yet answered */
    uint32_t          lease_first, lease_count;
};

static void
seed_folder(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        perror(path);
        exit(1);
    }
}

static void
seed_put(const struct history *h, const char *folder, struct slice bytes)
{
    char path[512];
    int  fd;

    seed_folder(h->dir);
    snprintf(path, sizeof(path), "%s/%s", h->dir, folder);
    seed_folder(path);
    snprintf(path, sizeof(path), "%s/%s/turn-%02u", h->dir, folder, h->turns);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes.data, bytes.bytes) != (ssize_t)bytes.bytes || close(fd) != 0) {
        perror(path);
        exit(1);
    }
}

/* Everything so far as objects, by way of a core that was made from the facts;
 * and a third one, made from those objects, is the same again. */
static void
seed_objects(struct history *h)
{
    struct core   *replayed = core_new(&fuzz_core_config);
    struct core   *loaded = core_new(&fuzz_core_config);
    struct effects fx = { 0 };
    muster_err     err = core_replay(replayed, buffer_slice(&h->facts));

    assert(err == MUSTER_OK);
    assert(core_digest(replayed) == core_digest(h->core));
    core_start(replayed, h->now_ms, FUZZ_UNIX_MS + h->now_ms, &fx);
    core_check(replayed);
    buffer_clear(&h->objects);
    core_checkpoint(replayed, fuzz_core_object, &h->objects);
    seed_put(h, "objects", buffer_slice(&h->objects));

    err = fuzz_core_load(loaded, buffer_slice(&h->objects));
    if (!err)
        err = core_replay(loaded, slice_of(NULL, 0));
    assert(err == MUSTER_OK);
    assert(core_digest(loaded) == core_digest(replayed));
    effects_free(&fx);
    core_free(loaded);
    core_free(replayed);
}

/* End the turn, remember its leases, write its seeds. */
static void
turn(struct history *h)
{
    h->now_ms += TURN_MS;
    core_turn(h->core, h->now_ms, FUZZ_UNIX_MS + h->now_ms, &h->fx);
    for (uint32_t i = 0; i < h->fx.lease_count; i++) {
        const struct effect_lease *lease = &h->fx.leases[i];

        assert(h->lease_count < LEASES_MAX);
        h->leases[h->lease_count++] =
            (struct wire_token){ lease->job, lease->index, lease->attempt, lease->epoch };
    }
    buffer_append_slice(&h->facts, buffer_slice(&h->fx.facts));
    effects_clear(&h->fx);
    core_check(h->core);
    seed_put(h, "facts", buffer_slice(&h->facts));
    seed_objects(h);
    h->turns++;
}

static void
say(struct history *h, const struct core_from *from, uint16_t type, union wire_any m)
{
    core_step(h->core, h->now_ms, from, ++h->request, type, &m, &h->fx);
}

static void
hello(struct history *h, struct core_from *from, enum wire_role role, const char *user)
{
    *from = (struct core_from){ .role = role, .user = slice_text(user),
                                .address = slice_text("127.0.0.1") };
    say(h, from, MSG_TYPE_HELLO,
        (union wire_any){ .hello = { .version_min = PROTOCOL_VERSION_MIN,
                                     .version_max = PROTOCOL_VERSION, .secret = 7 + role } });
    assert(h->fx.opened != 0);
    from->session = h->fx.opened;
}

static void
join(struct history *h)
{
    struct buffer       bytes = { 0 };
    struct wire_resource gpus = { slice_text("gpus"), 2 };
    union wire_any       m = { .worker_join = { .name = slice_text("node7"), .cpus_milli = 4000,
                                                .mem_bytes = 1u << 30, .window = 16 } };

    wire_put_resource(&bytes, &gpus);
    m.worker_join.resources = (struct wire_list){ buffer_slice(&bytes), 1 };
    say(h, &h->worker, MSG_TYPE_WORKER_JOIN, m);
    buffer_free(&bytes);
}

/* A job of `count` tasks, or of items when it is 0.  Its id. */
static uint64_t
submit(struct history *h, uint32_t count, uint64_t after)
{
    struct buffer    args = { 0 }, spec_bytes = { 0 }, gpus = { 0 }, ids = { 0 };
    struct wire_spec spec = { .cpus_milli = 1000, .output_bytes = OUTPUT_BYTES_DEFAULT,
                              .number_first = 1, .number_step = 1 };
    union wire_any   m = { .job_submit = { .dedup_lo = ++h->job_last, .name = slice_text("job"),
                                           .source = count > 0 ? SOURCE_COUNTED : SOURCE_ITEMS,
                                           .count = count, .attempts_max = 2 } };

    wire_put_text(&args, &(struct wire_text){ slice_text("true") });
    wire_put_resource(&gpus, &(struct wire_resource){ slice_text("gpus"), 1 });
    wire_put_id(&ids, &(struct wire_id){ after });
    spec.args = (struct wire_list){ buffer_slice(&args), 1 };
    m.job_submit.needs.cpus_milli = 1000;
    if (count == 2) {
        spec.resources = (struct wire_list){ buffer_slice(&gpus), 1 };
        m.job_submit.needs.resources = spec.resources;
    }
    wire_put_spec(&spec_bytes, &spec);
    m.job_submit.spec = buffer_slice(&spec_bytes);
    if (after != 0)
        m.job_submit.after = (struct wire_list){ buffer_slice(&ids), 1 };
    say(h, &h->client, MSG_TYPE_JOB_SUBMIT, m);
    buffer_free(&args);
    buffer_free(&spec_bytes);
    buffer_free(&gpus);
    buffer_free(&ids);
    return h->job_last;
}

static void
feed(struct history *h, uint64_t job, uint32_t first, uint32_t count)
{
    struct wire_block block = { 0 };
    struct buffer     bytes = { 0 };

    for (uint32_t i = 0; i < count; i++)
        wire_block_add(&block, slice_text("/usr/include/stdio.h"));
    wire_block_put(&bytes, &block);
    say(h, &h->client, MSG_TYPE_JOB_ITEMS,
        (union wire_any){ .job_items = { job, first, count, buffer_slice(&bytes) } });
    wire_block_free(&block);
    buffer_free(&bytes);
}

/* Answer the oldest lease: with a result, or give it back. */
static void
answer(struct history *h, enum wire_outcome outcome, bool back)
{
    struct wire_token token;

    assert(h->lease_first < h->lease_count);
    token = h->leases[h->lease_first++];
    if (back) {
        say(h, &h->worker, MSG_TYPE_TASK_RETURN,
            (union wire_any){ .task_return = { token, RETURN_NOT_STARTED,
                                               slice_text("no table") } });
        return;
    }
    say(h, &h->worker, MSG_TYPE_RESULT_CHUNK,
        (union wire_any){ .result_chunk = { token, 0, 5, slice_text("more") } });
    say(h, &h->worker, MSG_TYPE_TASK_FINISH,
        (union wire_any){ .task_finish = { token, { .outcome = (uint8_t)outcome,
                                                    .exit_code = outcome == OUTCOME_EXITED,
                                                    .host = slice_text("node7"),
                                                    .out_bytes = 9, .out_kept = 9,
                                                    .out = slice_text("12345") } } });
}

/* One shared object of each noun, their ids rising from 1, and something in each. */
static void
share(struct history *h)
{
    static const struct {
        enum wire_noun noun;
        uint64_t       a, b;       /* settings */
        uint8_t        verb;
        struct msg_object_do m;
    } rows[] = {
        { NOUN_LOCK, 0, 0, VERB_LOCK_ACQUIRE, { .thread = 1 } },
        { NOUN_RLOCK, 0, 0, VERB_RLOCK_ACQUIRE, { .thread = 1 } },
        { NOUN_SEMAPHORE, 3, 1, VERB_SEMAPHORE_ACQUIRE, { 0 } },
        { NOUN_EVENT, 0, 0, VERB_EVENT_SET, { 0 } },
        { NOUN_CONDITION, 1, 0, VERB_CONDITION_WAIT, { .thread = 1 } },
        { NOUN_BARRIER, 2, 0, VERB_BARRIER_WAIT, { 0 } },
        { NOUN_VALUE, TYPE_INTEGER, 0, VERB_VALUE_ADD, { .value = { "\1\0\0\0\0\0\0", 8 } } },
        { NOUN_ARRAY, TYPE_DOUBLE, 9, VERB_ARRAY_SET, { .value = { "12345678", 8 } } },
        { NOUN_LIST, 0, 0, VERB_LIST_APPEND, { .value = { "item", 4 } } },
        { NOUN_DICT, 0, 0, VERB_DICT_SET, { .key = { "key", 3 }, .value = { "value", 5 } } },
        { NOUN_NAMESPACE, 0, 0, VERB_DICT_SET, { .key = { "key", 3 }, .value = { "", 0 } } },
        { NOUN_PIPE, 1, 0, VERB_PIPE_ATTACH, { 0 } },
        { NOUN_LISTENER, 4, 0, VERB_LISTENER_CONNECT, { 0 } },
        { NOUN_QUEUE, 0, 0, VERB_QUEUE_PUT, { .a = 1, .b = PRIORITY_MAX } },
        { NOUN_SERVICE, 0, 0, VERB_SERVICE_PUBLISH, { .a = 1 } },
    };
    struct wire_block block = { 0 };
    struct buffer     bytes = { 0 };

    wire_block_add(&block, slice_text("item"));
    wire_block_put(&bytes, &block);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        union wire_any m = { .object_open = { .noun = (uint8_t)rows[i].noun, .a = rows[i].a,
                                              .b = rows[i].b,
                                              .name = slice_text(wire_noun_name(rows[i].noun)) } };

        say(h, &h->client, MSG_TYPE_OBJECT_OPEN, m);
        m = (union wire_any){ .object_do = rows[i].m };
        m.object_do.object = i + 1;
        m.object_do.verb = rows[i].verb;
        m.object_do.wait_ms = 10;
        if (rows[i].m.a == 1)
            m.object_do.value = buffer_slice(&bytes);
        say(h, &h->client, MSG_TYPE_OBJECT_DO, m);
        turn(h);
    }
    wire_block_free(&block);
    buffer_free(&bytes);
}

/* What is done with objects but by verbs: opened by another, closed, given up,
 * deleted; a large item in a queue that is not stored. */
static void
unshare(struct history *h)
{
    static char      large[VALUE_INLINE_BYTES_MAX + 1];
    struct core_from other;
    uint64_t         acquired;

    hello(h, &other, ROLE_ADMIN, "bert");
    say(h, &other, MSG_TYPE_OBJECT_OPEN,
        (union wire_any){ .object_open = { .noun = NOUN_SEMAPHORE, .object = 3 } });
    say(h, &other, MSG_TYPE_OBJECT_DO,
        (union wire_any){ .object_do = { .object = 3, .verb = VERB_SEMAPHORE_ACQUIRE } });
    acquired = h->request;
    turn(h);
    say(h, &other, MSG_TYPE_OBJECT_CANCEL,
        (union wire_any){ .object_cancel = { .request = acquired } });
    turn(h);
    say(h, &h->client, MSG_TYPE_OBJECT_CLOSE, (union wire_any){ .object_close = { 1 } });
    say(h, &other, MSG_TYPE_OBJECT_DELETE, (union wire_any){ .object_delete = { 2 } });
    turn(h);
    say(h, &other, MSG_TYPE_OBJECT_OPEN,
        (union wire_any){ .object_open = { .noun = NOUN_QUEUE, .name = slice_text("passing"),
                                           .transient = 1 } });
    say(h, &other, MSG_TYPE_OBJECT_DO,
        (union wire_any){ .object_do = { .object = 16, .verb = VERB_QUEUE_PUT_PART, .thread = 1,
                                         .b = sizeof(large),
                                         .value = slice_of(large, sizeof(large)) } });
    turn(h);
}

/* Rows of moves for each noun: two sessions ask all its verbs in different ways. */
static void
seed_steps(struct history *h)
{
    struct buffer moves = { 0 };

    for (uint8_t noun = 0; noun < NOUN_COUNT; noun++) {
        for (uint8_t verb = 0; verb < VERB_COUNT; verb++) {
            const uint8_t asks[][STEP_BYTES] = {
                { 9, 0, verb, 0, 0, 0, 0, 0, 161 },                 /* nothing, and it waits */
                { 9, 1, verb, 0, 160, 0, 0, 0, 0, 0, 224, 0 },      /* a = 1, a block of one */
                { 9, 0, verb, 0, 0, 0, 0, 0, 0, 202, 192, 0 },      /* a key, a text */
            };

            if (wire_verb_rule(verb)->kind != VERB_NONE && wire_verb_rule(verb)->noun == noun)
                buffer_append(&moves, asks, sizeof(asks));
        }
        h->turns = noun;
        seed_put(h, "steps", buffer_slice(&moves));
        buffer_clear(&moves);
    }
    buffer_free(&moves);
}

static void
history_run(struct history *h)
{
    uint64_t items, counted;

    core_start(h->core, h->now_ms, FUZZ_UNIX_MS, &h->fx);
    turn(h);
    hello(h, &h->client, ROLE_CLIENT, "anna");
    hello(h, &h->worker, ROLE_WORKER, "node7");
    join(h);
    turn(h);
    items = submit(h, 0, 0);
    turn(h);
    feed(h, items, 0, 3);
    say(h, &h->client, MSG_TYPE_JOB_CLOSE, (union wire_any){ .job_close = { items, 3 } });
    turn(h);
    answer(h, OUTCOME_SUCCEEDED, false);
    answer(h, OUTCOME_EXITED, false);
    answer(h, OUTCOME_SUCCEEDED, true);
    counted = submit(h, 2, 0);
    (void)submit(h, 1000, counted);
    turn(h);
    while (h->lease_first < h->lease_count)
        answer(h, OUTCOME_EXITED, false);
    turn(h);
    say(h, &h->client, MSG_TYPE_JOB_RETRY, (union wire_any){ .job_retry = { .job = items } });
    turn(h);
    say(h, &h->client, MSG_TYPE_JOB_CANCEL, (union wire_any){ .job_cancel = { .job = counted } });
    turn(h);
    share(h);
    unshare(h);
    say(h, &h->client, MSG_TYPE_OBJECT_SEEN,
        (union wire_any){ .object_seen = { .below = h->request } });
    turn(h);
    say(h, &h->worker, MSG_TYPE_GOODBYE, (union wire_any){ .goodbye = { 0 } });
    turn(h);
    say(h, &h->client, MSG_TYPE_GOODBYE, (union wire_any){ .goodbye = { 0 } });
    turn(h);
}

int
main(int argc, char **argv)
{
    struct history h = { .now_ms = 1000 };

    if (argc != 2) {
        fprintf(stderr, "usage: seeds_core DIR\n");
        return 2;
    }
    h.dir = argv[1];
    h.core = core_new(&fuzz_core_config);
    history_run(&h);
    seed_steps(&h);
    core_free(h.core);
    effects_free(&h.fx);
    buffer_free(&h.facts);
    buffer_free(&h.objects);
    return 0;
}
