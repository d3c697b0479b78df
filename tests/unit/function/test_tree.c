/* test_tree.c - the memory of a process and of those below it
 *
 * Method: a child takes memory, and has a process made that takes some, too: by its first
 * thread, by another one, or by one that does not wait for it.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stories.h"
#include "tree.h"

enum { OWN_BYTES = 32 << 20, BELOW_BYTES = 64 << 20 };

enum maker { MAKER_NONE, MAKER_FIRST_THREAD, MAKER_OTHER_THREAD, MAKER_GONE };

struct tree_story {
    const char *story;
    enum maker  maker;
    uint64_t    least_bytes, most_bytes;
};

static const struct tree_story stories[] = {
    { "a process alone", MAKER_NONE, OWN_BYTES, OWN_BYTES + (16 << 20) },
    { "with one that it made", MAKER_FIRST_THREAD, OWN_BYTES + BELOW_BYTES, 512 << 20 },
    { "with one that another thread made", MAKER_OTHER_THREAD, OWN_BYTES + BELOW_BYTES, 512 << 20 },
    { "one whose parent has ended is not found", MAKER_GONE, OWN_BYTES, OWN_BYTES + (16 << 20) },
};

static int told[2];                /* a byte from each that has its memory */

static void __attribute__((noreturn))
take(size_t bytes)
{
    if (mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
             0) == MAP_FAILED)
        _exit(1);
    if (write(told[1], "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void
make_below(void)
{
    if (fork() == 0)
        take(BELOW_BYTES);
}

/* It stays: what a thread that ends has made falls to another one. */
static void *
thread_main(void *unused)
{
    make_below();
    for (;;)
        pause();
    return unused;
}

static void __attribute__((noreturn))
child_main(enum maker maker)
{
    pthread_t thread;

    setsid();
    if (maker == MAKER_FIRST_THREAD)
        make_below();
    if (maker == MAKER_OTHER_THREAD && pthread_create(&thread, NULL, thread_main, NULL) != 0)
        _exit(1);
    if (maker == MAKER_GONE && fork() == 0) {
        make_below();
        _exit(0);
    }
    if (maker == MAKER_GONE)
        wait(NULL);
    take(OWN_BYTES);
}

static void
test_memory(void **state)
{
    const struct tree_story *row = *state;
    uint64_t                 bytes;
    char                     byte;
    pid_t                    pid;

    assert_int_equal(pipe(told), 0);
    pid = fork();
    if (pid == 0)
        child_main(row->maker);
    for (int left = row->maker == MAKER_NONE ? 1 : 2; left > 0; left--)
        assert_int_equal(read(told[0], &byte, 1), 1);
    bytes = tree_memory_of(pid);
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(told[0]);
    close(told[1]);
    assert_in_range(bytes, row->least_bytes, row->most_bytes);
}

int
main(void)
{
    return STORIES("memory of a tree", stories, test_memory);
}
