/* raw.h - limits: what the machine does without muster */
#ifndef TESTS_BENCH_RAW_H
#define TESTS_BENCH_RAW_H

#include "bench.h"

/* posix_spawn and wait of /bin/true, two at a time: processes per second. */
double raw_spawn(uint32_t count);
/* Run a shell command; seconds, or 0 when it failed. */
double raw_shell(const char *command);
bool   raw_installed(const char *program);
/* fdatasync of 4 KiB appended to a file in `dir`: seconds each. */
void   raw_sync(const char *dir, double *seconds_out, uint32_t count);
/* Items of 64 bytes per second, client -> router -> worker -> router -> client
 * over CURVE, `batch` items in a frame. */
double raw_relay(uint32_t batch, double seconds);
/* CURVE round trips client -> router -> client, one at a time: seconds each. */
void   raw_round_trip(double *seconds_out, uint32_t count);

/* The same of so many client processes at once (RAW_CROWD_MAX at most): per second. */
enum { RAW_CROWD_MAX = 16 };
double raw_crowd(uint32_t clients, double seconds);
/* MB per second over CURVE in frames of 128 KiB: client -> router, or `through` it
 * client -> router -> sink. */
double raw_bulk(bool through, double seconds);

#endif
