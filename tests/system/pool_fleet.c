/* pool_fleet.c - every promise about private managers */
#include "pool.h"

#include <signal.h>

static void
start_fleet(const struct muster_fleet_options *options, struct muster_fleet **fleet_out)
{
    OK(muster_fleet_start(options, fleet_out, &error));
    session = connect_to(muster_fleet_address(*fleet_out), muster_fleet_authkey_file(*fleet_out));
}

static void
manager_only(void)
{
    struct muster_fleet_options options = { .manager_only = true };
    struct muster_fleet        *fleet = NULL;
    struct muster_worker_info  *workers = NULL;
    struct muster_queue        *queue = NULL;
    struct muster_item          item;
    const char *const           modules[] = { "/nowhere.so", NULL };
    size_t                      count = 9;

    start_fleet(&options, &fleet);
    OK(muster_worker_list(session, WAIT_MS, &workers, &count, &error));
    CHECK(count == 0);
    muster_worker_list_free(workers, count);
    OK(muster_queue_open(session, NULL, 0, WAIT_MS, &queue, &error));
    OK(muster_queue_put(queue, "x", 1, NULL, WAIT_MS, &error));
    OK(muster_queue_get(queue, WAIT_MS, &item, &error));
    CHECK(text_is(item.data, item.bytes, "x"));
    muster_item_free(&item);
    muster_queue_close(queue);
    muster_session_close(session);
    session = NULL;
    muster_fleet_stop(fleet);
    options.modules = modules;
    GIVES(MUSTER_ERR_INVALID, muster_fleet_start(&options, &fleet, &error));
}

static void
modules(void)
{
    const char                 *module = getenv("POOL_MODULE");
    const char *const           paths[] = { module, NULL };
    const char *const           nowhere[] = { "/nowhere/module.so", NULL };
    struct muster_fleet_options options = { .cpus = 2, .modules = paths };
    struct muster_fleet        *fleet = NULL;
    struct muster_pool         *pool = NULL;
    struct muster_bytes         bytes = { 0 };

    start_fleet(&options, &fleet);
    OK(muster_pool_open(session, NULL, &pool, &error));
    OK(muster_pool_apply(pool, "square", "21", 2, WAIT_MS, &bytes, &error));
    CHECK(text_is(bytes.data, bytes.bytes, "441"));
    muster_bytes_free(&bytes);
    muster_pool_free(pool);
    muster_session_close(session);
    session = NULL;
    muster_fleet_stop(fleet);
    options.modules = nowhere;
    GIVES(MUSTER_ERR_IO, muster_fleet_start(&options, &fleet, &error));
    CHECK(strstr(error.detail, "/nowhere/module.so") != NULL);
}

/* Says where it is, and waits to be killed. */
static void
killed(void)
{
    struct muster_fleet_options options = { .manager_only = true };
    struct muster_fleet        *fleet = NULL;

    start_fleet(&options, &fleet);
    printf("%s\n", muster_fleet_address(fleet));
    fflush(stdout);
    for (;;)
        pause();
}

const struct test_case fleet_cases[] = {
    { "manager-only", "Manager(): a private manager for this program alone", manager_only },
    { "modules", "Manager(): and a private fleet with task modules", modules },
    { "killed", NULL, killed },
    { NULL, NULL, NULL },
};
