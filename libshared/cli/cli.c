/* cli.c - see cli.h */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "log.h"

enum { CLI_TEXT_BYTES = 4096, CLI_STDOUT_BYTES = 256 * 1024, CLI_TWICE_MS = 300 };

static const struct option cli_option_rows[] = {
    { 0, "connect", "ADDRESS", OPTION_TEXT, offsetof(struct cli, address), 0,
      "the manager: tcp://HOST:PORT or ipc://PATH; default $MUSTER_ADDRESS", NAMES_NOTHING },
    { 0, "authkey-file", "FILE", OPTION_TEXT, offsetof(struct cli, authkey_file), 0,
      "your authkey; default $MUSTER_AUTHKEY_FILE", NAMES_FILE },
    { 0, "json", NULL, OPTION_FLAG, offsetof(struct cli, json), 0,
      "print JSON instead of text for people", NAMES_NOTHING },
    { 'q', "quiet", NULL, OPTION_FLAG, offsetof(struct cli, quiet), 0,
      "no remarks on stderr but errors; lists print ids only", NAMES_NOTHING },
    { 'h', "help", NULL, OPTION_FLAG, offsetof(struct cli, help), 0,
      "explain the command with examples", NAMES_NOTHING },
    { 0, "version", NULL, OPTION_FLAG, offsetof(struct cli, version), 0,
      "print the version", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};

const struct option_group cli_options = { "Every command", cli_option_rows, true };

/* Whoever fails to write to stdout first tells it; the rest stay silent. */
static bool cli_stdout_broken;
static bool cli_stdout_pipe_closed;

static volatile sig_atomic_t    cli_interrupts;
static struct muster_session   *cli_interrupt_session;
static int                      cli_interrupt_event = -1;

/* ---- begin and end ---- */

static void
cli_hold_descriptor(int fd, int flags)
{
    int opened;

    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
        return;
    /* Opened the wrong way round, so that using it is an error that is seen. */
    opened = open("/dev/null", flags);
    if (opened >= 0 && opened != fd) {
        dup2(opened, fd);
        close(opened);
    }
}

static const char *
cli_environment(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

void
cli_begin(struct cli *cli)
{
    cli_hold_descriptor(STDIN_FILENO, O_WRONLY);
    cli_hold_descriptor(STDOUT_FILENO, O_RDONLY);
    cli_hold_descriptor(STDERR_FILENO, O_RDWR);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOFBF, CLI_STDOUT_BYTES);
    cli->address = cli_environment("MUSTER_ADDRESS");
    cli->authkey_file = cli_environment("MUSTER_AUTHKEY_FILE");
}

int
cli_end(struct cli *cli, int status)
{
    cli_interrupt_session = NULL;
    if (cli->session != NULL)
        muster_session_close(cli->session);
    cli->session = NULL;
    if (cli->fleet != NULL)
        muster_fleet_stop(cli->fleet);
    cli->fleet = NULL;
    if (!cli_flush() && status == EXIT_DONE)
        status = cli_stdout_pipe_closed ? EXIT_PIPE_CLOSED
                                        : muster_err_exit_status(MUSTER_ERR_IO);
    return status;
}

/* ---- sessions ---- */

static int
cli_connect(struct cli *cli, const char *address, const char *authkey_file)
{
    struct muster_session_options options = { .address = address, .authkey_file = authkey_file };
    struct muster_error           error = { 0 };

    if (muster_session_open(&options, &cli->session, &error) == MUSTER_ERR_NOT_FOUND)
        return cli_fail_file(&error, "use the authkey", "Name your key file with --authkey-file or "
                                                        "in MUSTER_AUTHKEY_FILE.");
    if (error.code != MUSTER_OK)
        return cli_fail(&error, "connect to", "%s", address);
    cli_interrupt_session = cli->session;
    return EXIT_DONE;
}

int
cli_open(struct cli *cli)
{
    if (cli->session != NULL)
        return EXIT_DONE;
    if (cli->address == NULL)
        return cli_usage(NULL, "no manager is given; name one with --connect tcp://HOST:PORT or "
                               "in MUSTER_ADDRESS");
    if (cli->authkey_file == NULL)
        return cli_usage(NULL, "no authkey is given; name its file with --authkey-file or in "
                               "MUSTER_AUTHKEY_FILE (`muster key init` makes one)");
    return cli_connect(cli, cli->address, cli->authkey_file);
}

int
cli_open_or_start(struct cli *cli, const struct muster_fleet_options *options)
{
    struct muster_error error = { 0 };

    if (cli->session != NULL || cli->address != NULL)
        return cli_open(cli);
    if (muster_fleet_start(options, &cli->fleet, &error))
        return cli_fail(&error, "start", "a private fleet");
    if (options->cpus != 0)
        cli_note(cli, "no manager given: using a private fleet on this machine with %u slots",
                 options->cpus);
    else
        cli_note(cli, "no manager given: using a private fleet on this machine, a slot per core");
    return cli_connect(cli, muster_fleet_address(cli->fleet),
                       muster_fleet_authkey_file(cli->fleet));
}

/* ---- words on stderr ---- */

void
cli_put_escaped(FILE *out, const char *text)
{
    struct buffer escaped = { 0 };

    log_escape(&escaped, slice_text(text));
    fwrite(escaped.data, 1, escaped.bytes, out);
    buffer_free(&escaped);
}

/* One write per line, so that lines of several programs do not mix. */
static void
cli_say_v(const char *format, va_list arguments)
{
    char          text[CLI_TEXT_BYTES];
    struct buffer line = { 0 };

    vsnprintf(text, sizeof(text), format, arguments);
    buffer_append_text(&line, "muster: ");
    log_escape(&line, slice_text(text));
    buffer_append_text(&line, "\n");
    fwrite(line.data, 1, line.bytes, stderr);
    fflush(stderr);
    buffer_free(&line);
}

void
cli_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    cli_say_v(format, arguments);
    va_end(arguments);
}

