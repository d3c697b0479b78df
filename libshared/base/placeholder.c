/* placeholder.c - see placeholder.h */
#include "placeholder.h"

#include <string.h>

static struct slice
part_input(struct slice input)
{
    return input;
}

/* Offset of the last part: behind the last '/', 0 without one. */
static size_t
part_last_at(struct slice input)
{
    const char *text = input.data;
    size_t      at = input.bytes;

    while (at > 0 && text[at - 1] != '/')
        at--;
    return at;
}

static struct slice
part_last(struct slice input)
{
    return slice_cut(input, part_last_at(input), input.bytes);
}

static struct slice
part_stem(struct slice input)
{
    const char *text = input.data;
    size_t      last_at = part_last_at(input);

    for (size_t at = input.bytes; at > last_at; at--)
        if (text[at - 1] == '.')
            return slice_cut(input, 0, at - 1);
    return input;
}

static struct slice
part_folder(struct slice input)
{
    const char *text = input.data;
    size_t      at = part_last_at(input);

    if (at == 0)
        return slice_text(".");
    while (at > 1 && text[at - 1] == '/')
        at--;                     /* "a//b" lies in "a", and "/b" in "/" */
    return slice_cut(input, 0, at);
}

static const struct {
    const char *mark;
    struct slice (*part)(struct slice input);    /* NULL: the number */
} placeholders[] = {
    { "{}", part_input }, { "{.}", part_stem }, { "{/}", part_last },
    { "{//}", part_folder }, { "{#}", NULL },
};

enum { PLACEHOLDER_COUNT = sizeof(placeholders) / sizeof(placeholders[0]) };

/* The place in `placeholders` of the one that `text` begins with;
 * PLACEHOLDER_COUNT: none. */
static size_t
placeholder_at(struct slice text)
{
    size_t i = 0;

    while (i < PLACEHOLDER_COUNT) {
        size_t bytes = strlen(placeholders[i].mark);

        if (text.bytes >= bytes && memcmp(text.data, placeholders[i].mark, bytes) == 0)
            break;
        i++;
    }
    return i;
}

/* Where `text` has its next brace; its end without one. */
static size_t
brace_at(struct slice text)
{
    const char *brace = text.bytes > 0 ? memchr(text.data, '{', text.bytes) : NULL;

    return brace == NULL ? text.bytes : (size_t)(brace - (const char *)text.data);
}

bool
placeholder_in(const char *const *args)
{
    for (; *args != NULL; args++)
        for (const char *text = strchr(*args, '{'); text != NULL; text = strchr(text + 1, '{'))
            if (placeholder_at(slice_text(text)) < PLACEHOLDER_COUNT)
                return true;
    return false;
}

void
placeholder_expand(struct buffer *out, struct slice text, struct slice input, uint64_t number,
                   size_t bytes_max)
{
    while (text.bytes > 0 && out->bytes <= bytes_max) {
        size_t plain = brace_at(text), which, bytes = 1;

        buffer_append_slice(out, slice_cut(text, 0, plain));
        text = slice_cut(text, plain, text.bytes);
        if (text.bytes == 0)
            break;
        which = placeholder_at(text);
        if (which < PLACEHOLDER_COUNT)
            bytes = strlen(placeholders[which].mark);
        if (which == PLACEHOLDER_COUNT)
            buffer_append(out, "{", 1);
        else if (placeholders[which].part != NULL)
            buffer_append_slice(out, placeholders[which].part(input));
        else
            buffer_printf(out, "%llu", (unsigned long long)number);
        text = slice_cut(text, bytes, text.bytes);
    }
}
