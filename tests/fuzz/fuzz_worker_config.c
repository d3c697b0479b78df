/* fuzz_worker_config.c - command line and environment of a worker
 *
 * Taken or refused with a reason; what is taken fits a WORKER_JOIN.
 */
#include "config.h"
#include "fuzz.h"
#include "fuzz_lines.h"
#include "parse.h"

static void
config_check(const struct config *config)
{
    assert(config->connect != NULL && config->authkey_file != NULL);
    assert(parse_name(slice_text(config->name), NAME_BYTES_MAX));
    assert(config->cpus_milli >= 1 && config->cpus_milli <= CPUS_MILLI_MAX);
    assert(config->window <= WINDOW_MAX && config->output_max <= OUTPUT_BYTES_MAX);
    assert(config->labels.count <= LABELS_MAX && config->queues.count <= QUEUES_MAX);
    for (uint32_t i = 0; i < config->resources.count; i++)
        assert(parse_name(config->resource_items[i].name, NAME_BYTES_MAX));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct muster_error error = { 0 };
    struct config       config = { 0 };
    struct lines        lines;
    muster_err          err;

    lines_open(&lines, data, bytes, "muster-worker");
    err = config_read(&config, lines.argc, lines.argv, &error);
    if (err)
        assert(err == MUSTER_ERR_INVALID && error.detail[0] != '\0');
    else
        config_check(&config);
    config_free(&config);
    lines_close(&lines);
    return 0;
}
