/* data_world.h - a world with two clients and shared data, for stories about it
 *
 * Every request ends its turn, so that core_check() and the mirror that replays
 * all facts look at each of them.  Items are told as words between blanks; '' is
 * the empty one, and *N a reference to object N.
 */
#ifndef DATA_WORLD_H
#define DATA_WORLD_H

#include "../world.h"

enum { DATA_SECRET = 42, DATA_WORDS_MAX = 4096 };

struct data_stored {               /* an object of the store */
    uint32_t      kind;
    uint64_t      id;
    struct buffer bytes;
};

struct data {
    struct world       *world;
    uint64_t            ann, bob;
    struct buffer       key, value, text, block, flags;
    struct data_stored *stored;    /* in order */
    uint32_t            stored_count, stored_capacity;
    uint32_t            stored_last;   /* pieces written by the last checkpoint */
};

struct told {
    bool                   nothing;    /* it waits */
    muster_err             error;
    struct msg_object_done done;       /* until the next request */
};

static inline struct data *
data_new_with(const struct core_config *config)
{
    struct data *data = calloc(1, sizeof(*data));

    data->world = world_new_with(config);
    data->ann = world_client(data->world, "ann");
    data->bob = world_client(data->world, "bob");
    world_turn(data->world, 1);
    world_next(data->world);
    return data;
}

static inline struct data *
data_new(void)
{
    return data_new_with(&world_config);
}

static inline void
data_forget(struct data *data)
{
    for (uint32_t i = 0; i < data->stored_count; i++)
        buffer_free(&data->stored[i].bytes);
    data->stored_count = 0;
}

static inline void
data_free(struct data *data)
{
    data_forget(data);
    free(data->stored);
    buffer_free(&data->key);
    buffer_free(&data->value);
    buffer_free(&data->text);
    buffer_free(&data->block);
    buffer_free(&data->flags);
    world_free(data->world);
    free(data);
}

static inline void
data_step(struct data *data, uint64_t session, uint16_t type, const union wire_any *m)
{
    world_step(data->world, 0, session, ROLE_CLIENT, session == data->ann ? "ann" : "bob", type,
               m);
}

/* The next answer, if there is one, for this session. */
static inline struct told
data_take(struct data *data, uint64_t session)
{
    struct told    told = { 0 };
    uint64_t       to;
    union wire_any m;

    switch (world_take(data->world, &to, &m)) {
    case 0:
        told.nothing = true;
        return told;
    case MSG_TYPE_ERROR:
        told.error = (muster_err)m.error.code;
        assert_true(m.error.detail.bytes > 0);
        break;
    case MSG_TYPE_OBJECT_DONE:
        told.done = m.object_done;
        buffer_clear(&data->key);
        buffer_clear(&data->value);
        buffer_append_slice(&data->key, m.object_done.key);
        buffer_append_slice(&data->value, m.object_done.value);
        told.done.key = buffer_slice(&data->key);
        told.done.value = buffer_slice(&data->value);
        break;
    default:
        fail_msg("another message");
    }
    assert_true(to == session);
    return told;
}

/* End the turn: nothing else is told. */
static inline void
data_turn(struct data *data)
{
    world_turn(data->world, 1);
    world_quiet(data->world);
    world_next(data->world);
}

static inline struct told
data_do(struct data *data, uint64_t session, struct msg_object_do m)
{
    struct told told;

    data_step(data, session, MSG_TYPE_OBJECT_DO, &(union wire_any){ .object_do = m });
    told = data_take(data, session);
    data_turn(data);
    if (data->world->request % 64 == 0)
        data_step(data, session, MSG_TYPE_OBJECT_SEEN,
                  &(union wire_any){ .object_seen = { .below = data->world->request } });
    return told;
}

/* It must go well. */
static inline struct msg_object_done
data_done(struct data *data, uint64_t session, struct msg_object_do m)
{
    struct told told = data_do(data, session, m);

    assert_false(told.nothing);
    assert_int_equal(told.error, MUSTER_OK);
    return told.done;
}

