/* command_line.c - see command_line.h */
#include "command_line.h"

#include <string.h>

#include "placeholder.h"

static bool
shell_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-./,:=@%+^", c) != NULL);
}

/* Append one word so that a shell reads it as it is. */
static void
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
            placeholder_expand(&word, slice_text(*args), input, number, SIZE_MAX);
        else
            buffer_append_text(&word, *args);
        buffer_append_text(out, blank);
        shell_quote(out, buffer_slice(&word));
        blank = " ";
    }
    buffer_free(&word);
}
