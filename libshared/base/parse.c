/* parse.c - see parse.h */
#include "parse.h"

#include <assert.h>
#include <stdio.h>

#define DECIMALS_MAX 9
#define NANO         1000000000u

struct unit {
    const char *name;
    uint64_t    factor;
};

/* Digits at *text, moving it behind them; false when there is none or too many. */
static bool
parse_digits(const char **text, uint64_t *value_out)
{
    uint64_t    value = 0;
    const char *at = *text;

    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10u, &value)
            || __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    if (at == *text)
        return false;
    *text = at;
    *value_out = value;
    return true;
}

/* "12" or "12.5": *nano_out is the part behind the point in billionths. */
static bool
parse_decimal(const char **text, uint64_t *whole_out, uint32_t *nano_out)
{
    uint32_t    nano = 0;
    uint32_t    weight = NANO;
    const char *at;

    if (!parse_digits(text, whole_out))
        return false;
    at = *text;
    if (*at == '.') {
        const char *first = ++at;

        for (; *at >= '0' && *at <= '9'; at++) {
            if (at - first == DECIMALS_MAX)
                return false;
            weight /= 10;
            nano += (uint32_t)(*at - '0') * weight;
        }
        if (at == first)
            return false;
    }
    *text = at;
    *nano_out = nano;
    return true;
}

/* A decimal number and a unit from the table; fractions are rounded down, but
 * something that would become nothing is refused. */
static bool
parse_quantity(const char *text, const struct unit *units, size_t unit_count, uint64_t *value_out)
{
    uint64_t whole;
    uint32_t nano;

    if (!parse_decimal(&text, &whole, &nano))
        return false;
    for (size_t i = 0; i < unit_count; i++) {
        unsigned __int128 value;

        if (strcmp(text, units[i].name) != 0)
            continue;
        value = (unsigned __int128)whole * units[i].factor
                + (unsigned __int128)nano * units[i].factor / NANO;
        if (value > UINT64_MAX || (value == 0 && nano > 0))
            return false;
        if (units[i].factor == 1 && nano > 0)
            return false;
        *value_out = (uint64_t)value;
        return true;
    }
    return false;
}

bool
parse_u64(const char *text, uint64_t max, uint64_t *value_out)
{
    uint64_t value;

    if (!parse_digits(&text, &value) || *text != 0 || value > max)
        return false;
    *value_out = value;
    return true;
}

bool
parse_i64(const char *text, int64_t min, int64_t max, int64_t *value_out)
{
    bool     negative = *text == '-';
    uint64_t value;
    int64_t  result;

    text += negative;
    if (!parse_digits(&text, &value) || *text != 0)
        return false;
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    /* Unsigned negation: INT64_MIN has no positive counterpart. */
    result = (int64_t)(negative ? 0 - value : value);
    if (result < min || result > max)
        return false;
    *value_out = result;
    return true;
}

bool
parse_size(const char *text, uint64_t *bytes_out)
{
    static const struct unit units[] = {
        { "", 1 },
        { "B", 1 },
        { "K", 1 << 10 }, { "k", 1 << 10 }, { "KiB", 1 << 10 },
        { "M", 1 << 20 }, { "m", 1 << 20 }, { "MiB", 1 << 20 },
        { "G", 1 << 30 }, { "g", 1 << 30 }, { "GiB", 1 << 30 },
        { "T", (uint64_t)1 << 40 }, { "t", (uint64_t)1 << 40 }, { "TiB", (uint64_t)1 << 40 },
    };

    return parse_quantity(text, units, sizeof(units) / sizeof(units[0]), bytes_out);
}

bool
parse_duration(const char *text, uint64_t *ms_out)
{
    static const struct unit units[] = {
        { "", 1000 },
        { "ms", 1 },
        { "s", 1000 },
        { "m", 60 * 1000 },
        { "h", 3600 * 1000 },
        { "d", 24 * 3600 * 1000 },
    };

    return parse_quantity(text, units, sizeof(units) / sizeof(units[0]), ms_out);
}

bool
parse_milli(const char *text, uint64_t *milli_out)
{
    uint64_t whole;
    uint32_t nano;

    if (!parse_decimal(&text, &whole, &nano) || *text != 0)
        return false;
    if (nano % 1000000 != 0)
        return false;
    if (__builtin_mul_overflow(whole, 1000u, &whole)
        || __builtin_add_overflow(whole, nano / 1000000, &whole))
        return false;
    *milli_out = whole;
    return true;
}

bool
parse_name(struct slice text, size_t bytes_max)
{
    const char *at = text.data;

    if (text.bytes == 0 || text.bytes > bytes_max || at[0] == '-' || at[0] == '.')
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = at[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
              || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

/* Bytes of the character at `at`, of which `left` may be read; 0 when it is
 * none: too long a form, a surrogate, beyond U+10FFFF, cut off, or zero. */
static size_t
parse_utf8_character(const uint8_t *at, size_t left)
{
    /* The second byte carries all the special cases. */
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, bytes;
    } rows[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 },
        { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    if (at[0] < 0x80)
        return at[0] != 0 ? 1 : 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (at[0] < rows[i].first_min || at[0] > rows[i].first_max)
            continue;
        if (left < rows[i].bytes || at[1] < rows[i].second_min || at[1] > rows[i].second_max)
            return 0;
        for (size_t k = 2; k < rows[i].bytes; k++)
            if ((at[k] & 0xc0) != 0x80)
                return 0;
        return rows[i].bytes;
    }
    return 0;
}

bool
parse_utf8(struct slice text)
{
    const uint8_t *at = text.data;
    size_t         left = text.bytes;

    while (left > 0) {
        size_t bytes = parse_utf8_character(at, left);

        if (bytes == 0)
            return false;
        at += bytes;
        left -= bytes;
    }
    return true;
}

char *
format_size(char text[static 16], uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double                   value = (double)bytes;
    size_t                   unit = 0;

    if (bytes < 1024) {
        snprintf(text, 16, "%u B", (unsigned)bytes);
        return text;
    }
    /* 1023.95 would print as 1024.0 of the smaller unit. */
    for (value /= 1024; value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1024;
    snprintf(text, 16, "%.1f %s", value, units[unit]);
    return text;
}

char *
format_duration(char text[static 16], uint64_t ms)
{
    uint64_t seconds = ms / 1000;

    if (ms < 1000)
        snprintf(text, 16, "%ums", (unsigned)ms);
    else if (seconds < 60)
        snprintf(text, 16, "%u.%us", (unsigned)seconds, (unsigned)(ms % 1000 / 100));
    else if (seconds < 3600)
        snprintf(text, 16, "%um%02us", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
    else if (seconds < 24 * 3600)
        snprintf(text, 16, "%uh%02um", (unsigned)(seconds / 3600),
                 (unsigned)(seconds / 60 % 60));
    else if (seconds < (uint64_t)24 * 3600 * 10000)
        snprintf(text, 16, "%ud%02uh", (unsigned)(seconds / (24 * 3600)),
                 (unsigned)(seconds / 3600 % 24));
    else
        snprintf(text, 16, "%llud", (unsigned long long)(seconds / (24 * 3600)));
    return text;
}