static inline void
data_refused(struct data *data, uint64_t session, struct msg_object_do m, muster_err error)
{
    struct told told = data_do(data, session, m);

    assert_false(told.nothing);
    assert_int_equal(told.error, error);
}

/* The id; 0 when it is refused with `error`. */
static inline uint64_t
data_try_open(struct data *data, uint64_t session, struct msg_object_open m, muster_err error)
{
    union wire_any answer;
    uint64_t       object = 0;

    data_step(data, session, MSG_TYPE_OBJECT_OPEN, &(union wire_any){ .object_open = m });
    if (error) {
        world_expect_error(data->world, error);
    } else {
        world_expect(data->world, OBJECT_OPENED, &answer);
        object = answer.object_opened.object;
    }
    data_turn(data);
    return object;
}

static inline uint64_t
data_open(struct data *data, uint64_t session, enum wire_noun noun, const char *name, uint64_t a,
          uint64_t b)
{
    return data_try_open(data, session, (struct msg_object_open){ .noun = (uint8_t)noun,
                             .name = slice_text(name), .a = a, .b = b }, MUSTER_OK);
}

/* Is there still such an object?  (Opens and closes it, as `bob`.) */
static inline bool
data_exists(struct data *data, uint64_t object, enum wire_noun noun)
{
    union wire_any m = { .object_open = { .noun = (uint8_t)noun, .object = object,
                                          .mode = OPEN_OLD } };
    uint16_t       type;

    data_step(data, data->bob, MSG_TYPE_OBJECT_OPEN, &m);
    type = world_take(data->world, NULL, &m);
    if (type == MSG_TYPE_OBJECT_OPENED) {
        m = (union wire_any){ .object_close = { .object = object } };
        data_step(data, data->bob, MSG_TYPE_OBJECT_CLOSE, &m);
        world_expect_ack(data->world);
    } else {
        assert_int_equal(type, MSG_TYPE_ERROR);
        assert_int_equal(m.error.code, MUSTER_ERR_NOT_FOUND);
    }
    data_turn(data);
    return type == MSG_TYPE_OBJECT_OPENED;
}

static inline void
data_close(struct data *data, uint64_t session, uint64_t object)
{
    data_step(data, session, MSG_TYPE_OBJECT_CLOSE,
              &(union wire_any){ .object_close = { .object = object } });
    world_expect_ack(data->world);
    data_turn(data);
}

static inline void
data_delete(struct data *data, uint64_t session, uint64_t object)
{
    data_step(data, session, MSG_TYPE_OBJECT_DELETE,
              &(union wire_any){ .object_delete = { .object = object } });
    world_expect_ack(data->world);
    data_turn(data);
}

/* ---- restarts ---- */

static inline void
data_hello(struct data *data)
{
    union wire_any m;

    assert_true(world_hello(data->world, ROLE_CLIENT, "ann", data->ann, DATA_SECRET) == data->ann);
    world_expect(data->world, WELCOME, &m);
    assert_true(world_hello(data->world, ROLE_CLIENT, "bob", data->bob, DATA_SECRET) == data->bob);
    world_expect(data->world, WELCOME, &m);
    data_turn(data);
}

/* kill -9, and the log of all turns is replayed; nothing was stored besides. */
static inline void
data_restart(struct data *data)
{
    data_forget(data);
    world_restart(data->world);
    data_hello(data);
}

