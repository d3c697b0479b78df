/* sharer.c - use shared objects from a program of its own
 *
 *   sharer VERB NAME [ARGUMENT...]   one call; prints what it gave
 *   sharer stories PART              many calls in one program, each checked
 *
 * Address and key file come from the environment.  A call that fails prints the name of
 * the error and ends with status 1.  `hold` keeps what it acquired until it is killed or
 * its standard input ends.
 */
#include "sharer.h"

#include <unistd.h>

struct muster_session *session;
struct muster_error    error;

void
ended(const char *what)
{
    printf("%s\n", muster_err_name(error.code));
    fprintf(stderr, "sharer: %s: %s: %s\n", what, muster_err_name(error.code), error.detail);
    exit(1);
}

void
connect_session(void)
{
    struct muster_session_options options = { .address = getenv("MUSTER_ADDRESS"),
                                              .authkey_file = getenv("MUSTER_AUTHKEY_FILE") };

    MUST(muster_session_open(&options, &session, &error));
}

/* ---- one call ---- */

static struct muster_queue *
queue_of(const char *name)
{
    struct muster_open   open = { .name = name };
    struct muster_queue *queue;

    MUST(muster_queue_open(session, &open, 0, 10000, &queue, &error));
    return queue;
}

static struct muster_lock *
lock_of(const char *name)
{
    struct muster_open  open = { .name = name };
    struct muster_lock *lock;

    MUST(muster_lock_open(session, &open, 10000, &lock, &error));
    return lock;
}

static void
until_input_ends(void)
{
    char byte;

    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void
do_put(char **args)
{
    struct muster_queue *queue = queue_of(args[0]);

    for (char **item = args + 1; *item != NULL; item++)
        MUST(muster_queue_put(queue, *item, strlen(*item), NULL, 30000, &error));
    muster_queue_close(queue);
}

/* put-file QUEUE FILE: large ones. */
static void
do_put_file(char **args)
{
    struct muster_queue *queue = queue_of(args[0]);
    FILE                *file = fopen(args[1], "r");
    char                *data = NULL;
    size_t               bytes = 0, got;

    WANT(file != NULL);
    do {
        data = realloc(data, bytes + 65536);
        WANT(data != NULL);
        got = fread(data + bytes, 1, 65536, file);
        bytes += got;
    } while (got > 0);
    fclose(file);
    MUST(muster_queue_put(queue, data, bytes, NULL, 60000, &error));
    free(data);
    muster_queue_close(queue);
}

static void
do_get(char **args)
{
    struct muster_queue *queue = queue_of(args[0]);
    struct muster_item   item;

    MUST(muster_queue_get(queue, (uint32_t)strtoul(args[1], NULL, 10), &item, &error));
    fwrite(item.data, 1, item.bytes, stdout);
    muster_item_free(&item);
    muster_queue_close(queue);
}

static muster_err
to_stdout(void *context, const void *data, size_t bytes, uint64_t total)
{
    (void)context;
    (void)total;
    return fwrite(data, 1, bytes, stdout) == bytes ? MUSTER_OK : MUSTER_ERR_IO;
}

static void
do_stream(char **args)
{
    struct muster_queue *queue = queue_of(args[0]);

    MUST(muster_queue_get_to(queue, 10000, to_stdout, NULL, &error));
    muster_queue_close(queue);
}

/* reserve QUEUE MS: and keep it. */
static void
do_reserve(char **args)
{
    struct muster_queue *queue = queue_of(args[0]);
    struct muster_item   item;

    MUST(muster_queue_reserve(queue, 60000, (uint32_t)strtoul(args[1], NULL, 10), &item, &error));
    printf("%.*s %" PRIu64 "\n", (int)item.bytes, (const char *)item.data, item.times);
    muster_item_free(&item);
    until_input_ends();
    muster_queue_close(queue);
}

static void
do_size(char **args)
{
    struct muster_queue     *queue = queue_of(args[0]);
    struct muster_queue_size size;

    MUST(muster_queue_size(queue, 10000, &size, &error));
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", size.items, size.given, size.unfinished);
    muster_queue_close(queue);
}

static void
do_hold(char **args)
{
    struct muster_lock *lock = lock_of(args[0]);
    uint64_t            token;

    MUST(muster_lock_acquire(lock, (uint32_t)strtoul(args[1], NULL, 10), &token, &error));
    printf("%" PRIu64 "\n", token);
    until_input_ends();
    MUST(muster_lock_release(lock, 10000, &error));
    muster_lock_close(lock);
}

static void
do_state(char **args)
{
    struct muster_lock      *lock = lock_of(args[0]);
    struct muster_lock_state state;

    MUST(muster_lock_state(lock, 10000, &state, &error));
    printf("%s %s\n", state.held ? "held" : "free", state.holder);
    muster_lock_close(lock);
}

static void
do_delete(char **args)
{
    MUST(muster_object_delete(session, MUSTER_QUEUE, args[0], 10000, &error));
}

static void
do_list(char **args)
{
    struct muster_object_info *infos;
    size_t                     count;

    (void)args;
    MUST(muster_object_list(session, NULL, NULL, 10000, &infos, &count, &error));
    for (size_t i = 0; i < count; i++)
        printf("%s %s %" PRIu64 " %" PRIu64 "\n", muster_noun_name(infos[i].noun), infos[i].name,
               infos[i].items, infos[i].waiting);
    free(infos);
}

static void
do_stories(char **args)
{
    if (!story_run(args[0]))
        exit(2);
}

static const struct {
    const char *verb;
    int         args_min;
    void      (*run)(char **args);
} verbs[] = {
    { "put", 2, do_put },       { "put-file", 2, do_put_file }, { "get", 2, do_get },
    { "stream", 1, do_stream }, { "reserve", 2, do_reserve },   { "size", 1, do_size },
    { "hold", 2, do_hold },     { "state", 1, do_state },       { "delete", 1, do_delete },
    { "list", 0, do_list },     { "stories", 1, do_stories },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].verb) != 0 || argc - 2 < verbs[i].args_min)
            continue;
        connect_session();
        verbs[i].run(argv + 2);
        muster_session_close(session);
        return 0;
    }
    return 2;
}
