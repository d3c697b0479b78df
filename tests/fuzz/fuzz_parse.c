/* fuzz_parse.c - numbers, sizes, durations and names as people type them
 *
 * What parses stays within its bounds, and what does not parse leaves the
 * out-parameter alone.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "parse.h"

enum { UNTOUCHED = 77 };

static void
parse_text(const char *text)
{
    uint64_t number = UNTOUCHED;
    int64_t  with_sign = UNTOUCHED;
    char     again[16];

    assert(parse_u64(text, 1000, &number) ? number <= 1000 : number == UNTOUCHED);
    assert(parse_i64(text, -1000, 1000, &with_sign) ? with_sign >= -1000 && with_sign <= 1000
                                                    : with_sign == UNTOUCHED);
    number = UNTOUCHED;
    if (parse_size(text, &number))
        assert(format_size(again, number) == again && strlen(again) < sizeof(again));
    else
        assert(number == UNTOUCHED);
    number = UNTOUCHED;
    if (parse_duration(text, &number))
        assert(format_duration(again, number) == again && strlen(again) < sizeof(again));
    else
        assert(number == UNTOUCHED);
    number = UNTOUCHED;
    assert(parse_milli(text, &number) || number == UNTOUCHED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct slice input = slice_of(data, bytes);
    char        *text = base_text_copy(input);

    parse_text(text);
    if (parse_name(input, 64)) {
        assert(bytes >= 1 && bytes <= 64 && data[0] != '-' && data[0] != '.');
        assert(parse_utf8(input) && strlen(text) == bytes);
    }
    if (parse_utf8(input))
        assert(strlen(text) == bytes);
    free(text);
    return 0;
}
