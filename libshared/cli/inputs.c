/* inputs.c - see inputs.h */
#include "inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/job.h>

#include "parse.h"
#include "spool.h"

enum { INPUTS_READ_BYTES = 64 * 1024, ARRAY_TEXT_MAX = 80 };

/* ---- arrays ---- */

static muster_err
array_refuse(const char *text, const char *why, struct muster_error *error)
{
    return error_set(error, MUSTER_ERR_INVALID,
                     "--array '%s': %s; write FIRST-LAST[:STEP][%%AT_ONCE], as in 1-1000:2%%50",
                     text, why);
}

/* Cut `text` at `mark`; what is behind it, or NULL. */
static char *
array_cut(char *text, char mark)
{
    char *at = strchr(text, mark);

    if (at == NULL)
        return NULL;
    *at = '\0';
    return at + 1;
}

muster_err
array_parse(const char *text, struct array_range *range_out, struct muster_error *error)
{
    char     copy[ARRAY_TEXT_MAX];
    uint64_t first, last, step = 1, at_once = 0;
    char    *at_once_text, *step_text, *last_text;

    if (strlen(text) >= sizeof(copy))
        return array_refuse("...", "too long", error);
    strcpy(copy, text);
    if (strchr(copy, ',') != NULL)
        return array_refuse(text, "lists are not arrays (use `::: 1 3 5` for them)", error);
    at_once_text = array_cut(copy, '%');
    step_text = array_cut(copy, ':');
    last_text = array_cut(copy, '-');
    if (!parse_u64(copy, UINT64_MAX / 2, &first))
        return array_refuse(text, "FIRST is not a number", error);
    last = first;
    if (last_text != NULL && !parse_u64(last_text, UINT64_MAX / 2, &last))
        return array_refuse(text, "LAST is not a number", error);
    if (last < first)
        return array_refuse(text, "LAST is before FIRST", error);
    if (step_text != NULL && (!parse_u64(step_text, UINT64_MAX / 2, &step) || step == 0))
        return array_refuse(text, "STEP is not a number above 0", error);
    if (at_once_text != NULL && (!parse_u64(at_once_text, UINT32_MAX, &at_once) || at_once == 0))
        return array_refuse(text, "AT_ONCE is not a number above 0", error);
    if ((last - first) / step >= MUSTER_TASKS_MAX)
        return array_refuse(text, "more than 1000000000 tasks", error);
    *range_out = (struct array_range){ first, step, (uint32_t)((last - first) / step) + 1,
                                       (uint32_t)at_once };
    return MUSTER_OK;
}

uint64_t
inputs_number(const struct inputs *inputs, uint32_t index)
{
    if (inputs->kind == INPUTS_ARRAY)
        return inputs->array.first + (uint64_t)index * inputs->array.step;
    return (uint64_t)index + 1;
}

/* ---- reading ---- */

muster_err
inputs_open(struct inputs *inputs, bool look_back, struct muster_error *error)
{
    inputs->fd = -1;
    inputs->stop_fd = -1;
    if (inputs->kind != INPUTS_LINES)
        return MUSTER_OK;
    if (strcmp(inputs->path, "-") == 0)
        inputs->fd = STDIN_FILENO;
    else
        inputs->fd = open(inputs->path, O_RDONLY | O_CLOEXEC);
    if (inputs->fd < 0)
        return error_errno(error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO,
                           "open %s", inputs->path);
    if (look_back)
        return spool_open(&inputs->spool, error);
    return MUSTER_OK;
}

void
inputs_close(struct inputs *inputs)
{
    if (inputs->kind == INPUTS_LINES && inputs->fd > STDIN_FILENO)
        close(inputs->fd);
    inputs->fd = -1;
    spool_close(inputs->spool);
    inputs->spool = NULL;
    buffer_free(&inputs->ahead);
}

static const char *
inputs_source(const struct inputs *inputs)
{
    return strcmp(inputs->path, "-") == 0 ? "standard input" : inputs->path;
}

/* Wait for bytes or for the order to stop. */
static muster_err
inputs_wait(struct inputs *inputs, struct muster_error *error)
{
    struct pollfd fds[2] = { { .fd = inputs->fd, .events = POLLIN },
                             { .fd = inputs->stop_fd, .events = POLLIN } };

    for (;;) {
        int ready = poll(fds, 2, -1);

        if (ready < 0 && errno != EINTR)
            return error_errno(error, MUSTER_ERR_IO, "poll %s", inputs_source(inputs));
        if (ready > 0 && fds[1].revents != 0)
            return error_set(error, MUSTER_ERR_INTERRUPTED, "told to stop");
        if (ready > 0 && fds[0].revents != 0)
            return MUSTER_OK;
    }
}

