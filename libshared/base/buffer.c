/* buffer.c - growing bytes, slices, and memory that is never NULL
 *
 * 1. No size computation wraps: a sum or product beyond SIZE_MAX ends the
 *    program like any other lack of memory.
 */
#include "buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES_MIN 64
#define GROW_COUNT_MIN   8

static _Noreturn void
memory_exhausted(void)
{
    static const char text[] = "muster: out of memory\n";

    /* Nothing is left to do when stderr fails, too. */
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        abort();
    abort();
}

void *
base_array(size_t count, size_t bytes_each)
{
    void *memory = calloc(count > 0 ? count : 1, bytes_each > 0 ? bytes_each : 1);

    if (memory == NULL)
        memory_exhausted();
    return memory;
}

void *
base_alloc(size_t bytes)
{
    return base_array(1, bytes);
}

void *
base_realloc(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes > 0 ? bytes : 1);

    if (memory == NULL)
        memory_exhausted();
    return memory;
}

char *
base_text_copy(struct slice text)
{
    char *copy;

    if (text.bytes == SIZE_MAX)
        memory_exhausted();
    copy = base_alloc(text.bytes + 1);
    if (text.bytes > 0)
        memcpy(copy, text.data, text.bytes);
    return copy;
}

void
base_grow(void **items, uint32_t *capacity, uint32_t count, size_t bytes_each)
{
    uint64_t wanted = *capacity > 0 ? *capacity : GROW_COUNT_MIN;
    size_t   bytes;

    assert(bytes_each > 0);
    if (count <= *capacity)
        return;
    while (wanted < count)
        wanted *= 2;
    if (wanted > UINT32_MAX)
        wanted = UINT32_MAX;
    if (__builtin_mul_overflow((size_t)wanted, bytes_each, &bytes))
        memory_exhausted();
    *items = base_realloc(*items, bytes);
    memset((uint8_t *)*items + *capacity * bytes_each, 0,
           bytes - *capacity * bytes_each);
    *capacity = (uint32_t)wanted;
}

struct slice
slice_of(const void *data, size_t bytes)
{
    return (struct slice){ data, bytes };
}

struct slice
slice_text(const char *text)
{
    return (struct slice){ text, strlen(text) };
}

struct slice
slice_cut(struct slice s, size_t from, size_t bytes_max)
{
    if (from > s.bytes)
        from = s.bytes;
    if (s.data != NULL)
        s.data = (const uint8_t *)s.data + from;
    s.bytes -= from;
    if (s.bytes > bytes_max)
        s.bytes = bytes_max;
    return s;
}

bool
slice_equal(struct slice a, struct slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool
slice_equals_text(struct slice a, const char *text)
{
    return slice_equal(a, slice_text(text));
}

void
buffer_clear(struct buffer *buffer)
{
    buffer->bytes = 0;
}

void
buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}

void
buffer_reserve(struct buffer *buffer, size_t more_bytes)
{
    size_t needed;
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_BYTES_MIN;

    assert(buffer->bytes <= buffer->capacity);
    if (__builtin_add_overflow(buffer->bytes, more_bytes, &needed) || needed > SIZE_MAX / 2)
        memory_exhausted();
    if (needed <= buffer->capacity && buffer->data != NULL)
        return;
    while (capacity < needed)
        capacity *= 2;
    buffer->data = base_realloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

void
buffer_append_slice(struct buffer *buffer, struct slice s)
{
    buffer_append(buffer, s.data, s.bytes);
}

void
buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void
buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    int     length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);

    /* vsnprintf wants room for its final 0, which does not count as used. */
    buffer_reserve(buffer, (size_t)length + 1);
    va_start(arguments, format);
    length = vsnprintf((char *)buffer->data + buffer->bytes, (size_t)length + 1,
                       format, arguments);
    va_end(arguments);
    assert(length >= 0);
    buffer->bytes += (size_t)length;
}

struct slice
buffer_slice(const struct buffer *buffer)
{
    return (struct slice){ buffer->data, buffer->bytes };
}

const char *
buffer_text(struct buffer *buffer)
{
    buffer_reserve(buffer, 1);
    buffer->data[buffer->bytes] = 0;
    return (const char *)buffer->data;
}

void
buffer_consume(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer->bytes);
    buffer->bytes -= bytes;
    if (bytes > 0 && buffer->bytes > 0)
        memmove(buffer->data, buffer->data + bytes, buffer->bytes);
}
