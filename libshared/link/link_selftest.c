/* link_selftest.c - the manager knocks at its own door as a stranger
 *
 * Configuration that looks right can still leave a CURVE socket open to every
 * key (see link_zap.h); only being refused on the real endpoint proves it shut.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "link_socket.h"
#include "link_zap.h"

/* An address to connect to, of one that was bound to: wildcards are not addresses. */
static void
reachable(char out[static LINK_ENDPOINT_BYTES], const char *endpoint)
{
    static const char *const wild[][2] = {
        { "tcp://0.0.0.0:", "tcp://127.0.0.1:" },
        { "tcp://[::]:", "tcp://[::1]:" },
    };

    for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        size_t bytes = strlen(wild[i][0]);

        if (strncmp(endpoint, wild[i][0], bytes) == 0) {
            snprintf(out, LINK_ENDPOINT_BYTES, "%s%s", wild[i][1], endpoint + bytes);
            return;
        }
    }
    snprintf(out, LINK_ENDPOINT_BYTES, "%s", endpoint);
}

static muster_err
wait_refusal(struct link_client *client, const char *endpoint, uint32_t timeout_ms,
             struct muster_error *error)
{
    uint64_t      due_ms = clock_now_ms() + timeout_ms;
    struct pollfd poll_fd = { .fd = link_client_state_fd(client), .events = POLLIN };

    for (;;) {
        struct muster_error why = { 0 };
        uint64_t            connections, now_ms = clock_now_ms();
        enum link_state     state = link_client_state(client, &connections, &why);

        if (state == LINK_REFUSED)
            return MUSTER_OK;
        if (connections > 0)
            return error_set(error, MUSTER_ERR_INTERNAL,
                             "%s let a stranger's key in: authentication does not work", endpoint);
        if (now_ms >= due_ms)
            return error_set(
                error, MUSTER_ERR_IO,
                "%s does not answer its own manager, so that strangers are refused could "
                "not be proven (%s)",
                endpoint, why.detail);
        if (poll(&poll_fd, 1, (int)(due_ms - now_ms)) < 0 && errno != EINTR)
            return error_errno(error, MUSTER_ERR_IO, "wait for the self-test");
    }
}

muster_err
link_self_test(const char *endpoint, struct link_zap *zap, const struct key *server_key,
               uint32_t timeout_ms, struct muster_error *error)
{
    char                      address[LINK_ENDPOINT_BYTES];
    struct key               *stranger = NULL;
    struct link_client       *client = NULL;
    struct link_client_config config = { .endpoint = address,
                                         .frame_bytes_max = 1024,
                                         .reconnect_ms_min = 50,
                                         .reconnect_ms_max = 200 };
    muster_err                err;

    reachable(address, endpoint);
    err = key_make(AUTH_ROLE_CLIENT, "stranger", key_public(server_key), &stranger, error);
    if (err)
        return err;
    link_zap_set_stranger(zap, key_public(stranger));
    config.key = stranger;
    err = link_client_open(&config, &client, error);
    if (!err)
        err = wait_refusal(client, address, timeout_ms, error);
    link_client_close(client);
    key_free(stranger);
    return err;
}
