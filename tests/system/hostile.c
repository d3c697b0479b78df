/* hostile.c - a peer with a good key and bad manners
 *
 *   hostile ADDRESS KEYFILE STORY
 *
 * Sends what its story says until the manager cuts the connection (or, where a
 * correct peer could do the same by bad luck, until it is told an error), and
 * prints the names of the errors that it was told on the way, one a line.
 * Exit 0: was told at least one error, and cut in time; 1: not.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "clock.h"
#include "link.h"
#include "wire.h"

enum { HOSTILE_MS = 15000, HOSTILE_STEP_MS = 50 };

static void
put_garbage(struct buffer *out)
{
    for (int i = 0; i < 200; i++)
        write_u8(out, (uint8_t)(i * 37 + 11));
}

static void
put_empty(struct buffer *out)
{
    (void)out;
}

static void
put_any(struct buffer *out, uint16_t type, const union wire_any *m)
{
    wire_frame_begin(out);
    wire_put_any(out, type, 1, m);
    wire_frame_end(out, 1);
}

static void
put_no_hello(struct buffer *out)
{
    put_any(out, MSG_TYPE_JOB_GET, &(union wire_any){ .job_get = { .job = 1 } });
}

static void
put_version(struct buffer *out)
{
    put_any(out, MSG_TYPE_HELLO,
            &(union wire_any){ .hello = { .version_min = 99, .version_max = 99, .secret = 1 } });
}

static void
put_forbidden(struct buffer *out)
{
    put_any(out, MSG_TYPE_SHUTDOWN, &(union wire_any){ .shutdown = { .reserved = 0 } });
}

static void
put_manager_only(struct buffer *out)
{
    put_any(out, MSG_TYPE_WELCOME, &(union wire_any){ .welcome = { .version = 1 } });
}

static void
put_unknown(struct buffer *out)
{
    wire_frame_begin(out);
    write_u32(out, 0);          /* body length */
    write_u16(out, 0xee);       /* no such type */
    write_u16(out, 0);
    write_u64(out, 1);
    wire_frame_end(out, 1);
}

static void
put_short(struct buffer *out)
{
    size_t begin;

    wire_frame_begin(out);
    begin = wire_message_begin(out, MSG_TYPE_HELLO, 1);
    write_u16(out, 1);
    wire_message_end(out, begin);
    wire_frame_end(out, 1);
}

/* A good HELLO and a byte behind its last field. */
static void
put_long(struct buffer *out)
{
    const union wire_any hello = { .hello = { .version_min = 1, .version_max = 1, .secret = 1 } };
    struct buffer        message = { 0 };
    size_t               begin;

    wire_put_any(&message, MSG_TYPE_HELLO, 1, &hello);
    wire_frame_begin(out);
    begin = wire_message_begin(out, MSG_TYPE_HELLO, 1);
    for (size_t i = MESSAGE_HEADER_BYTES; i < message.bytes; i++)
        write_u8(out, message.data[i]);
    write_u8(out, 0);
    wire_message_end(out, begin);
    wire_frame_end(out, 1);
    buffer_free(&message);
}

/* A HELLO whose software says more than it may. */
static void
put_oversized(struct buffer *out)
{
    size_t begin;

    wire_frame_begin(out);
    begin = wire_message_begin(out, MSG_TYPE_HELLO, 1);
    write_u16(out, 1);
    write_u16(out, 1);
    for (int i = 0; i < 3; i++)
        write_u64(out, 1);      /* features, session, secret */
    write_u32(out, 60000);
    for (int i = 0; i < 60000; i++)
        write_u8(out, 'x');
    write_u32(out, 0);          /* host */
    write_u32(out, 1);          /* pid */
    wire_message_end(out, begin);
    wire_frame_end(out, 1);
}

static void
put_wrong_count(struct buffer *out)
{
    put_no_hello(out);
    out->data[4] = 200;         /* messages in the frame */
}

/* Small requests with large answers, as many as a frame holds. */
static void
put_greedy(struct buffer *out)
{
    const union wire_any hello = { .hello = { .version_min = 1, .version_max = 1, .secret = 1 } };
    const union wire_any ask = { .job_list_get = { .max = 0 } };

    wire_frame_begin(out);
    wire_put_any(out, MSG_TYPE_HELLO, 1, &hello);
    for (uint32_t i = 1; i < FRAME_MESSAGES_MAX; i++)
        wire_put_any(out, MSG_TYPE_JOB_LIST_GET, i + 1, &ask);
    wire_frame_end(out, FRAME_MESSAGES_MAX);
}

enum { SORTER_EXTENDS = 6, SORTER_SORTS = 1500 };