static muster_err
inputs_read_more(struct inputs *inputs, struct muster_error *error)
{
    muster_err err = inputs_wait(inputs, error);
    uint8_t   *place;
    ssize_t    got;

    if (err)
        return err;
    buffer_consume(&inputs->ahead, inputs->ahead_at);
    inputs->searched -= inputs->ahead_at;
    inputs->ahead_at = 0;
    place = buffer_extend(&inputs->ahead, INPUTS_READ_BYTES);
    do
        got = read(inputs->fd, place, INPUTS_READ_BYTES);
    while (got < 0 && errno == EINTR);
    inputs->ahead.bytes -= INPUTS_READ_BYTES - (size_t)(got > 0 ? got : 0);
    if (got < 0)
        return error_errno(error, MUSTER_ERR_IO, "read %s", inputs_source(inputs));
    inputs->ended = got == 0;
    return MUSTER_OK;
}

static muster_err
inputs_check(const struct inputs *inputs, struct slice item, struct muster_error *error)
{
    if (item.bytes > INPUT_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE,
                         "line %u of %s is longer than %u bytes", inputs->given + 1,
                         inputs_source(inputs), INPUT_BYTES_MAX);
    if (!inputs->any_bytes && item.bytes > 0 && memchr(item.data, 0, item.bytes) != NULL)
        return error_set(error, MUSTER_ERR_INVALID,
                         "line %u of %s holds a zero byte, which no argument can; "
                         "are its inputs separated by them (--null)?",
                         inputs->given + 1, inputs_source(inputs));
    return MUSTER_OK;
}

static muster_err
inputs_next_line(struct inputs *inputs, struct slice *item_out, struct muster_error *error)
{
    const uint8_t *found = NULL;
    struct slice   item;
    muster_err     err;

    for (;;) {
        size_t left = inputs->ahead.bytes - inputs->searched;

        found = left == 0 ? NULL
                          : memchr(inputs->ahead.data + inputs->searched, inputs->separator, left);
        if (found != NULL || inputs->ended)
            break;
        inputs->searched = inputs->ahead.bytes;
        if (inputs->searched - inputs->ahead_at > INPUT_BYTES_MAX)
            break;
        err = inputs_read_more(inputs, error);
        if (err)
            return err;
    }
    if (found == NULL && inputs->ended && inputs->ahead_at == inputs->ahead.bytes)
        return MUSTER_ERR_CLOSED;
    item.data = inputs->ahead.data + inputs->ahead_at;
    item.bytes = (found != NULL ? (size_t)(found - inputs->ahead.data) : inputs->ahead.bytes) -
                 inputs->ahead_at;
    err = inputs_check(inputs, item, error);
    if (err)
        return err;
    inputs->ahead_at += item.bytes + (found != NULL);
    inputs->searched = inputs->ahead_at;
    *item_out = item;
    return MUSTER_OK;
}

muster_err
inputs_next(struct inputs *inputs, struct slice *item_out, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    if (inputs->kind == INPUTS_WORDS) {
        if (inputs->given == inputs->word_count)
            return MUSTER_ERR_CLOSED;
        *item_out = slice_text(inputs->words[inputs->given]);
        if (item_out->bytes > INPUT_BYTES_MAX)
            return error_set(error, MUSTER_ERR_TOO_LARGE, "input %u is longer than %u bytes",
                             inputs->given + 1, INPUT_BYTES_MAX);
    } else {
        err = inputs_next_line(inputs, item_out, error);
        if (err)
            return err;
        if (inputs->spool != NULL)
            err = spool_add(inputs->spool, *item_out, error);
    }
    if (!err)
        inputs->given++;
    return err;
}

muster_err
inputs_look(struct inputs *inputs, uint32_t index, struct buffer *out, struct muster_error *error)
{
    switch (inputs->kind) {
    case INPUTS_NONE:
        return MUSTER_OK;
    case INPUTS_ARRAY:
        buffer_printf(out, "%llu", (unsigned long long)inputs_number(inputs, index));
        return MUSTER_OK;
    case INPUTS_WORDS:
        if (index < inputs->word_count)
            buffer_append_text(out, inputs->words[index]);
        return MUSTER_OK;
    case INPUTS_LINES:
        break;
    }
    return inputs->spool != NULL ? spool_get(inputs->spool, index, out, error) : MUSTER_OK;
}
