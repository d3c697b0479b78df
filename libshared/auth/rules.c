/* rules.c - what options of authorized_keys mean: networks and dates */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keys.h"
#include "parse.h"

static const uint8_t v4_in_v6[12] = { [10] = 0xff, [11] = 0xff };

/* Both families as IPv6, so that ::ffff:192.0.2.1 and 192.0.2.1 are the same peer. */
static bool
address_parse(const char *text, uint8_t address_out[static 16], bool *v4_out)
{
    *v4_out = inet_pton(AF_INET, text, address_out + sizeof(v4_in_v6)) == 1;
    if (*v4_out) {
        memcpy(address_out, v4_in_v6, sizeof(v4_in_v6));
        return true;
    }
    return inet_pton(AF_INET6, text, address_out) == 1;
}

static bool
bit_is_set(const uint8_t address[static 16], unsigned bit)
{
    return (address[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

bool
auth_net_parse(const char *text, struct auth_net *net_out, bool *stray_out)
{
    char            address[INET6_ADDRSTRLEN];
    struct auth_net net = { .prefix_bits = 128 };
    const char     *slash = strchr(text, '/');
    size_t          bytes = slash != NULL ? (size_t)(slash - text) : strlen(text);
    uint64_t        bits;
    bool            v4;

    if (stray_out != NULL)
        *stray_out = false;
    if (bytes >= sizeof(address))
        return false;
    memcpy(address, text, bytes);
    address[bytes] = '\0';
    if (!address_parse(address, net.address, &v4))
        return false;
    if (slash != NULL) {
        if (!parse_u64(slash + 1, v4 ? 32 : 128, &bits))
            return false;
        net.prefix_bits = (unsigned)bits + (v4 ? 96u : 0u);
    }
    for (unsigned bit = net.prefix_bits; bit < 128; bit++) {
        if (!bit_is_set(net.address, bit))
            continue;
        if (stray_out != NULL)
            *stray_out = true;
        return false;
    }
    *net_out = net;
    return true;
}

bool
auth_net_has(const struct auth_net *net, const char *address)
{
    uint8_t bytes[16];
    bool    v4;

    assert(net->prefix_bits <= 128);
    if (!address_parse(address, bytes, &v4))
        return false;
    for (unsigned bit = 0; bit < net->prefix_bits; bit++) {
        if (bit_is_set(bytes, bit) != bit_is_set(net->address, bit))
            return false;
    }
    return true;
}

/* `pattern` has a 9 where a digit must stand; everything else stands for itself. */
static bool
matches(const char *text, const char *pattern)
{
    for (; *pattern != '\0'; text++, pattern++) {
        if (*pattern == '9' ? *text < '0' || *text > '9' : *text != *pattern)
            return false;
    }
    return *text == '\0';
}

static int
digits(const char *text, unsigned count)
{
    int value = 0;

    for (unsigned i = 0; i < count; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

bool
auth_date_parse(const char *text, uint64_t *unix_ms_out)
{
    bool      date_only = matches(text, "9999-99-99");
    struct tm tm = { .tm_hour = 23, .tm_min = 59, .tm_sec = 59 };
    struct tm again;
    time_t    when;

    if (!date_only && !matches(text, "9999-99-99T99:99:99Z"))
        return false;
    tm.tm_year = digits(text, 4) - 1900;
    tm.tm_mon = digits(text + 5, 2) - 1;
    tm.tm_mday = digits(text + 8, 2);
    if (!date_only) {
        tm.tm_hour = digits(text + 11, 2);
        tm.tm_min = digits(text + 14, 2);
        tm.tm_sec = digits(text + 17, 2);
    }
    /* timegm() accepts 31 February and makes it March: refuse what does not come back. */
    again = tm;
    when = timegm(&again);
    if (when <= 0 || again.tm_year != tm.tm_year || again.tm_mon != tm.tm_mon ||
        again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
        again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
        return false;
    *unix_ms_out = (uint64_t)when * 1000;
    return true;
}

char *
auth_date_text(char text[static 24], uint64_t unix_ms)
{
    time_t    when = (time_t)(unix_ms / 1000);
    struct tm tm = { 0 };

    gmtime_r(&when, &tm);
    if (strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        text[0] = '\0';
    return text;
}
