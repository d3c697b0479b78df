/* test_parse.c - what people type, and what they are shown */
#include "stories.h"

#include <string.h>

#include "parse.h"

#define UNTOUCHED 4242u

enum kind { NUMBER, SIZE, DURATION, MILLI };

struct parse_case {
    const char *story;
    enum kind   kind;
    const char *text;
    bool        good;
    uint64_t    value;
};

static const struct parse_case parse_cases[] = {
    { "a number",                       NUMBER,   "17",                   true,  17 },
    { "the largest allowed",            NUMBER,   "1000",                 true,  1000 },
    { "one beyond",                     NUMBER,   "1001",                 false, 0 },
    { "beyond 64 bits",                 NUMBER,   "18446744073709551617", false, 0 },
    { "no sign",                        NUMBER,   "+1",                   false, 0 },
    { "not negative",                   NUMBER,   "-1",                   false, 0 },
    { "no blank in front",              NUMBER,   " 1",                   false, 0 },
    { "no blank behind",                NUMBER,   "1 ",                   false, 0 },
    { "no text",                        NUMBER,   "",                     false, 0 },
    { "no hexadecimal",                 NUMBER,   "0x1",                  false, 0 },
    { "plain bytes",                    SIZE,     "512",                  true,  512 },
    { "kibibytes",                      SIZE,     "4K",                   true,  4096 },
    { "small letters",                  SIZE,     "4k",                   true,  4096 },
    { "as it is printed",               SIZE,     "4KiB",                 true,  4096 },
    { "a fraction",                     SIZE,     "1.5G",                 true,  1610612736 },
    { "a fraction is rounded down",     SIZE,     "0.1K",                 true,  102 },
    { "no fraction of a byte",          SIZE,     "1.5",                  false, 0 },
    { "something never becomes nothing", SIZE,    "0.0001K",              false, 0 },
    { "the largest size",               SIZE,     "16777215T",            true,
      16777215 * (uint64_t)1099511627776 },
    { "a size that wraps",              SIZE,     "16777216T",            false, 0 },
    { "an unknown unit",                SIZE,     "1X",                   false, 0 },
    { "a unit alone",                   SIZE,     "K",                    false, 0 },
    { "a point alone",                  SIZE,     "1.K",                  false, 0 },
    { "plain seconds",                  DURATION, "90",                   true,  90000 },
    { "a fraction of seconds",          DURATION, "1.5",                  true,  1500 },
    { "seconds",                        DURATION, "1.5s",                 true,  1500 },
    { "milliseconds",                   DURATION, "200ms",                true,  200 },
    { "no fraction of milliseconds",    DURATION, "1.5ms",                false, 0 },
    { "minutes",                        DURATION, "5m",                   true,  300000 },
    { "hours",                          DURATION, "2h",                   true,  7200000 },
    { "days",                           DURATION, "1d",                   true,  86400000 },
    { "no time at all",                 DURATION, "0",                    true,  0 },
    { "too short to count",             DURATION, "0.0001s",              false, 0 },
    { "not two units",                  DURATION, "1h30m",                false, 0 },
    { "whole cpus",                     MILLI,    "2",                    true,  2000 },
    { "half a cpu",                     MILLI,    "0.5",                  true,  500 },
    { "a thousandth",                   MILLI,    "0.001",                true,  1 },
    { "finer than a thousandth",        MILLI,    "0.0001",               false, 0 },
    { "cpus with a unit",               MILLI,    "2K",                   false, 0 },
};

static void
test_parse(void **state)
{
    const struct parse_case *row = *state;
    uint64_t                 value = UNTOUCHED;
    bool                     good = false;

    switch (row->kind) {
    case NUMBER:   good = parse_u64(row->text, 1000, &value); break;
    case SIZE:     good = parse_size(row->text, &value); break;
    case DURATION: good = parse_duration(row->text, &value); break;
    case MILLI:    good = parse_milli(row->text, &value); break;
    default:       fail_msg("no such kind");
    }
    assert_int_equal(good, row->good);
    assert_int_equal(value, row->good ? row->value : UNTOUCHED);
}

struct signed_case {
    const char *story;
    const char *text;
    bool        good;
    int64_t     value;
};

