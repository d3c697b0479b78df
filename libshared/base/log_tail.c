/* log_tail.c - see log_tail.h */
#include "log_tail.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "parse.h"

struct tail_line {
    struct list    link;
    uint64_t       number, unix_ms;
    enum log_level level;
    size_t         bytes;
    char           text[];
};

struct log_tail {
    pthread_mutex_t  lock;
    struct list      lines;        /* oldest first */
    size_t           bytes, bytes_max;
    _Atomic uint64_t last;
    struct buffer    given;        /* text of the line that was given last */
};

static struct tail_line *
tail_first(const struct log_tail *tail)
{
    return CONTAINER(tail->lines.next, struct tail_line, link);
}

static void
tail_drop_first(struct log_tail *tail)
{
    struct tail_line *line = tail_first(tail);

    tail->bytes -= sizeof(*line) + line->bytes;
    list_remove(&line->link);
    free(line);
}

/* Long lines end between two characters. */
static struct slice
tail_cut(struct slice text)
{
    size_t bytes = LOG_TAIL_TEXT_BYTES_MAX;

    if (text.bytes <= bytes)
        return text;
    while (bytes > 0 && (((const uint8_t *)text.data)[bytes] & 0xc0) == 0x80)
        bytes--;
    return slice_cut(text, 0, bytes);
}

static void
tail_tap(void *context, uint64_t unix_ms, enum log_level level, struct slice text)
{
    struct log_tail  *tail = context;
    struct slice      cut = tail_cut(text);
    struct tail_line *line;

    if (level > LOG_LEVEL_INFO)
        return;
    line = base_alloc(sizeof(*line) + cut.bytes);
    line->unix_ms = unix_ms;
    line->level = level;
    line->bytes = cut.bytes;
    if (cut.bytes > 0)
        memcpy(line->text, cut.data, cut.bytes);
    pthread_mutex_lock(&tail->lock);
    line->number = atomic_load(&tail->last) + 1;
    list_append(&tail->lines, &line->link);
    tail->bytes += sizeof(*line) + line->bytes;
    while (tail->bytes > tail->bytes_max)
        tail_drop_first(tail);
    atomic_store(&tail->last, line->number);
    pthread_mutex_unlock(&tail->lock);
}

struct log_tail *
log_tail_open(size_t bytes_max, uint64_t after)
{
    struct log_tail *tail = base_alloc(sizeof(*tail));

    assert(bytes_max >= sizeof(struct tail_line) + LOG_TAIL_TEXT_BYTES_MAX);
    pthread_mutex_init(&tail->lock, NULL);
    list_init(&tail->lines);
    tail->bytes_max = bytes_max;
    atomic_store(&tail->last, after);
    log_tap(tail_tap, tail);
    return tail;
}

void
log_tail_close(struct log_tail *tail)
{
    if (tail == NULL)
        return;
    log_tap(NULL, NULL);
    while (!list_empty(&tail->lines))
        tail_drop_first(tail);
    pthread_mutex_destroy(&tail->lock);
    buffer_free(&tail->given);
    free(tail);
}

bool
log_tail_next(struct log_tail *tail, uint64_t after, struct log_tail_line *line_out)
{
    const struct list *at;
    bool               found = false;

    pthread_mutex_lock(&tail->lock);
    for (at = tail->lines.next; at != &tail->lines; at = at->next) {
        const struct tail_line *line = CONTAINER(at, struct tail_line, link);

        if (line->number <= after)
            continue;
        buffer_clear(&tail->given);
        buffer_append(&tail->given, line->text, line->bytes);
        *line_out = (struct log_tail_line){ line->number, line->unix_ms, line->level,
                                            buffer_slice(&tail->given) };
        found = true;
        break;
    }
    pthread_mutex_unlock(&tail->lock);
    return found;
}

void
log_tail_drop(struct log_tail *tail, uint64_t number)
{
    pthread_mutex_lock(&tail->lock);
    while (!list_empty(&tail->lines) && tail_first(tail)->number <= number)
        tail_drop_first(tail);
    pthread_mutex_unlock(&tail->lock);
}

uint64_t
log_tail_last(const struct log_tail *tail)
{
    return atomic_load(&tail->last);
}
