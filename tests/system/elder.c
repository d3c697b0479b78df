/* elder.c - a manager of another version
 *
 *   elder DIR
 *
 * Listens with the keys of DIR, prints its address, and answers whatever it is
 * told as PROTOCOL.md says a manager answers a HELLO whose versions it does not
 * speak.  Ends with SIGTERM.
 */
#include <poll.h>
#include <stdio.h>

#include "auth.h"
#include "link.h"
#include "wire.h"

static void
elder_answer(struct link_server *server, uint64_t peer, struct slice bytes)
{
    const union wire_any answer = { .error = { .code = MUSTER_ERR_VERSION,
                                               .detail = slice_text("this manager speaks "
                                                                    "version 99 to 99") } };
    struct buffer        out = { 0 };
    struct wire_frame    frame;
    struct wire_message  message;

    if (wire_frame_open(bytes, &frame) || wire_frame_next(&frame, &message))
        return;
    wire_frame_begin(&out);
    wire_put_any(&out, MSG_TYPE_ERROR, message.request, &answer);
    wire_frame_end(&out, 1);
    if (link_server_send(server, peer, buffer_slice(&out)))
        fprintf(stderr, "elder: an answer could not be sent\n");
    buffer_free(&out);
}

static void
elder_serve(struct link_server *server)
{
    for (;;) {
        struct pollfd    wait = { .fd = link_server_fd(server), .events = POLLIN };
        struct link_peer from;
        struct slice     frame;
        uint64_t         gone;

        (void)poll(&wait, 1, -1);
        while (link_server_receive(server, &from, &frame))
            elder_answer(server, from.peer, frame);
        while (link_server_gone(server, &gone))
            continue;
    }
}

int
main(int argc, char **argv)
{
    struct link_server_config config = { .endpoint = "tcp://127.0.0.1:*",
                                         .frame_bytes_max = FRAME_BYTES_MAX,
                                         .connections_max = 100 };
    struct muster_error       error = { 0 };
    struct auth_table        *table = NULL;
    struct link_server       *server = NULL;
    struct key               *key = NULL;
    char                      path[4096];

    if (argc != 2 || auth_start(&error))
        return 2;
    snprintf(path, sizeof(path), "%s/manager.key", argv[1]);
    if (key_file_load(path, &key, &error))
        goto failed;
    snprintf(path, sizeof(path), "%s/authorized_keys", argv[1]);
    config.key = key;
    if (auth_table_load(path, &table, &error) ||
        link_server_open(&config, table, &server, &error))
        goto failed;
    printf("%s\n", link_server_endpoint(server));
    fflush(stdout);
    elder_serve(server);
failed:
    fprintf(stderr, "elder: %s\n", error.detail);
    key_free(key);
    return 1;
}
