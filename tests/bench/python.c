/* python.c - see python.h */
#include "python.h"

#include <stdio.h>
#include <stdlib.h>

#include "raw.h"

/* A server over TCP with an authkey, as muster is used, and clients that begin
 * together; prints operations per second. */
static const char program[] =
    "import multiprocessing as mp, queue, sys, threading, time\n"
    "from multiprocessing.managers import SyncManager\n"
    "operation, clients, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n"
    "def client(manager, lock, d, value, q, start):\n"
    "    def run_lock():\n"
    "        lock.acquire(); lock.release()\n"
    "    def run_dict_set():\n"
    "        d['key'] = b'some value'\n"
    "    def run_dict_get():\n"
    "        d['key']\n"
    "    def run_value():\n"
    "        value.set(value.get() + 1)\n"
    "    def run_queue():\n"
    "        q.put(b'some item'); q.get()\n"
    "    run = locals()['run_' + operation]\n"
    "    run()\n"
    "    start.wait()\n"
    "    for _ in range(count):\n"
    "        run()\n"
    "if __name__ == '__main__':\n"
    "    manager = SyncManager(address=('127.0.0.1', 0), authkey=b'bench')\n"
    "    manager.start()\n"
    "    shared = (manager.Lock(), manager.dict(key=b'some value'), manager.Value('q', 0),\n"
    "              manager.Queue())\n"
    "    start = mp.Barrier(clients + 1)\n"
    "    all = [mp.Process(target=client, args=(None, *shared, start)) for _ in range(clients)]\n"
    "    for one in all: one.start()\n"
    "    start.wait()\n"
    "    began = time.perf_counter()\n"
    "    for one in all: one.join()\n"
    "    print(clients * count / (time.perf_counter() - began))\n";

bool
python_installed(void)
{
    return raw_installed("python3");
}

double
python_managers(const char *operation, uint32_t clients, uint32_t count)
{
    char   command[sizeof(program) + 128];
    double rate = 0;
    FILE  *output;

    snprintf(command, sizeof(command), "python3 -c \"%s\" %s %u %u", program, operation, clients,
             count);
    fflush(stdout);
    output = popen(command, "re");
    if (output == NULL || fscanf(output, "%lf", &rate) != 1)
        bench_die("python3 did not measure %s", operation);
    (void)pclose(output);
    return rate;
}
