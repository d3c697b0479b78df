/* joblog.c - see joblog.h */
#include "joblog.h"

#include <inttypes.h>

void
joblog_head(FILE *out)
{
    fputs("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n", out);
}

void
joblog_line(FILE *out, const struct muster_result *result, uint64_t sent_bytes,
            struct slice command)
{
    const char *text = command.data;
    int         exit_value = result->exit_code > 0 ? result->exit_code : 0;
    int         signal_number = result->exit_code < 0 ? -result->exit_code : 0;

    /* Readers take 0 and 0 for success, so what never ran must not look like it. */
    if (result->exit_code == 0 && result->outcome != MUSTER_OUTCOME_SUCCEEDED)
        exit_value = -1;
    fprintf(out, "%" PRIu32 "\t%s\t%.3f\t%10.3f\t%" PRIu64 "\t%" PRIu64 "\t%d\t%d\t",
            result->index + 1, result->host, (double)result->started_unix_ms / 1000.0,
            (double)result->wall_us / 1e6, sent_bytes, result->out_total, exit_value,
            signal_number);
    for (size_t i = 0; i < command.bytes; i++) {
        if (text[i] == '\n')
            fputs("\\n", out);
        else
            fputc(text[i], out);
    }
    fputc('\n', out);
}
