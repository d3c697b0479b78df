/* bench.c - see bench.h */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
samples_add(struct samples *samples, double value)
{
    if (samples->count == BENCH_SAMPLES_MAX)
        bench_die("more than %d rounds", BENCH_SAMPLES_MAX);
    samples->values[samples->count++] = value;
}

static int
bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double
bench_quantile(double *values, uint32_t count, double share)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), bench_compare);
    return values[(uint32_t)(share * (count - 1) + 0.5)];
}

double
samples_median(const struct samples *samples)
{
    struct samples sorted = *samples;

    return bench_quantile(sorted.values, sorted.count, 0.5);
}

void
bench_print(const char *name, const char *setting, const char *unit,
            const struct samples *samples, const char *limit_name, const struct samples *limit)
{
    struct samples sorted = *samples;
    double         median = bench_quantile(sorted.values, sorted.count, 0.5);

    printf("%-20s %-58s median %.4g, min %.4g, max %.4g %s", name, setting, median,
           sorted.values[0], sorted.values[sorted.count - 1], unit);
    if (limit != NULL && limit->count > 0)
        printf(" | %s %.4g %s, ratio %.3g", limit_name, samples_median(limit), unit,
               median / samples_median(limit));
    printf("\n");
    fflush(stdout);
}

uint32_t
bench_scaled(const struct bench *bench, uint32_t count)
{
    double scaled = count * bench->scale;

    return scaled < 1 ? 1 : (uint32_t)scaled;
}

double
bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

noreturn void
bench_die(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "muster-bench: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    exit(1);
}
