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

/* The place in `placeholders` of the one that begins here; PLACEHOLDER_COUNT: none. */
static size_t
placeholder_at(const char *text)
{
    size_t i = 0;

    if (*text != '{')
        return PLACEHOLDER_COUNT;
    while (i < PLACEHOLDER_COUNT &&
           strncmp(text, placeholders[i].mark, strlen(placeholders[i].mark)) != 0)
        i++;
    return i;
}

bool
placeholder_in(const char *const *args)
{
    for (; *args != NULL; args++)
        for (const char *text = *args; *text != '\0'; text++)
            if (placeholder_at(text) < PLACEHOLDER_COUNT)
                return true;
    return false;
}

void
placeholder_expand(struct buffer *out, const char *text, struct slice input, uint64_t number)
{
    while (*text != '\0') {
        size_t which = placeholder_at(text);

        if (which == PLACEHOLDER_COUNT) {
            buffer_append(out, text++, 1);
            continue;
        }
        if (placeholders[which].part != NULL)
            buffer_append_slice(out, placeholders[which].part(input));
        else
            buffer_printf(out, "%llu", (unsigned long long)number);
        text += strlen(placeholders[which].mark);
    }
}

static bool
shell_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-./,:=@%+^", c) != NULL);
}

void
shell_quote(struct buffer *out, struct slice word)
{
    const char *text = word.data;
    bool        plain = word.bytes > 0;

    for (size_t i = 0; i < word.bytes; i++)
        plain = plain && shell_plain(text[i]);
    if (plain) {
        buffer_append_slice(out, word);
        return;
    }
    buffer_append_text(out, "'");
    for (size_t i = 0; i < word.bytes; i++) {
        if (text[i] == '\'')
            buffer_append_text(out, "'\\''");
        else
            buffer_append(out, &text[i], 1);
    }
    buffer_append_text(out, "'");
}

void
command_line_put(struct buffer *out, const char *const *args, bool replace, struct slice input,
                 uint64_t number)
{
    struct buffer word = { 0 };
    const char   *blank = "";

    for (; *args != NULL; args++) {
        buffer_clear(&word);
        if (replace)
            placeholder_expand(&word, *args, input, number);
        else
            buffer_append_text(&word, *args);
        buffer_append_text(out, blank);
        shell_quote(out, buffer_slice(&word));
        blank = " ";
    }
    buffer_free(&word);
}
