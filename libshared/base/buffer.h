/* buffer.h - bytes that grow, and slices of bytes that belong to someone else
 *
 * 1. `data` is NULL exactly when `capacity` is 0.
 * 2. Growth doubles; a buffer never shrinks until it is freed, so a buffer
 *    that is cleared and refilled every turn allocates nothing in the long run.
 * 3. Out of memory aborts with a message: every size that comes from outside
 *    was checked against a limit before it got here.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: valid as long as their owner says. */
struct slice {
    const void *data;
    size_t      bytes;
};

struct buffer {
    uint8_t *data;
    size_t   bytes;      /* used */
    size_t   capacity;
};

struct slice slice_of(const void *data, size_t bytes);
struct slice slice_text(const char *text);              /* without the final 0 */
struct slice slice_cut(struct slice s, size_t from, size_t bytes_max);  /* clamps */
bool         slice_equal(struct slice a, struct slice b);
bool         slice_equals_text(struct slice a, const char *text);

void         buffer_clear(struct buffer *buffer);       /* keeps the memory */
void         buffer_free(struct buffer *buffer);        /* back to all zero */
void         buffer_reserve(struct buffer *buffer, size_t more_bytes);
void         buffer_append_slice(struct buffer *buffer, struct slice s);
void         buffer_append_text(struct buffer *buffer, const char *text);
void         buffer_printf(struct buffer *buffer, const char *format, ...)
                 __attribute__((format(printf, 2, 3)));
struct slice buffer_slice(const struct buffer *buffer);
/* A final 0 behind the used bytes (not counted), so that it can be read as text. */
const char  *buffer_text(struct buffer *buffer);
/* Drop the first `bytes`, moving the rest down. */
void         buffer_consume(struct buffer *buffer, size_t bytes);

/* Room for `bytes` more at the end, counted as used; valid until the next growth. */
static inline uint8_t *
buffer_extend(struct buffer *buffer, size_t bytes)
{
    uint8_t *room;

    if (bytes == 0)
        return buffer->data;        /* perhaps NULL, to which nothing may be added, not even 0 */
    if (buffer->capacity - buffer->bytes < bytes)
        buffer_reserve(buffer, bytes);
    room = buffer->data + buffer->bytes;
    buffer->bytes += bytes;
    return room;
}

static inline void
buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(buffer_extend(buffer, bytes), data, bytes);
}

/* malloc and friends that never return NULL (see 3.). */
void *base_alloc(size_t bytes);                          /* zeroed */
void *base_realloc(void *old, size_t bytes);
void *base_array(size_t count, size_t bytes_each);       /* zeroed, overflow-checked */
char *base_text_copy(struct slice text);                 /* 0-terminated */
/* Grow *items (of *capacity elements) so that at least `count` fit; new elements are zero. */
void  base_grow(void **items, uint32_t *capacity, uint32_t count, size_t bytes_each);

/* The struct that embeds `node` as `member`. */
#define CONTAINER(node, type, member) \
    ((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