static const struct signed_case signed_cases[] = {
    { "below zero",                "-5",                   true,  -5 },
    { "above zero",                "5",                    true,  5 },
    { "the smallest",              "-9223372036854775808", true,  INT64_MIN },
    { "below the smallest",        "-9223372036854775809", false, 0 },
    { "above the largest allowed", "101",                  false, 0 },
    { "two signs",                 "--5",                  false, 0 },
    { "a sign alone",              "-",                    false, 0 },
};

static void
test_signed(void **state)
{
    const struct signed_case *row = *state;
    int64_t                   value = 77;

    assert_int_equal(parse_i64(row->text, INT64_MIN, 100, &value), row->good);
    assert_int_equal(value, row->good ? row->value : 77);
}

struct text_case {
    const char *story;
    const char *text;
    size_t      bytes;
    bool        name;
    bool        utf8;
};

#define T(text) text, sizeof(text) - 1

static const struct text_case text_cases[] = {
    { "a name",                        T("node-7.rack_B"),          true,  true },
    { "an empty text",                 T(""),                       false, true },
    { "a name never looks an option",  T("-v"),                     false, true },
    { "a name is never hidden",        T(".."),                     false, true },
    { "a name has no slash",           T("a/b"),                    false, true },
    { "a name has no blank",           T("a b"),                    false, true },
    { "the longest name",              T("0123456789abcdef"),       true,  true },
    { "a name too long",               T("0123456789abcdefg"),      false, true },
    { "two-byte characters",           T("\xc3\xa4"),               false, true },
    { "three-byte characters",         T("\xe2\x82\xac"),           false, true },
    { "four-byte characters",          T("\xf0\x9f\x8c\x8d"),       false, true },
    { "the last character",            T("\xf4\x8f\xbf\xbf"),       false, true },
    { "beyond the last character",     T("\xf4\x90\x80\x80"),       false, false },
    { "a surrogate",                   T("\xed\xa0\x80"),           false, false },
    { "an overlong slash",             T("\xc0\xaf"),               false, false },
    { "an overlong euro",              T("\xf0\x82\x82\xac"),       false, false },
    { "cut off",                       T("a\xe2\x82"),              false, false },
    { "a lone follower",               T("\x80"),                   false, false },
    { "a wrong third byte",            T("\xe2\x82("),              false, false },
    { "a zero byte",                   T("a\0b"),                   false, false },
};

static void
test_text(void **state)
{
    const struct text_case *row = *state;

    assert_int_equal(parse_name(slice_of(row->text, row->bytes), 16), row->name);
    assert_int_equal(parse_utf8(slice_of(row->text, row->bytes)), row->utf8);
}

struct format_case {
    const char *story;
    bool        duration;
    uint64_t    value;
    const char *expected;
};

static const struct format_case format_cases[] = {
    { "bytes",                      false, 1023,                       "1023 B" },
    { "kibibytes",                  false, 1536,                       "1.5 KiB" },
    { "never 1024 of a unit",       false, 1024 * 1024 - 1,            "1.0 MiB" },
    { "gibibytes",                  false, 1610612736,                 "1.5 GiB" },
    { "the largest size",           false, UINT64_MAX,                 "16.0 EiB" },
    { "milliseconds",               true,  999,                        "999ms" },
    { "seconds",                    true,  1500,                       "1.5s" },
    { "minutes",                    true,  125000,                     "2m05s" },
    { "hours",                      true,  3 * 3600000 + 5 * 60000,    "3h05m" },
    { "days",                       true,  51 * 3600000,               "2d03h" },
    { "the longest duration",       true,  UINT64_MAX,                 "213503982334d" },
};

static void
test_format(void **state)
{
    const struct format_case *row = *state;
    char                      text[16];
    char *shown = row->duration ? format_duration(text, row->value) : format_size(text, row->value);

    assert_ptr_equal(shown, text);
    assert_string_equal(text, row->expected);
}

int
main(void)
{
    return STORIES("numbers", parse_cases, test_parse)
           + STORIES("signed numbers", signed_cases, test_signed)
           + STORIES("names and text", text_cases, test_text)
           + STORIES("formats", format_cases, test_format);
}
