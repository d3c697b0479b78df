/* progress.c - see progress.h */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "table.h"

enum {
    PROGRESS_EVERY_MS = 100,
    PROGRESS_AFTER_MS = 300,     /* a job that is over at once shows no bar */
    PROGRESS_RATE_MS = 500,
    PROGRESS_BAR_MAX = 30,
    PROGRESS_TEXT_BYTES = 512,
};

void
progress_begin(struct progress *progress, bool wanted, uint64_t now_ms)
{
    *progress = (struct progress){ 0 };
    progress->enabled = wanted && isatty(STDERR_FILENO);
    progress->stdout_apart = !isatty(STDOUT_FILENO);
    progress->begin_ms = now_ms;
    progress->rate_ms = now_ms;
}

void
progress_text(char *text, size_t bytes, uint32_t width, const struct muster_counts *counts,
              bool open, double rate)
{
    uint32_t done = counts->succeeded + counts->failed + counts->cancelled;
    uint32_t left = counts->total > done ? counts->total - done : 0;
    char     words[PROGRESS_TEXT_BYTES / 2];
    char     bar[PROGRESS_BAR_MAX + 1];
    char     eta[16];
    char     rest[48] = "";
    int      used, room, filled;

    if (!open && rate > 0 && left > 0)
        snprintf(rest, sizeof(rest), ", %s left",
                 format_duration(eta, (uint64_t)(1000.0 * left / rate / 1000.0 + 0.5) * 1000));
    used = snprintf(words, sizeof(words), "%u/%u%s done, %u failed, %u running, %.*f/s%s", done,
                    counts->total, open ? "+" : "", counts->failed, counts->running,
                    rate < 10 ? 1 : 0, rate, rest);
    room = (int)width - used - 4;
    if (room > PROGRESS_BAR_MAX)
        room = PROGRESS_BAR_MAX;
    if (room < 5) {
        snprintf(text, bytes, "%.*s", (int)(width > 1 ? width - 1 : 1), words);
        return;
    }
    filled = counts->total == 0 ? 0 : (int)((uint64_t)done * (uint64_t)room / counts->total);
    memset(bar, '-', (size_t)room);
    memset(bar, '#', (size_t)filled);
    bar[room] = '\0';
    snprintf(text, bytes, "[%s] %s", bar, words);
}

static void
progress_measure(struct progress *progress, uint32_t done, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - progress->rate_ms;
    double   rate;

    if (passed_ms < PROGRESS_RATE_MS)
        return;
    rate = 1000.0 * (done - progress->rate_done) / (double)passed_ms;
    /* The first figure stands for itself, later ones move it slowly. */
    progress->rate = progress->rate == 0 ? rate : 0.7 * progress->rate + 0.3 * rate;
    progress->rate_done = done;
    progress->rate_ms = now_ms;
}

void
progress_show(struct progress *progress, const struct muster_counts *counts, bool open,
              uint64_t now_ms)
{
    uint32_t done = counts->succeeded + counts->failed + counts->cancelled;
    char     text[PROGRESS_TEXT_BYTES];

    if (!progress->enabled || now_ms - progress->begin_ms < PROGRESS_AFTER_MS)
        return;
    progress_measure(progress, done, now_ms);
    /* Also when it was erased since: a bar that comes and goes with each line flickers. */
    if (progress->drawn_ms != 0 && now_ms - progress->drawn_ms < PROGRESS_EVERY_MS)
        return;
    progress_text(text, sizeof(text), terminal_width(STDERR_FILENO), counts, open, progress->rate);
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
    progress->drawn = true;
    progress->drawn_ms = now_ms;
}

void
progress_erase(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
}

void
progress_erase_for_stdout(struct progress *progress)
{
    if (!progress->stdout_apart)
        progress_erase(progress);
}