static inline uint32_t
data_stored_at(const struct data *data, uint32_t kind, uint64_t id)
{
    uint32_t low = 0, high = data->stored_count;

    while (low < high) {
        uint32_t                  middle = (low + high) / 2;
        const struct data_stored *at = &data->stored[middle];

        if (at->kind < kind || (at->kind == kind && at->id < id))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline void
data_store(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct data        *data = context;
    uint32_t            place = data_stored_at(data, kind, id);
    struct data_stored *at;
    bool                there;

    base_grow((void **)&data->stored, &data->stored_capacity, data->stored_count + 1,
              sizeof(data->stored[0]));
    at = &data->stored[place];
    there = place < data->stored_count && at->kind == kind && at->id == id;
    data->stored_last++;
    if (bytes.data == NULL) {
        if (!there)
            return;
        buffer_free(&at->bytes);
        memmove(at, at + 1, (--data->stored_count - place) * sizeof(*at));
        return;
    }
    if (!there) {
        memmove(at + 1, at, (data->stored_count++ - place) * sizeof(*at));
        *at = (struct data_stored){ .kind = kind, .id = id };
    }
    buffer_clear(&at->bytes);
    buffer_append_slice(&at->bytes, bytes);
}

/* A checkpoint: only what changed since the last one is written. */
static inline uint32_t
data_checkpoint(struct data *data)
{
    data->stored_last = 0;
    core_checkpoint(data->world->core, data_store, data);
    return data->stored_last;
}

/* A checkpoint, and a core from what is stored takes over. */
static inline void
data_reload(struct data *data)
{
    struct world *world = data->world;
    struct core  *core = core_new(&world->config);

    data_checkpoint(data);
    for (uint32_t i = 0; i < data->stored_count; i++)
        assert_int_equal(core_load(core, data->stored[i].kind, data->stored[i].id,
                                   buffer_slice(&data->stored[i].bytes)), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(world->mirror));
    core_free(world->core);
    world->core = core;
    world->now_ms += 500;
    core_start(core, world->now_ms, world_unix(world), &world->fx);
    world_turn(world, 0);
    world_next(world);
    data_hello(data);
}

/* ---- words ---- */

/* The next word at *text; false at the end. */
static inline bool
data_word(const char **text, struct slice *word_out)
{
    const char *first;

    while (**text == ' ')
        (*text)++;
    if (**text == 0)
        return false;
    first = *text;
    while (**text != 0 && **text != ' ')
        (*text)++;
    *word_out = slice_of(first, (size_t)(*text - first));
    if (slice_equals_text(*word_out, "''"))
        word_out->bytes = 0;
    return true;
}

static inline uint64_t
data_number(struct slice bytes)
{
    struct reader in = reader_of(bytes);
    uint64_t      number = read_u64(&in);

    assert_true(read_ended(&in));
    return number;
}

static inline struct slice
data_u64(struct data *data, uint64_t number)
{
    buffer_clear(&data->text);
    write_u64(&data->text, number);
    return buffer_slice(&data->text);
}

/* A block of these words, in data->block; `flags` gets one byte for each. */
static inline uint32_t
data_block(struct data *data, const char *text)
{
    struct wire_block block = { 0 };
    struct slice      word;
    uint32_t          count;

    buffer_clear(&data->flags);
    while (data_word(&text, &word)) {
        bool refers = word.bytes > 1 && *(const char *)word.data == '*';

        if (refers)
            word = data_u64(data, strtoull((const char *)word.data + 1, NULL, 10));
        assert_true(wire_block_add_value(&block, word));
        write_u8(&data->flags, refers);
    }
    buffer_clear(&data->block);
    wire_block_put(&data->block, &block);
    count = block.count;
    wire_block_free(&block);
    return count;
}

static inline void
data_say(struct data *data, struct slice item, bool refers)
{
    if (data->text.bytes > 0)
        buffer_append_text(&data->text, " ");
    if (refers)
        buffer_printf(&data->text, "*%llu", (unsigned long long)data_number(item));
    else if (item.bytes == 0)
        buffer_append_text(&data->text, "''");
    else
        buffer_append_slice(&data->text, item);
}

/* The items of an answer as words; `per` of them go with one flag, the last. */
static inline const char *
data_words(struct data *data, const struct msg_object_done *done, uint32_t count, uint32_t per)
{
    const uint8_t *flags = done->key.data;

    assert_int_equal(wire_block_check_values(done->value, count * per), MUSTER_OK);
    assert_int_equal(done->key.bytes, count);
    buffer_clear(&data->text);
    for (uint32_t i = 0; i < count * per; i++)
        data_say(data, wire_block_item(done->value, i),
                 i % per == per - 1 && flags[i / per] == 1);
    return buffer_text(&data->text);
}

#endif
