/* bench.h - figures: samples of several rounds, printed on one line beside their limit */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

enum { BENCH_SAMPLES_MAX = 64 };

struct bench {
    const char *dir;           /* where temporary folders are made: a real disk */
    uint32_t    rounds;
    double      scale;         /* of all counts; 1 is what is documented */
};

struct samples {
    double   values[BENCH_SAMPLES_MAX];
    uint32_t count;
};

void     samples_add(struct samples *samples, double value);
double   samples_median(const struct samples *samples);

/* NAME  SETTING  median, min, max UNIT | LIMIT median UNIT, ratio.  `limit` may be NULL. */
void     bench_print(const char *name, const char *setting, const char *unit,
                     const struct samples *samples, const char *limit_name,
                     const struct samples *limit);
uint32_t bench_scaled(const struct bench *bench, uint32_t count);
double   bench_now(void);      /* seconds */
/* The value below which `share` of the values lie.  Sorts. */
double   bench_quantile(double *values, uint32_t count, double share);
/* Say why and end the process. */
noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The figures. */
void figure_commands(const struct bench *bench);
void figure_cycles(const struct bench *bench);
void figure_backlog(const struct bench *bench);
void figure_latency(const struct bench *bench);
void figure_memory(const struct bench *bench);
void figure_lines(const struct bench *bench);
void figure_objects(const struct bench *bench);
void figure_scale(const struct bench *bench);
void figure_queue(const struct bench *bench);
void figure_pipe(const struct bench *bench);
void figure_functions(const struct bench *bench);

#endif