void
cli_note(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    if (cli->quiet)
        return;
    va_start(arguments, format);
    cli_say_v(format, arguments);
    va_end(arguments);
}

int
cli_fail(const struct muster_error *error, const char *what, const char *object_format, ...)
{
    char        object[CLI_TEXT_BYTES / 4];
    char        advice[CLI_TEXT_BYTES / 8];
    const char *advice_text = muster_err_advice(error->code);
    va_list     arguments;

    va_start(arguments, object_format);
    vsnprintf(object, sizeof(object), object_format, arguments);
    va_end(arguments);
    snprintf(advice, sizeof(advice), "%s", advice_text);
    advice[0] = (char)toupper((unsigned char)advice[0]);
    cli_say("%s%s%s: %s%s%s.%s%s%s", what, object[0] != '\0' ? " " : "", object,
            muster_err_text(error->code),
            error->detail[0] != '\0' ? ": " : "", error->detail, advice[0] != '\0' ? " " : "",
            advice, advice[0] != '\0' ? "." : "");
    return muster_err_exit_status(error->code);
}

int
cli_fail_file(const struct muster_error *error, const char *what, const char *advice)
{
    /* The table speaks of jobs and workers; this was a file. */
    if (error->code != MUSTER_ERR_NOT_FOUND)
        return cli_fail(error, what, "%s", "");
    cli_say("%s: %s. %s", what, error->detail, advice);
    return muster_err_exit_status(error->code);
}

int
cli_usage(const char *command, const char *format, ...)
{
    char        text[CLI_TEXT_BYTES / 2];
    const char *stop;
    va_list     arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    stop = text[0] != '\0' && text[strlen(text) - 1] == '?' ? "" : ".";
    if (command == NULL)
        cli_say("%s%s See `muster --help`.", text, stop);
    else
        cli_say("%s: %s%s See `muster %s --help`.", command, text, stop, command);
    return EXIT_USAGE;
}

/* ---- interruption ---- */

/* Safe in a signal handler. */
static uint64_t
cli_signal_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
cli_on_interrupt(int signal_number)
{
    static uint64_t first_ms;
    static const char     farewell[] = "muster: leaving at once\n";
    static const uint64_t one = 1;
    ssize_t               written;

    (void)signal_number;
    /* timeout(1), and shells that pass a signal on, send the one that we have got. */
    if (cli_interrupts > 0 && cli_signal_ms() - first_ms < CLI_TWICE_MS)
        return;
    first_ms = cli_signal_ms();
    if (cli_interrupts++ > 0) {
        written = write(STDERR_FILENO, farewell, sizeof(farewell) - 1);
        _exit(EXIT_INTERRUPTED);
    }
    written = write(cli_interrupt_event, &one, sizeof(one));
    (void)written;
    if (cli_interrupt_session != NULL)
        muster_session_interrupt(cli_interrupt_session);
}

void
cli_catch_interrupts(struct cli *cli)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = cli_on_interrupt };

    cli_interrupt_session = cli->session;
    cli_interrupt_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction before;

        /* nohup and shells without job control ignore some on our behalf. */
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool
cli_interrupted(void)
{
    return cli_interrupts > 0;
}

int
cli_interrupt_fd(void)
{
    return cli_interrupt_event;
}

/* ---- stdout ---- */

static bool
cli_stdout_check(bool ok)
{
    int saved = errno;

    if (ok || cli_stdout_broken)
        return ok && !cli_stdout_broken;
    cli_stdout_broken = true;
    cli_stdout_pipe_closed = saved == EPIPE;
    if (!cli_stdout_pipe_closed)
        cli_say("write standard output: %s", strerror(saved));
    return false;
}

bool
cli_write(const void *data, size_t bytes)
{
    return cli_stdout_check(bytes == 0 || fwrite(data, 1, bytes, stdout) == bytes);
}

bool
cli_flush(void)
{
    return cli_stdout_check(fflush(stdout) == 0 && !ferror(stdout));
}

bool
cli_stdout_failed(void)
{
    return cli_stdout_broken;
}
