/* errors.c - the table of error.h as functions, and filling in the detail */
#include "errors.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define EXIT_STATUS_UNKNOWN 70

static const struct {
    const char *name;
    const char *text;
    const char *advice;
    int         exit_status;
} error_rows[MUSTER_ERR_COUNT] = {
#define ERROR_ROW(number, name, status, text, advice) [number] = { #name, text, advice, status },
    MUSTER_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

static bool
error_known(muster_err err)
{
    return (unsigned)err < MUSTER_ERR_COUNT && error_rows[err].name != NULL;
}

const char *
muster_err_name(muster_err err)
{
    return error_known(err) ? error_rows[err].name : "UNKNOWN";
}

const char *
muster_err_text(muster_err err)
{
    return error_known(err) ? error_rows[err].text
                            : "an error that this version does not know";
}

const char *
muster_err_advice(muster_err err)
{
    return error_known(err) ? error_rows[err].advice
                            : "install matching versions of muster on both sides";
}

int
muster_err_exit_status(muster_err err)
{
    return error_known(err) ? error_rows[err].exit_status : EXIT_STATUS_UNKNOWN;
}

muster_err
error_from_number(unsigned number)
{
    return error_known((muster_err)number) ? (muster_err)number : MUSTER_ERR_INTERNAL;
}

/* Copy the raw text, escaped, and cut so that no escape is cut in half. */
static void
error_fill(struct muster_error *error, muster_err code, const char *raw)
{
    struct buffer escaped = { 0 };
    size_t        bytes;

    log_escape(&escaped, slice_text(raw));
    bytes = escaped.bytes;
    if (bytes > sizeof(error->detail) - 1) {
        bytes = sizeof(error->detail) - 1;
        while (bytes > 0 && (escaped.data[bytes] & 0xc0) == 0x80)
            bytes--;
        for (size_t back = 1; back < 4 && back <= bytes; back++)
            if (escaped.data[bytes - back] == '\\')
                bytes -= back;
    }
    error->code = code;
    if (bytes > 0)
        memcpy(error->detail, escaped.data, bytes);
    error->detail[bytes] = 0;
    buffer_free(&escaped);
}

muster_err
error_set(struct muster_error *error, muster_err code, const char *format, ...)
{
    char    raw[MUSTER_DETAIL_BYTES];
    va_list arguments;

    if (error == NULL)
        return code;
    va_start(arguments, format);
    vsnprintf(raw, sizeof(raw), format, arguments);
    va_end(arguments);
    error_fill(error, code, raw);
    return code;
}

static muster_err
error_code_of_errno(int number, muster_err code)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return MUSTER_ERR_NO_SPACE;
    case ENOMEM:
        return MUSTER_ERR_NO_MEMORY;
    default:
        return code;
    }
}

muster_err
error_errno(struct muster_error *error, muster_err code, const char *format, ...)
{
    int           number = errno;
    struct buffer raw = { 0 };
    char          reason[128];
    va_list       arguments;
    char         *text = NULL;

    code = error_code_of_errno(number, code);
    if (error == NULL)
        return code;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    /* The reason matters more than a long name: the name is cut first. */
    buffer_printf(&raw, "%.*s: %s", MUSTER_DETAIL_BYTES - (int)sizeof(reason),
                  text != NULL ? text : format, strerror_r(number, reason, sizeof(reason)));
    error_fill(error, code, buffer_text(&raw));
    buffer_free(&raw);
    free(text);
    errno = number;
    return code;
}

void
error_tell(const char *program, muster_err err, const struct muster_error *error)
{
    const char *advice = muster_err_advice(err);

    if (err == MUSTER_OK)
        return;
    fprintf(stderr, "%s: %s", program, error->detail);
    /* Who holds the place already is in the detail, with what to do. */
    if (err != MUSTER_ERR_EXISTS)
        fprintf(stderr, ": %s.", muster_err_text(err));
    if (err != MUSTER_ERR_EXISTS && *advice != '\0')
        fprintf(stderr, " %c%s.", toupper((unsigned char)*advice), advice + 1);
    fputc('\n', stderr);
}
