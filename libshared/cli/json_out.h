/* json_out.h - what --json prints */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <jansson.h>

#include "cli.h"
#include "select.h"

/* Text that may hold any bytes: a string when it is UTF-8, else NAME_base64 is set. */
void json_out_bytes(json_t *object, const char *name, const void *data, size_t bytes);
/* Print a value (which is released) on stdout, indented, with a newline. */
int  json_out_print(json_t *value);
/* The same as one line; false when stdout is gone. */
bool json_out_line(json_t *value);
/* A result as one line of JSON with its output; false when stdout is gone. */
bool json_out_result(struct cli *cli, uint64_t job, struct numbering numbering,
                     const struct muster_result *result);
json_t *json_of_job(const struct muster_job_info *info, bool whole);
json_t *json_of_counts(const struct muster_counts *counts);
json_t *json_of_texts(char *const *texts);
json_t *json_of_number(uint64_t number);
/* Seconds, or null for 0. */
json_t *json_of_unix_ms(uint64_t unix_ms);

#endif
