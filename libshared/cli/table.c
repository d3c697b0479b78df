/* table.c - see table.h */
#include "table.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"

enum { TABLE_GAP = 2, TABLE_CELL_BYTES = 4096 };

/* ---- width of text ---- */

struct code_range { uint32_t first, last; };

/* Marks that stand on the character before them, and joiners. */
static const struct code_range codes_narrow[] = {
    { 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x064b, 0x065f },
    { 0x0900, 0x0902 }, { 0x0e34, 0x0e3a }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
    { 0x200b, 0x200f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
    { 0xe0100, 0xe01ef },
};
/* East Asian wide characters and pictures. */
static const struct code_range codes_wide[] = {
    { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0x33ff },   { 0x3400, 0x4dbf },
    { 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },
    { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
    { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
};

static bool
code_in(uint32_t code, const struct code_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* One character of valid UTF-8; its bytes. */
static size_t
code_read(const char *text, uint32_t *code_out)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t               bytes = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t             code = bytes == 1 ? at[0] : at[0] & (0xffu >> (bytes + 1));

    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            *code_out = at[0];
            return 1;
        }
        code = code << 6 | (at[i] & 0x3fu);
    }
    *code_out = code;
    return bytes;
}

static size_t
code_width(uint32_t code)
{
    if (code_in(code, codes_narrow, sizeof(codes_narrow) / sizeof(codes_narrow[0])))
        return 0;
    return code_in(code, codes_wide, sizeof(codes_wide) / sizeof(codes_wide[0])) ? 2 : 1;
}

size_t
text_width(const char *text)
{
    size_t   width = 0;
    uint32_t code;

    while (*text != '\0') {
        text += code_read(text, &code);
        width += code_width(code);
    }
    return width;
}

/* Bytes of the longest beginning that takes at most `width` columns. */
static size_t
text_cut(const char *text, size_t width)
{
    const char *at = text;
    size_t      used = 0;

    while (*at != '\0') {
        uint32_t code;
        size_t   bytes = code_read(at, &code);

        used += code_width(code);
        if (used > width)
            break;
        at += bytes;
    }
    return (size_t)(at - text);
}

uint32_t
terminal_width(int fd)
{
    struct winsize size;

    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col > 0 ? size.ws_col : 80;
}

/* ---- tables ---- */

void
table_cell(struct table *table, const char *format, ...)
{
    char    text[TABLE_CELL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_escape(&table->text, slice_text(text));
    buffer_append(&table->text, "", 1);
    table->cell_count++;
}

static void
table_line(const struct table *table, const char *const cells[], const size_t widths[], FILE *out)
{
    uint32_t last = table->column_count - 1;
    size_t   used = 0;

    for (uint32_t i = 0; i <= last; i++) {
        size_t width = text_width(cells[i]);
        size_t pad = widths[i] > width ? widths[i] - width : 0;

        if (table->columns[i].align == TABLE_RIGHT)
            fprintf(out, "%*s", (int)pad, "");
        if (i == last && table->width_max > used && width > table->width_max - used)
            fprintf(out, "%.*s\u2026", (int)text_cut(cells[i], table->width_max - used - 1),
                    cells[i]);
        else
            fputs(cells[i], out);
        if (i < last && (i + 1 < last || cells[last][0] != '\0'))
            fprintf(out, "%*s",
                    (int)(TABLE_GAP + (table->columns[i].align == TABLE_LEFT ? pad : 0)), "");
        used += widths[i] + TABLE_GAP;
    }
    fputc('\n', out);
}

void
table_print(const struct table *table, FILE *out)
{
    size_t      widths[TABLE_COLUMNS_MAX] = { 0 };
    const char *cells[TABLE_COLUMNS_MAX];
    const char *at = (const char *)table->text.data;

    if (table->cell_count == 0)
        return;
    for (uint32_t i = 0; i < table->column_count; i++) {
        cells[i] = table->columns[i].title;
        widths[i] = text_width(cells[i]);
    }
    for (uint32_t i = 0; i < table->cell_count; i++) {
        size_t width = text_width(at);

        if (width > widths[i % table->column_count])
            widths[i % table->column_count] = width;
        at += strlen(at) + 1;
    }
    table_line(table, cells, widths, out);
    at = (const char *)table->text.data;
    for (uint32_t i = 0; i < table->cell_count; i++) {
        cells[i % table->column_count] = at;
        at += strlen(at) + 1;
        if ((i + 1) % table->column_count == 0)
            table_line(table, cells, widths, out);
    }
}

void
table_free(struct table *table)
{
    buffer_free(&table->text);
    table->cell_count = 0;
}