/* A list, and small requests that each cost as much as it is long. */
static void
put_sorter(struct buffer *out)
{
    const union wire_any hello = { .hello = { .version_min = 1, .version_max = 1, .secret = 1 } };
    const union wire_any open = { .object_open = { .noun = NOUN_LIST } };
    union wire_any       extend = { .object_do = { .object = 1, .verb = VERB_LIST_EXTEND,
                                                   .a = BLOCK_ITEMS_MAX } };
    const union wire_any sort = { .object_do = { .object = 1, .verb = VERB_LIST_SORT } };
    struct buffer        block = { 0 };
    uint64_t             request = 1;

    for (uint32_t i = 0; i <= BLOCK_ITEMS_MAX; i++)
        write_u32(&block, i == 0 ? BLOCK_ITEMS_MAX : 0);
    extend.object_do.value = buffer_slice(&block);
    wire_frame_begin(out);
    wire_put_any(out, MSG_TYPE_HELLO, request++, &hello);
    wire_put_any(out, MSG_TYPE_OBJECT_OPEN, request++, &open);
    for (uint32_t i = 0; i < SORTER_EXTENDS; i++)
        wire_put_any(out, MSG_TYPE_OBJECT_DO, request++, &extend);
    for (uint32_t i = 0; i < SORTER_SORTS; i++)
        wire_put_any(out, MSG_TYPE_OBJECT_DO, request++, &sort);
    wire_frame_end(out, 2 + SORTER_EXTENDS + SORTER_SORTS);
    buffer_free(&block);
}

static const struct {
    const char *name;
    void      (*put)(struct buffer *out);
    bool        cut;            /* ends with the connection cut */
} stories[] = {
    { "garbage", put_garbage, true },           { "empty", put_empty, true },
    { "no-hello", put_no_hello, false },        { "forbidden", put_forbidden, true },
    { "manager-only", put_manager_only, true }, { "unknown", put_unknown, true },
    { "short", put_short, true },               { "wrong-count", put_wrong_count, true },
    { "long", put_long, true },                 { "oversized", put_oversized, true },
    { "version", put_version, false },          { "greedy", put_greedy, false },
    { "sorter", put_sorter, false },
};

/* Print the errors in a frame; how many there were. */
static int
told(struct slice bytes)
{
    struct wire_frame   frame;
    struct wire_message message;
    struct msg_error    m;
    int                 count = 0;

    if (wire_frame_open(bytes, &frame))
        return 0;
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        if (message.type != MSG_TYPE_ERROR || wire_decode_error(message.body, &m))
            continue;
        printf("%s\n", muster_err_name((muster_err)m.code));
        count++;
    }
    return count;
}

static int
hostile_run(struct link_client *link, void (*put)(struct buffer *), bool until_cut)
{
    struct muster_error error = { 0 };
    struct buffer       frame = { 0 };
    struct slice        answer;
    uint64_t            until_ms = clock_now_ms() + HOSTILE_MS;
    uint64_t            connections = 0;
    int                 errors = 0;
    bool                sent = false;

    put(&frame);
    while (clock_now_ms() < until_ms && connections < 2) {
        struct pollfd   wait[2] = { { .events = POLLIN }, { .events = POLLIN } };
        enum link_state state = link_client_state(link, &connections, &error);

        if (errors > 0 && (state == LINK_LOST || !until_cut))
            break;
        if (state == LINK_CONNECTED && (until_cut || !sent))
            sent = link_client_send(link, buffer_slice(&frame)) == MUSTER_OK;
        while (link_client_receive(link, &answer))
            errors += told(answer);
        wait[0].fd = link_client_fd(link);
        wait[1].fd = link_client_state_fd(link);
        (void)poll(wait, 2, HOSTILE_STEP_MS);
    }
    buffer_free(&frame);
    return errors > 0 && clock_now_ms() < until_ms ? 0 : 1;
}

int
main(int argc, char **argv)
{
    struct link_client_config config = { .frame_bytes_max = FRAME_BYTES_MAX,
                                         .reconnect_ms_min = 100,
                                         .reconnect_ms_max = 100 };
    struct muster_error       error = { 0 };
    struct link_client       *link = NULL;
    struct key               *key = NULL;
    int                       status = 2;

    if (argc != 4 || auth_start(&error) || key_file_load(argv[2], &key, &error))
        goto out;
    config.endpoint = argv[1];
    config.key = key;
    if (link_client_open(&config, &link, &error))
        goto out;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        if (strcmp(stories[i].name, argv[3]) == 0)
            status = hostile_run(link, stories[i].put, stories[i].cut);
    }
    link_client_close(link);
out:
    if (status == 2)
        fprintf(stderr, "hostile: usage, or: %s\n", error.detail);
    key_free(key);
    return status;
}
