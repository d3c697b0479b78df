/* python.h - the same through Python's multiprocessing.managers */
#ifndef TESTS_BENCH_PYTHON_H
#define TESTS_BENCH_PYTHON_H

#include "bench.h"

bool   python_installed(void);
/* Operations per second of so many client processes, `count` each: lock (acquire and
 * release), dict_set, dict_get, value (get and set under its lock: it has no add),
 * queue (put and get). */
double python_managers(const char *operation, uint32_t clients, uint32_t count);

#endif
